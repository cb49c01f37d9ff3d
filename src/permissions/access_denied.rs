//! The denial of a request.

use std::sync::Arc;

/// The denial of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessDenied {
    /// The reason for the log: the rule that denies the request, as the operator wrote it, or a text if no rule
    /// decided.
    pub rule: Arc<str>,
}
