//! Whose outbound queue it is.

use std::sync::Arc;

/// Whose outbound queue it is, known once the session is established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The session's id, as in CONNECTED.
    pub session: Arc<str>,
    /// The user's name, unless the session is anonymous.
    pub user: Option<Arc<str>>,
}
