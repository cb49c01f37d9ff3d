//! Destination names and wildcard patterns, parsed once.
//!
//! ```text
//! destination = "/topic/" name | "/queue/" name | "/temp-queue/" name | "/app/" name
//!             | "/user/" path                    ; the user's own
//!             | "/user/" whose "/" path          ; that user's, or that session's
//!             | "/users/" path                   ; those whom the header `to` lists
//!             | "/presence/users" | "/presence/topic/" name
//!             | "/auth/refresh"
//! path        = ( "queue" | "topic" ) "/" name
//! whose       = 1*byte, without "/"             ; percent-encoded; "~" before the id of a session
//! name        = segment *( ( "/" | "." ) segment )
//! segment     = 1*byte, without "/" and "."     ; control characters are bytes like any other
//! wildcard    = "*"                              ; one segment
//!             | "**" | "#" | ">"                 ; zero or more segments
//! ```
//!
//! Names are byte-distinct (`/topic/a.b` and `/topic/a/b` are two topics); for matching, `/` and `.` both
//! separate segments, except in `whose`, which is one segment whatever it contains. A wildcard is a whole segment of
//! a SUBSCRIBE to `/topic/…`, `/app/…` or one's own `/user/…`, and stands nowhere else; `*` is part of no longer
//! segment, so that `a*` cannot look like a pattern and be none.
//!
//! What a client writes is an [`Address`]; what the broker routes by is a [`Destination`], in which it is settled whose
//! a user's destination is.

mod address;
mod dialect;
mod owner;
mod pattern;

pub use address::{Address, UserPath, Whose, recipients};
pub use dialect::reject_activemq_forms;
pub use owner::Owner;
pub(crate) use owner::percent_decode;
pub use pattern::{Pattern, Segment, Selector};

use pattern::wildcard;
use std::borrow::Cow;
use std::iter;
use std::sync::Arc;

/// The option behind the length limit.
const BYTES_MAX: &str = "destination-bytes-max";

/// Every prefix with names below it, and its family.
const PREFIXES: [(&str, Kind); 6] = [
    ("/topic/", Kind::Topic),
    ("/queue/", Kind::Queue),
    ("/temp-queue/", Kind::TempQueue),
    ("/user/", Kind::User),
    ("/presence/", Kind::Presence),
    ("/app/", Kind::App),
];

/// The families of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `/topic/…`: broadcast.
    Topic,
    /// `/queue/…`: work queue.
    Queue,
    /// `/temp-queue/…`: a session's own queue.
    TempQueue,
    /// `/user/…`: broadcast to the sessions of one user.
    User,
    /// `/presence/…`: who is there.
    Presence,
    /// `/app/…`: each message to one service.
    App,
}

impl Kind {
    /// What names of this family start with, both slashes included.
    pub fn prefix(self) -> &'static str {
        let (prefix, _) = PREFIXES[self as usize];
        prefix
    }

    /// Whether messages are kept until a consumer has them.
    pub fn stores_messages(self) -> bool {
        matches!(self, Kind::Queue | Kind::TempQueue)
    }

    /// Whether a SUBSCRIBE may have wildcards.
    fn allows_wildcards(self) -> bool {
        matches!(self, Kind::Topic | Kind::User | Kind::App)
    }
}

/// What dead letter queues begin with.
const DEAD_PREFIX: &str = "/queue/dead.";
/// Segments of a name or a pattern at most: what matching costs grows with them.
pub(crate) const SEGMENTS_MAX: usize = 64;

/// Why a text is no destination; `Display` is one or two sentences for a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DestinationError {
    /// What was wrong and what was expected.
    pub detail: String,
    /// The option of the limit, if one was exceeded.
    pub limit: Option<&'static str>,
}

/// One destination that messages can be routed to. Byte-distinct.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    kind: Kind,
    text: Arc<str>,
}

impl Destination {
    /// Parses what needs nobody to ask: the `destination` of a SEND without a wildcard, for `/user/` with a name.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Destination, DestinationError> {
        let address = Address::parse_send(text, bytes_max)?;
        address.routed().ok_or_else(|| {
            wrong(format!(
                "{text:?} is nobody's without a user. Expected the name of one, as in /user/NAME/queue/x."
            ))
        })
    }

    /// Its family.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole text, prefix included; of a user's destination with its [`Owner`].
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole text, shared.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// What stands behind the prefix.
    pub fn name(&self) -> &str {
        &self.text[self.kind.prefix().len()..]
    }

    /// What its subscribers see of it: a user's destination without the user.
    pub fn shown(&self) -> Cow<'_, str> {
        match (self.kind, self.name().split_once('/')) {
            (Kind::User, Some((_, path))) => format!("{}{path}", self.kind.prefix()).into(),
            _ => self.as_str().into(),
        }
    }

    /// Of a user's destination: its owner's text, and what stands behind it.
    fn owned(&self) -> Option<(&str, &str)> {
        if self.kind == Kind::User { self.name().split_once('/') } else { None }
    }

    /// The id of the session whose destination it is, if it is one session's: `/user/~ID/…`.
    pub fn session(&self) -> Option<&str> {
        let (owner, _) = self.owned()?;
        owner.strip_prefix(owner::SESSION)
    }

    /// The same destination of another owner; `None` if it is no user's.
    pub fn of(&self, owner: &Owner) -> Option<Destination> {
        let (_, path) = self.owned()?;
        let text = format!("{}{}/{path}", self.kind.prefix(), owner.as_str());
        Some(Destination { kind: self.kind, text: text.into() })
    }

    /// `/presence/users`: who is online.
    pub fn online() -> Destination {
        Destination { kind: Kind::Presence, text: "/presence/users".into() }
    }

    /// Of `/presence/topic/NAME`: `/topic/NAME`.
    pub fn watched(&self) -> Option<Destination> {
        let topic = self.text.strip_prefix(Kind::Presence.prefix().trim_end_matches('/'))?;
        let is_topic = topic.starts_with(Kind::Topic.prefix());
        is_topic.then(|| Destination { kind: Kind::Topic, text: topic.into() })
    }

    /// The segments of the name, split at `/` and `.`; of a user's destination the owner first, which is one segment.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let (owner, rest) = match self.owned() {
            Some((owner, path)) => (Some(owner), path),
            None => (None, self.name()),
        };
        owner.into_iter().chain(split(rest))
    }
}

/// What SEND and SUBSCRIBE ask of a text alike, before anything else.
fn check_length(text: &str, bytes_max: usize) -> Result<(), DestinationError> {
    // Every queue's dead letters can be reached.
    let room = if text.starts_with(DEAD_PREFIX) { DEAD_PREFIX.len() - Kind::Queue.prefix().len() } else { 0 };
    if text.len() > bytes_max.saturating_add(room) {
        let detail = format!("The destination has {} octets; {BYTES_MAX} allows {bytes_max}.", text.len());
        return Err(DestinationError { detail, limit: Some(BYTES_MAX) });
    }
    Ok(())
}

/// What is asked of a name; tells its first wildcard segment. `text` is what the error shows.
fn inspect<'a>(text: &str, name: &'a str) -> Result<Option<&'a str>, DestinationError> {
    let segments = split(name).count();
    if segments > SEGMENTS_MAX {
        return Err(wrong(format!(
            "The destination has {segments} segments ('/' and '.' separate them); {SEGMENTS_MAX} are the most."
        )));
    }
    let mut wild = None;
    for segment in split(name) {
        if segment.is_empty() {
            return Err(wrong(format!(
                "{text:?} has an empty segment. Something must stand between, before and behind each '/' and '.'."
            )));
        }
        if wildcard(segment).is_some() {
            wild = wild.or(Some(segment));
        } else if segment.contains('*') {
            return Err(wrong(format!(
                "{text:?} has '*' inside the segment {segment:?}. '*' and '**' stand alone, as whole segments, \
                 and only in SUBSCRIBE to /topic/, /app/ or one's own /user/; in SEND and SUBSCRIBE alike no longer \
                 segment contains '*'."
            )));
        }
    }
    Ok(wild)
}

fn wrong(detail: String) -> DestinationError {
    DestinationError { detail, limit: None }
}

fn split(name: &str) -> impl Iterator<Item = &str> {
    // As `str::split` does, which looks at characters and takes three times as long.
    let mut rest = Some(name);
    iter::from_fn(move || {
        let text = rest?;
        match text.bytes().position(|octet| matches!(octet, b'/' | b'.')) {
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
