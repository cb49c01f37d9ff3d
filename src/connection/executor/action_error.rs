//! The error of an action that the broker rejects.

use crate::rejection::Rejection;
use crate::session::{Receipt, RejectedAction};

/// A request that failed, and the reason.
pub(crate) struct ActionError {
    pub(crate) rejected_action: RejectedAction,
    pub(crate) receipt: Option<Receipt>,
    pub(crate) rejection: Rejection,
}
