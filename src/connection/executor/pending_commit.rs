//! A COMMIT frame in progress ([`super::commit`]).

use crate::broker::StepwiseCommit;
use crate::session::{Receipt, RejectedAction};

/// A COMMIT frame in progress.
#[derive(Debug)]
pub(crate) struct PendingCommit {
    pub(super) commit: StepwiseCommit,
    /// The kind of request that the ERROR refers to if the broker rejects a step.
    pub(super) rejected_action: RejectedAction,
    pub(super) receipt: Option<Receipt>,
}
