//! The destination of a SEND or a SUBSCRIBE as the client writes it: its owner may not be resolved yet.

use super::dialect::{equivalent, reject_activemq_forms};
use super::owner::{decode, percent_decode};
use super::pattern::{self, Pattern, Segment, Selector};
use super::{Destination, DestinationError, DestinationKind, Owner, PREFIXES, check_length, inspect, wrong};

const USERS: &str = "/users/";
const REFRESH: &str = "/auth/refresh";
const ONLINE: &str = "users";
const ROOM: &str = "topic/";

/// The `destination` of a SEND or a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A destination or pattern that does not depend on the session.
    Plain(Selector),
    /// `/user/…`: a destination of a user or a session.
    User(AddressOwner, UserPath),
    /// `/users/…`: a destination of each user that the header `to` lists.
    Users(UserPath),
    /// `/auth/refresh`: renews the session's token.
    Refresh,
}

/// The owner of a user's destination, as the client writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressOwner {
    /// The client's own user.
    Own,
    /// A user, by name.
    Named(Box<str>),
    /// A session, by id: `/user/~ID/queue/x`.
    Session(Box<str>),
}

/// The path `queue/x` or `topic/x` of a user's destination. It may contain wildcards in a SUBSCRIBE to the client's own
/// destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPath {
    text: Box<str>,
    wild: bool,
}

impl Address {
    /// Parses the `destination` of a SEND.
    ///
    /// # Errors
    /// The text is not a destination, is too long, contains a wildcard, or cannot be sent to.
    pub fn parse_send(text: &str, bytes_max: usize) -> Result<Address, DestinationError> {
        let address = parse(text, bytes_max)?;
        let (wild, no_target) = match &address {
            Address::Plain(Selector::Pattern(_)) => (true, false),
            Address::Plain(Selector::Exact(to)) => (false, to.kind() == DestinationKind::Presence),
            Address::User(_, path) | Address::Users(path) => (path.wild, false),
            Address::Refresh => (false, false),
        };
        if wild {
            return Err(wrong(format!(
                "{text:?} has a wildcard. A message is sent to one destination; wildcards are for SUBSCRIBE to /topic/, \
                 /app/ and one's own /user/."
            )));
        }
        if no_target {
            return Err(wrong(format!(
                "{text:?} cannot be sent to: the broker itself tells there who is present. SUBSCRIBE to it."
            )));
        }
        Ok(address)
    }

    /// Parses the `destination` of a SUBSCRIBE. It may contain wildcard segments in `/topic/…`, `/app/…` and the
    /// client's own `/user/…`.
    ///
    /// # Errors
    /// The text is not a destination, is too long, contains a wildcard elsewhere, or can only be sent to.
    pub fn parse_subscribe(text: &str, bytes_max: usize) -> Result<Address, DestinationError> {
        let address = parse(text, bytes_max)?;
        match &address {
            Address::Users(_) | Address::Refresh => Err(wrong(format!(
                "{text:?} can only be sent to. What others send to you comes to /user/queue/ and a name of yours."
            ))),
            _ => Ok(address),
        }
    }

    /// Returns the destination, if it does not depend on the session.
    pub fn routed(&self) -> Option<Destination> {
        match self {
            Address::Plain(Selector::Exact(destination)) => Some(destination.clone()),
            Address::User(AddressOwner::Named(name), path) => path.of(&Owner::user(name)),
            Address::User(AddressOwner::Session(id), path) => path.of(&Owner::session(id)),
            _ => None,
        }
    }
}

impl UserPath {
    /// Returns the path, such as `queue/x` for `/user/queue/x`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the destination of `owner`, or `None` if the path contains wildcards.
    pub fn of(&self, owner: &Owner) -> Option<Destination> {
        (!self.wild).then(|| Destination { kind: DestinationKind::User, text: self.text_of(owner).into() })
    }

    /// Returns the destination or pattern that `owner` subscribes to.
    ///
    /// # Errors
    /// The pattern has too many wildcards for any number of segments.
    pub fn selector(&self, owner: &Owner) -> Result<Selector, DestinationError> {
        if let Some(destination) = self.of(owner) {
            return Ok(Selector::Exact(destination));
        }
        let text = self.text_of(owner);
        let mut segments = vec![Segment::Literal(owner.as_str().into())];
        segments.extend(pattern::segments(&text, &self.text)?);
        Ok(Selector::Pattern(Pattern::new(DestinationKind::User, text.into(), segments.into())))
    }

    fn text_of(&self, owner: &Owner) -> String {
        format!("{}{}/{}", DestinationKind::User.prefix(), owner.as_str(), self.text)
    }
}

/// Parses the header `to`: user names separated by commas, percent-encoded like those in `/user/NAME/…`.
///
/// # Errors
/// A name is empty or its percent-encoding is invalid.
pub fn recipients(to: &str) -> Result<Vec<String>, DestinationError> {
    let name = |text: &str| match percent_decode(text.trim())? {
        name if name.is_empty() => {
            Err(wrong("The header to has an empty name; expected names with commas between them.".to_owned()))
        }
        name => Ok(name),
    };
    to.split(',').map(name).collect()
}

fn parse(text: &str, bytes_max: usize) -> Result<Address, DestinationError> {
    check_length(text, bytes_max)?;
    reject_activemq_forms(text)?;
    if text == REFRESH {
        return Ok(Address::Refresh);
    }
    if let Some(path) = text.strip_prefix(USERS) {
        return Ok(Address::Users(user_path(text, path)?));
    }
    let Some((prefix, kind)) = PREFIXES.into_iter().find(|(prefix, _)| text.starts_with(prefix)) else {
        let known = PREFIXES.map(|(prefix, _)| prefix).join(", ");
        let equivalent = equivalent(text);
        return Err(wrong(format!(
            "{text:?} is no destination. Destinations start with one of: {known}, {USERS}, or are {REFRESH}.{equivalent}"
        )));
    };
    let name = &text[prefix.len()..];
    match kind {
        DestinationKind::User => user(text, name),
        DestinationKind::Presence => presence(text, name),
        _ => plain(kind, text, name),
    }
}

fn plain(kind: DestinationKind, text: &str, name: &str) -> Result<Address, DestinationError> {
    let Some(wild) = inspect(text, name)? else {
        return Ok(Address::Plain(Selector::Exact(Destination { kind, text: text.into() })));
    };
    if !kind.allows_wildcards() {
        return Err(wrong(format!(
            "{text:?} has the wildcard {wild:?}. Wildcards are for SUBSCRIBE to /topic/, /app/ and one's own /user/; \
             a queue is named by its whole name."
        )));
    }
    let segments = pattern::segments(text, name)?;
    Ok(Address::Plain(Selector::Pattern(Pattern::new(kind, text.into(), segments.into()))))
}

fn presence(text: &str, name: &str) -> Result<Address, DestinationError> {
    let topic = name.strip_prefix(ROOM);
    if topic.is_none() && name != ONLINE {
        return Err(wrong(format!(
            "{text:?} is no destination. Expected /presence/topic/NAME, for who is subscribed to /topic/NAME, or \
             /presence/users, for who is online."
        )));
    }
    if let Some(wild) = topic.map_or(Ok(None), |topic| inspect(text, topic))? {
        return Err(wrong(format!("{text:?} has the wildcard {wild:?}. Presence is that of one topic.")));
    }
    Ok(Address::Plain(Selector::Exact(Destination { kind: DestinationKind::Presence, text: text.into() })))
}

fn user(text: &str, name: &str) -> Result<Address, DestinationError> {
    if let Some(path) = as_path(name) {
        return Ok(Address::User(AddressOwner::Own, user_path(text, path)?));
    }
    let (whose, path) = name.split_once('/').unwrap_or((name, ""));
    if whose.is_empty() || matches!(whose, "*" | "**" | "#" | ">") {
        return Err(wrong(format!(
            "{text:?} names no user. Expected /user/queue/x for one's own, or /user/NAME/queue/x, where %2F stands for \
             a slash in NAME."
        )));
    }
    let path = user_path(text, path)?;
    if let (true, Some(wild)) = (path.wild, inspect(text, &path.text)?) {
        return Err(wrong(format!(
            "{text:?} has the wildcard {wild:?}. Behind /user/NAME/ there are none; one's own is /user/queue/…."
        )));
    }
    Ok(match decode(whose)? {
        Ok(name) => Address::User(AddressOwner::Named(name.into()), path),
        Err(id) => Address::User(AddressOwner::Session(id.into()), path),
    })
}

fn as_path(name: &str) -> Option<&str> {
    let is_own =
        ["queue/", "topic/"].iter().any(|start| name.starts_with(start)) || matches!(name, "queue" | "topic");
    is_own.then_some(name)
}

fn user_path(text: &str, path: &str) -> Result<UserPath, DestinationError> {
    let rest = path.strip_prefix("queue/").or_else(|| path.strip_prefix("topic/"));
    let Some(rest) = rest else {
        return Err(wrong(format!(
            "{text:?} is no destination of a user. Expected queue/x or topic/x behind the user: /user/queue/x, \
             /user/NAME/queue/x, /users/queue/x."
        )));
    };
    let wild = inspect(text, rest)?.is_some();
    Ok(UserPath { text: path.into(), wild })
}
