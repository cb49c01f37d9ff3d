//! The reason for which a request is rejected.

use super::code::Code;
use super::limit::Limit;

/// The reason for which a request is rejected. `Display` shows the sentences for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Rejection {
    /// The kind of the reason.
    pub code: Code,
    /// A short text: the header `message` of an ERROR frame. It contains no colon and no backslash, because an ERROR
    /// may be written before the version is negotiated, which determines how headers are escaped.
    pub summary: &'static str,
    /// Sentences for the client: what was wrong, what was expected, and what to do.
    pub detail: String,
    /// The limit that was reached, if the code is [`Code::Limit`].
    pub limit: Option<Limit>,
    /// For [`Code::AccessDenied`]: what was denied, for the log.
    pub denial: Option<Box<Denial>>,
}

/// A request that the permissions deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The denied operation: `send` or `subscribe`.
    pub verb: &'static str,
    /// The destination as the client wrote it.
    pub destination: Box<str>,
    /// The rule that denies the request, or another reason. Only the operator may see it.
    pub rule: Box<str>,
}

impl Rejection {
    /// Creates a rejection that is not about a limit.
    pub fn new(code: Code, summary: &'static str, detail: impl Into<String>) -> Rejection {
        Rejection { code, summary, detail: detail.into(), limit: None, denial: None }
    }

    /// Creates the rejection of a request that exceeds a limit.
    pub fn by_limit(limit: Limit, summary: &'static str, detail: impl Into<String>) -> Rejection {
        Rejection { limit: Some(limit), ..Rejection::new(Code::Limit, summary, detail) }
    }

    /// Creates the rejection of a request that would exceed the value `max` of a limit of the broker. The sentence
    /// `usage`, without its final stop, says what is in use.
    pub fn full(limit: Limit, max: usize, usage: &str) -> Rejection {
        let option = limit.option();
        let detail = format!(
            "{usage}. {option} allows {max}. Try again later, or ask the operator to raise {option}."
        );
        Rejection::by_limit(limit, "limit reached", detail)
    }

    /// Creates the rejection of a request that the permissions deny.
    pub fn denied(verb: &'static str, destination: &str, rule: &str, detail: String) -> Rejection {
        let denial = Denial { verb, destination: destination.into(), rule: rule.into() };
        Rejection {
            denial: Some(Box::new(denial)),
            ..Rejection::new(Code::AccessDenied, "access denied", detail)
        }
    }
}
