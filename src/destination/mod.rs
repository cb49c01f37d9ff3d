//! Destination names and wildcard patterns, parsed once when a frame arrives.
//!
//! ```text
//! destination = "/topic/" name | "/queue/" name | "/temp-queue/" name | "/app/" name
//!             | "/user/" path                    ; a destination of the client's own user
//!             | "/user/" owner "/" path          ; a destination of that user, or of that session
//!             | "/users/" path                   ; the destinations of the users listed in the header `to`
//!             | "/presence/users" | "/presence/topic/" name
//!             | "/auth/refresh"
//! path        = ( "queue" | "topic" ) "/" name
//! owner       = 1*byte, without "/"              ; percent-encoded; "~" before the id of a session
//! name        = segment *( ( "/" | "." ) segment )
//! segment     = 1*byte, without "/" and "."      ; control characters are bytes like any other
//! wildcard    = "*"                              ; one segment
//!             | "**" | "#" | ">"                 ; zero or more segments
//! ```
//!
//! Names are byte-distinct (`/topic/a.b` and `/topic/a/b` are two topics). For matching, `/` and `.` both separate
//! segments, except in `owner`, which is always one segment. A wildcard is a whole segment of a SUBSCRIBE to
//! `/topic/…`, `/app/…` or the client's own `/user/…`, and occurs nowhere else. No longer segment contains `*`, so that
//! `a*` cannot be mistaken for a pattern.
//!
//! A client writes an [`Address`]. The broker routes by a [`Destination`], in which the owner of a user's destination
//! is resolved.

mod address;
mod dialect;
mod owner;
mod pattern;

pub use address::{Address, AddressOwner, UserPath, recipients};
pub use dialect::reject_activemq_forms;
pub use owner::Owner;
pub(crate) use owner::percent_decode;
pub use pattern::{Pattern, Segment, Selector};

use pattern::wildcard;
use std::borrow::Cow;
use std::iter;
use std::sync::Arc;

/// The option that limits the length of a destination.
const BYTES_MAX: &str = "destination-bytes-max";

/// The prefixes with names below them, each with its family. The order is that of [`DestinationKind`].
const PREFIXES: [(&str, DestinationKind); 6] = [
    ("/topic/", DestinationKind::Topic),
    ("/queue/", DestinationKind::Queue),
    ("/temp-queue/", DestinationKind::TempQueue),
    ("/user/", DestinationKind::User),
    ("/presence/", DestinationKind::Presence),
    ("/app/", DestinationKind::App),
];

/// The families of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DestinationKind {
    /// `/topic/…`: broadcast.
    Topic,
    /// `/queue/…`: work queue.
    Queue,
    /// `/temp-queue/…`: temporary queue of a session.
    TempQueue,
    /// `/user/…`: broadcast to the sessions of one user.
    User,
    /// `/presence/…`: presence of the members of a topic, or of the online sessions.
    Presence,
    /// `/app/…`: each message goes to one service.
    App,
}

impl DestinationKind {
    /// Returns the prefix of names of this family, with both slashes.
    pub fn prefix(self) -> &'static str {
        let (prefix, _) = PREFIXES[self as usize];
        prefix
    }

    /// Returns whether messages are kept until a consumer takes them.
    pub fn stores_messages(self) -> bool {
        matches!(self, DestinationKind::Queue | DestinationKind::TempQueue)
    }

    /// Returns whether a SUBSCRIBE may contain wildcards.
    fn allows_wildcards(self) -> bool {
        matches!(self, DestinationKind::Topic | DestinationKind::User | DestinationKind::App)
    }
}

/// The beginning of dead letter queues.
const DEAD_PREFIX: &str = "/queue/dead.";
/// Maximum number of segments of a name or a pattern: the cost of matching grows with them.
pub(crate) const SEGMENTS_MAX: usize = 64;

/// The error of a text that is not a destination. `Display` returns one or two sentences for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DestinationError {
    /// What was wrong and what was expected.
    pub detail: String,
    /// The option of the limit, if one was exceeded.
    pub limit: Option<&'static str>,
}

/// One destination to which messages can be routed. Destinations are equal if their bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    kind: DestinationKind,
    text: Arc<str>,
}

impl Destination {
    /// Parses the `destination` of a SEND that does not depend on the session: without a wildcard, and for `/user/`
    /// with the name of the user.
    ///
    /// # Errors
    /// The text is not a destination, is too long, contains a wildcard, or does not name its user.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Destination, DestinationError> {
        let address = Address::parse_send(text, bytes_max)?;
        address.routed().ok_or_else(|| {
            invalid(format!("{text:?} names no user; expected the name of a user, as in /user/NAME/queue/x."))
        })
    }

    /// Returns the family of the destination.
    pub fn kind(&self) -> DestinationKind {
        self.kind
    }

    /// Returns the whole text with the prefix; for a user's destination it contains the [`Owner`].
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the whole text, shared in memory.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Returns the part after the prefix.
    pub fn name(&self) -> &str {
        &self.text[self.kind.prefix().len()..]
    }

    /// Returns the text that subscribers see: for a user's destination it does not contain the user.
    pub fn display_name(&self) -> Cow<'_, str> {
        match (self.kind, self.name().split_once('/')) {
            (DestinationKind::User, Some((_, path))) => format!("{}{path}", self.kind.prefix()).into(),
            _ => self.as_str().into(),
        }
    }

    /// Returns the owner and the path of a user's destination.
    fn owner_and_path(&self) -> Option<(&str, &str)> {
        if self.kind == DestinationKind::User { self.name().split_once('/') } else { None }
    }

    /// Returns the id of the session in `/user/~ID/…`.
    pub fn session(&self) -> Option<&str> {
        let (owner, _) = self.owner_and_path()?;
        owner.strip_prefix(owner::SESSION)
    }

    /// Returns the same destination of another owner, or `None` if it is not a user's destination.
    pub fn of(&self, owner: &Owner) -> Option<Destination> {
        let (_, path) = self.owner_and_path()?;
        let text = format!("{}{}/{path}", self.kind.prefix(), owner.as_str());
        Some(Destination { kind: self.kind, text: text.into() })
    }

    /// Returns `/presence/users`, the presence of the online sessions.
    pub fn online_users() -> Destination {
        Destination { kind: DestinationKind::Presence, text: "/presence/users".into() }
    }

    /// Returns `/topic/NAME` for `/presence/topic/NAME`.
    pub fn watched_topic(&self) -> Option<Destination> {
        let topic = self.text.strip_prefix(DestinationKind::Presence.prefix().trim_end_matches('/'))?;
        let is_topic = topic.starts_with(DestinationKind::Topic.prefix());
        is_topic.then(|| Destination { kind: DestinationKind::Topic, text: topic.into() })
    }

    /// Returns the segments of the name, split at `/` and `.`. For a user's destination the first one is the owner,
    /// which is a single segment.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let (owner, rest) = match self.owner_and_path() {
            Some((owner, path)) => (Some(owner), path),
            None => (None, self.name()),
        };
        owner.into_iter().chain(split(rest))
    }
}

/// Checks the length of the `destination` of a SEND or SUBSCRIBE, before all other checks.
fn check_length(text: &str, bytes_max: usize) -> Result<(), DestinationError> {
    // A dead letter queue may be longer by its prefix, so that the dead letters of every queue can be reached.
    let extra = if text.starts_with(DEAD_PREFIX) {
        DEAD_PREFIX.len() - DestinationKind::Queue.prefix().len()
    } else {
        0
    };
    if text.len() > bytes_max.saturating_add(extra) {
        let detail = format!(
            "The destination has {} bytes; {BYTES_MAX} allows {bytes_max}. Use a shorter name, or raise {BYTES_MAX}.",
            text.len()
        );
        return Err(DestinationError { detail, limit: Some(BYTES_MAX) });
    }
    Ok(())
}

/// Validates a name. Returns its first wildcard segment. `text` is the whole destination, for the error.
fn check_name<'a>(text: &str, name: &'a str) -> Result<Option<&'a str>, DestinationError> {
    let segments = split(name).count();
    if segments > SEGMENTS_MAX {
        return Err(invalid(format!(
            "The destination has {segments} segments, separated by '/' or '.'; expected at most {SEGMENTS_MAX}."
        )));
    }
    let mut first_wildcard = None;
    for segment in split(name) {
        if segment.is_empty() {
            return Err(invalid(format!(
                "{text:?} has an empty segment; expected at least one character before and after each '/' and '.'."
            )));
        }
        if wildcard(segment).is_some() {
            first_wildcard = first_wildcard.or(Some(segment));
        } else if segment.contains('*') {
            return Err(invalid(format!(
                "{text:?} has '*' inside the segment {segment:?}; expected '*' or '**' as a whole segment, or a segment \
                 without '*'. Only SUBSCRIBE to /topic/, /app/ and your own /user/ may contain wildcards."
            )));
        }
    }
    Ok(first_wildcard)
}

fn invalid(detail: String) -> DestinationError {
    DestinationError { detail, limit: None }
}

fn split(name: &str) -> impl Iterator<Item = &str> {
    // Iterates over bytes: `str::split` iterates over characters and takes three times as long.
    let mut rest = Some(name);
    iter::from_fn(move || {
        let text = rest?;
        match text.bytes().position(|byte| matches!(byte, b'/' | b'.')) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

#[cfg(test)]
mod tests;
