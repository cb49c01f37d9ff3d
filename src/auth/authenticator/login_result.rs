//! The results of logins, with the texts for the client and for the log.

use crate::auth::credentials::Credentials;
use crate::auth::login_error::{Cause, LoginError};
use crate::auth::principal::Principal;
use crate::rejection::{Code, Limit, Rejection};

/// The result of a login, for its client.
pub(super) type LoginResult = Result<Principal, LoginError>;

/// The result of a check. The texts are reasons for the log.
pub(super) enum Checked {
    Known(Principal),
    /// A source accepts the client, but `user-names` does not allow its name.
    BadName(String),
    Rejected(String),
    /// No source knows the client.
    Unknown,
    /// The source with this name could not check the login.
    Unavailable(&'static str, String),
    Throttled(&'static str),
    /// `auth-waiting-max` logins are being checked already.
    TooManyLogins,
    /// All clients of the login have disconnected.
    Abandoned,
}

const FAILED: &str = "login failed";
const NOT_CHECKED: &str = "login not checked";

fn too_many_logins() -> LoginError {
    let detail = "Too many logins are being checked (limit auth-waiting-max). Try again later.";
    LoginError {
        rejection: Rejection::by_limit(Limit::AuthWaiting, NOT_CHECKED, detail),
        reason: "too many logins are being checked".to_owned(),
        cause: Cause::Busy,
    }
}

/// Returns the error of a login that does not fit into the budget for logins in progress.
pub(super) fn out_of_memory() -> LoginError {
    let detail = "The login has more than 1 KiB, and the memory for unauthenticated clients is full. Try again later, \
                  use a shorter login or token, or raise memory-bytes-max.";
    LoginError {
        rejection: Rejection::by_limit(Limit::MemoryBytes, NOT_CHECKED, detail),
        reason: "the memory for logins in progress is full (memory-bytes-max)".to_owned(),
        cause: Cause::Busy,
    }
}

pub(super) fn not_checked(reason: String, cause: Cause) -> LoginError {
    let detail = match cause {
        Cause::Busy => "Too many logins failed. Try again later.",
        _ => "The broker cannot check the login now. Try again later.",
    };
    LoginError { rejection: Rejection::new(Code::LoginNotChecked, NOT_CHECKED, detail), reason, cause }
}

pub(super) fn client_left() -> LoginError {
    let detail = "The client closed its side of the connection before the broker answered. The answer was delayed \
                  because too many logins failed. Keep the connection open until the answer arrives.";
    LoginError {
        rejection: Rejection::new(Code::LoginNotChecked, NOT_CHECKED, detail),
        reason: "the client disconnected while its login was delayed".to_owned(),
        cause: Cause::Busy,
    }
}

pub(super) fn failed(detail: String, reason: String) -> LoginError {
    let rejection = Rejection::new(Code::Unauthenticated, FAILED, detail);
    LoginError { rejection, reason, cause: Cause::Credentials }
}

/// Returns the answer to a client. The text of a failure depends only on the credentials, not on which users exist.
/// Only a client with correct credentials learns that `user-names` does not allow its name.
pub(super) fn result_for_client(credentials: &Credentials, checked: Checked) -> LoginResult {
    let reason = match checked {
        Checked::Known(principal) => return Ok(principal),
        Checked::Unavailable(source, reason) => return Err(not_checked(reason, Cause::Source(source))),
        Checked::Throttled(reason) => return Err(not_checked(reason.to_owned(), Cause::Busy)),
        Checked::TooManyLogins => return Err(too_many_logins()),
        Checked::Abandoned => return Err(client_left()),
        Checked::BadName(reason) => {
            let detail =
                "The user name is not allowed (option user-names). The log of the broker has the reason.";
            return Err(failed(detail.to_owned(), reason));
        }
        Checked::Rejected(reason) => reason,
        Checked::Unknown if credentials.is_empty() => "no credentials".to_owned(),
        Checked::Unknown => "unknown to all sources of users".to_owned(),
    };
    let detail = match (credentials.token(), credentials.login()) {
        (Some(_), _) => "The token is not accepted. Get a new one.",
        (None, Some(_)) => "The login or the passcode is wrong.",
        (None, None) => {
            "This broker requires authentication. Send CONNECT with the headers login and passcode, or with \
             a token."
        }
    };
    Err(failed(detail.to_owned(), reason))
}
