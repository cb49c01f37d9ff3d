//! The error of a failed login.

use crate::rejection::Rejection;

/// The cause of a failed login, for the log and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The credentials are wrong.
    Credentials,
    /// A limit on logins was reached. The client may try again later.
    Busy,
    /// The named source could not check the login.
    Source(&'static str),
}

/// A failed login. The texts for the client do not depend on whether the user name exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginError {
    /// The rejection for the client.
    pub rejection: Rejection,
    /// The reason, for the log only. It contains no secret.
    pub reason: String,
    /// The cause, for the log and the metrics.
    pub cause: Cause,
}
