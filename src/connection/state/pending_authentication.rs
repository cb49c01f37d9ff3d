//! An authentication in progress.

use crate::auth::{LoginError, Principal};
use crate::session::Receipt;
use std::future::Future;
use std::pin::Pin;
use tokio_util::sync::CancellationToken;

pub(crate) type AuthenticationFuture = Pin<Box<dyn Future<Output = Result<Principal, LoginError>> + Send>>;

/// An authentication in progress.
pub(crate) struct PendingAuthentication {
    pub(crate) future: AuthenticationFuture,
    pub(crate) kind: AuthenticationKind,
}

/// The kind of an authentication, and what is needed to handle its result.
pub(crate) enum AuthenticationKind {
    Login {
        /// The name of the client's program, for the log.
        agent: Option<Box<str>>,
        /// Cancelled when the client sends nothing more.
        input_ended: CancellationToken,
    },
    Renewal(Option<Receipt>),
}
