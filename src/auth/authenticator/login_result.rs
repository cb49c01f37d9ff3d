//! The results of logins, and the texts for the client and for the log.

use crate::auth::credentials::Credentials;
use crate::auth::login_error::{Cause, LoginError};
use crate::auth::principal::Principal;

/// The result of a login.
pub(super) type LoginResult = Result<Principal, LoginError>;

/// The result of a check. The reasons are for the log.
pub(super) enum Checked {
    Known(Principal),
    /// A source accepts the client, but with a name that `user-names` does not accept.
    BadName(String),
    Refused(String),
    /// No source knows the client.
    Unknown,
    /// The source with this name could not check the login.
    Unavailable(&'static str, String),
    Throttled(&'static str),
    /// `auth-waiting-max` logins are being checked already.
    TooManyLogins,
    /// All clients that waited for the answer have disconnected.
    Abandoned,
}

const REFUSED: &str = "login failed";
const NOT_CHECKED: &str = "login not checked";

fn too_many_logins() -> LoginError {
    LoginError {
        summary: NOT_CHECKED,
        detail: "Too many logins are being checked (limit auth-waiting-max); try again later.".to_owned(),
        reason: "too many logins are being checked".to_owned(),
        cause: Cause::Busy,
        limit: Some("auth-waiting-max"),
    }
}

/// Returns the refusal of a large login that does not fit into the budget.
pub(super) fn out_of_memory() -> LoginError {
    LoginError {
        summary: NOT_CHECKED,
        detail:
            "The memory for unauthenticated clients (a part of memory-bytes-max) is full, and this login is \
                 longer than 1 KiB. Try again later, use a shorter login or token, or raise memory-bytes-max."
                .to_owned(),
        reason: "the memory for logins in progress is full (memory-bytes-max)".to_owned(),
        cause: Cause::Busy,
        limit: Some("memory-bytes-max"),
    }
}

pub(super) fn not_checked(reason: String, cause: Cause) -> LoginError {
    let detail = match cause {
        Cause::Busy => "Too many logins failed; try again later.",
        _ => "The login cannot be checked now; try again later.",
    };
    LoginError { summary: NOT_CHECKED, detail: detail.to_owned(), reason, cause, limit: None }
}

pub(super) fn client_left() -> LoginError {
    LoginError {
        detail: "Too many logins failed, so this login is delayed, but the client closed its side of the \
                 connection. Keep the connection open until the answer arrives, or try again later."
            .to_owned(),
        ..not_checked("the client disconnected while its login was delayed".to_owned(), Cause::Busy)
    }
}

pub(super) fn refused(detail: String, reason: String) -> LoginError {
    LoginError { summary: REFUSED, detail, reason, cause: Cause::Credentials, limit: None }
}

/// Returns the answer to a client. The text of a refusal depends only on the credentials that the client sent, not on
/// which users exist. Only a client with correct credentials learns that its name is not accepted.
pub(super) fn result_for_client(credentials: &Credentials, checked: Checked) -> LoginResult {
    let reason = match checked {
        Checked::Known(principal) => return Ok(principal),
        Checked::Unavailable(source, reason) => return Err(not_checked(reason, Cause::Source(source))),
        Checked::Throttled(reason) => return Err(not_checked(reason.to_owned(), Cause::Busy)),
        Checked::TooManyLogins => return Err(too_many_logins()),
        Checked::Abandoned => return Err(client_left()),
        Checked::BadName(reason) => {
            let detail =
                "The user name is not accepted (user-names); the log of the broker contains the reason.";
            return Err(refused(detail.to_owned(), reason));
        }
        Checked::Refused(reason) => reason,
        Checked::Unknown if credentials.is_empty() => "no credentials".to_owned(),
        Checked::Unknown => "unknown to all sources of users".to_owned(),
    };
    let detail = match (credentials.token(), credentials.login()) {
        (Some(_), _) => "The token is not accepted; get a new one.",
        (None, Some(_)) => "The login or the passcode is wrong.",
        (None, None) => {
            "This broker requires authentication: send the headers login and passcode with CONNECT, or \
             a token."
        }
    };
    Err(refused(detail.to_owned(), reason))
}
