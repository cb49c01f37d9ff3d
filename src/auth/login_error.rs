//! The error of a rejected login.

/// The cause of a rejected login, for the log and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The credentials are wrong.
    Credentials,
    /// Too many logins, correct or wrong; the client may try again later.
    Busy,
    /// The named source could not check the login.
    Source(&'static str),
}

/// A rejected login. The texts for the client are the same whether or not the user name exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginError {
    /// Text for the `message` header of the ERROR frame.
    pub summary: &'static str,
    /// Text for the body of the ERROR frame.
    pub detail: String,
    /// Reason for the log only. It contains no secret.
    pub reason: String,
    /// The cause, for the log and the metrics.
    pub cause: Cause,
    /// The option with the limit that was exceeded, if the cause is a limit.
    pub limit: Option<&'static str>,
}
