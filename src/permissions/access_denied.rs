//! The error of a request that the permission rules deny.

use std::sync::Arc;

/// The error of a request that the permission rules deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessDenied {
    /// The rule that denies the request, as the operator wrote it, or another reason. For the log.
    pub rule: Arc<str>,
}
