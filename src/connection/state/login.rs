//! The login of a connection: what the client has shown before CONNECT, the authentication in progress, and the version
//! of the rules that apply to the client.

use super::pending_authentication::PendingAuthentication;
use crate::auth::ClientHandshake;
use std::sync::Arc;

/// The login of a connection.
pub(crate) struct Login {
    /// Version of the rules and users with which the client was last checked.
    pub(crate) access_version: u64,
    /// Whether the client has signed in. The limits for authenticated clients then apply.
    pub(crate) established: bool,
    /// Whether the failed login was not logged individually. The end of the connection is then logged at debug.
    pub(crate) failure_suppressed: bool,
    /// The authentication in progress. Frames are not handled until the authentication is complete.
    pub(crate) pending_authentication: Option<PendingAuthentication>,
    /// Credentials and other information that the client sent before CONNECT. `None` once the login has begun.
    pub(crate) handshake: Option<Arc<ClientHandshake>>,
}

impl Login {
    /// Creates the state of a client that has not sent CONNECT.
    pub(crate) fn new(handshake: Arc<ClientHandshake>) -> Login {
        Login {
            access_version: 0,
            established: false,
            failure_suppressed: false,
            pending_authentication: None,
            handshake: Some(handshake),
        }
    }
}
