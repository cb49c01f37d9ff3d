//! A refusal by a rule.

use std::sync::Arc;

/// A refusal by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessDenied {
    /// The rule that refuses the request, as the operator wrote it, for the log.
    pub rule: Arc<str>,
}
