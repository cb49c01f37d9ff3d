//! The denial of a request.

use std::sync::Arc;

/// The denial of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessDenied {
    /// The rule that denies the request, as the operator wrote it, or another reason for the denial. Shown in the log.
    pub rule: Arc<str>,
}
