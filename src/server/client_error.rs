//! The error of a request of a [`Client`](super::Client).

use crate::rejection::{Actor, Rejection};

/// The error of a request of a [`Client`](super::Client). Its `Display` text says what was wrong and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .0.summary, .0.detail)]
pub struct ClientError(pub(super) Rejection);

impl ClientError {
    /// Returns a short text, such as `access denied`: the header `message` that an ERROR frame would have.
    pub fn summary(&self) -> &str {
        self.0.summary
    }

    /// Returns the name of the option whose limit was reached, or `None` if the error is not about a limit.
    pub fn limit(&self) -> Option<&'static str> {
        self.0.limit.map(|limit| limit.option())
    }

    /// Returns who must act before the request can succeed.
    pub fn actor(&self) -> Actor {
        self.0.code.actor()
    }
}
