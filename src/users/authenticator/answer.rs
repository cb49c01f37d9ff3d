//! The answers to logins.

use super::Answer;
use crate::users::{Cause, Credentials, Principal, Refused};

/// The result of a check. The reasons are for the log.
pub(super) enum Checked {
    Known(Principal),
    /// A source knows the client, by a name that `user-names` does not accept.
    BadName(String),
    Refused(String),
    /// No source knows the client.
    Unknown,
    /// The named source could not check the login.
    Unavailable(&'static str, String),
    Throttled(&'static str),
    /// `auth-waiting-max` logins are being checked already.
    TooManyLogins,
    /// All clients that waited for the answer have disconnected.
    Abandoned,
}

const REFUSED: &str = "login refused";
const NOT_CHECKED: &str = "login not checked";

fn too_many_logins() -> Refused {
    Refused {
        summary: NOT_CHECKED,
        detail: "Too many clients are logging in at this moment (limit auth-waiting-max); try again later."
            .to_owned(),
        reason: "too many logins are being checked".to_owned(),
        cause: Cause::Busy,
        limit: Some("auth-waiting-max"),
    }
}

/// Returns the refusal of a large login that does not fit into the budget.
pub(super) fn out_of_memory() -> Refused {
    Refused {
        summary: NOT_CHECKED,
        detail: "Clients that are not signed in hold as much as they may (a part of memory-bytes-max), and this login \
                 is longer than 1 KiB. Try again later, use a shorter login or token, or raise memory-bytes-max."
            .to_owned(),
        reason: "logins under way hold as much memory as they may (memory-bytes-max)".to_owned(),
        cause: Cause::Busy,
        limit: Some("memory-bytes-max"),
    }
}

pub(super) fn not_checked(reason: String, cause: Cause) -> Refused {
    let detail = match cause {
        Cause::Busy => "Too many logins were refused; try again later.",
        _ => "Your login cannot be checked at this moment; try again later.",
    };
    Refused { summary: NOT_CHECKED, detail: detail.to_owned(), reason, cause, limit: None }
}

pub(super) fn left_early() -> Refused {
    Refused {
        detail:
            "Too many logins were refused, so this one has to wait, but the client closed its side of the \
                 connection. Keep the connection open until the answer arrives, or try again later."
                .to_owned(),
        ..not_checked("the client left while its login was held back".to_owned(), Cause::Busy)
    }
}

pub(super) fn refused(detail: String, reason: String) -> Refused {
    Refused { summary: REFUSED, detail, reason, cause: Cause::Credentials, limit: None }
}

/// Returns the answer to a client. The text of a refusal depends only on the credentials that the client sent, not on
/// which users exist. Only a client with correct credentials is told that its name is not accepted.
pub(super) fn heard(credentials: &Credentials, checked: Checked) -> Answer {
    let reason = match checked {
        Checked::Known(principal) => return Ok(principal),
        Checked::Unavailable(source, reason) => return Err(not_checked(reason, Cause::Source(source))),
        Checked::Throttled(reason) => return Err(not_checked(reason.to_owned(), Cause::Busy)),
        Checked::TooManyLogins => return Err(too_many_logins()),
        Checked::Abandoned => return Err(left_early()),
        Checked::BadName(reason) => {
            let detail = "Your user name is not accepted by this broker; its log says why (user-names).";
            return Err(refused(detail.to_owned(), reason));
        }
        Checked::Refused(reason) => reason,
        Checked::Unknown if credentials.is_empty() => "no login".to_owned(),
        Checked::Unknown => "no source of users knows this login".to_owned(),
    };
    let detail = match (credentials.token(), credentials.login()) {
        (Some(_), _) => "This token is not accepted here; get a new one.",
        (None, Some(_)) => "This login and passcode stand for no user of this broker.",
        (None, None) => {
            "This broker lets only its users in: send the headers login and passcode with CONNECT, or a token."
        }
    };
    Err(refused(detail.to_owned(), reason))
}
