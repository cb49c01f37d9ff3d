//! The session that an outbound queue belongs to.

use std::sync::Arc;

/// The session and user that an outbound queue belongs to. They are known once the session is established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The session's id, as in the `session` header of CONNECTED.
    pub session: Arc<str>,
    /// The user's name. `None` if the session is anonymous.
    pub user: Option<Arc<str>>,
}
