//! A COMMIT frame in progress ([`crate::connection::executor::commit`]).

use crate::broker::StepwiseCommit;
use crate::session::{Receipt, RejectedAction};

/// A COMMIT frame in progress.
#[derive(Debug)]
pub(crate) struct PendingCommit {
    pub(crate) commit: StepwiseCommit,
    /// The kind of request that the ERROR refers to if the broker rejects a step.
    pub(crate) rejected_action: RejectedAction,
    pub(crate) receipt: Option<Receipt>,
}
