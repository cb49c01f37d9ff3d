//! An authentication that is in progress.

use crate::auth::{Principal, Refused};
use crate::session::Receipt;
use std::future::Future;
use std::pin::Pin;
use tokio_util::sync::CancellationToken;

pub(crate) type AuthenticationFuture = Pin<Box<dyn Future<Output = Result<Principal, Refused>> + Send>>;

/// An authentication request in flight.
pub(crate) struct PendingAuthentication {
    pub(crate) future: AuthenticationFuture,
    pub(crate) kind: AuthenticationKind,
}

/// The kind of an authentication, with what its result needs.
pub(crate) enum AuthenticationKind {
    Login {
        /// The name of the client's program.
        agent: Option<Box<str>>,
        /// Cancelled when the client sends nothing more.
        input_ended: CancellationToken,
    },
    Renewal(Option<Receipt>),
}
