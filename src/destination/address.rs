//! The destination of a SEND or a SUBSCRIBE as the client writes it. An address in `/user/…` may still lack the
//! resolved owner.

use super::destination::Destination;
use super::dialect::{rabbitmq_equivalent, reject_activemq_forms};
use super::error::invalid;
use super::family::{DestinationKind, FAMILIES};
use super::name::{check_length, check_name};
use super::owner::{Owner, decode, percent_decode};
use super::pattern::{self, Pattern};
use super::segment::Segment;
use super::selector::Selector;
use crate::rejection::Rejection;

const USERS: &str = "/users/";
const REFRESH: &str = "/auth/refresh";
const ONLINE_PRESENCE: &str = "users";
const TOPIC_PRESENCE: &str = "topic/";

/// The `destination` of a SEND or a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A destination or pattern that does not depend on the session.
    Plain(Selector),
    /// `/user/…`: a destination of one user or of one session.
    User(AddressOwner, UserPath),
    /// `/users/…`: the same user destination of each user that the header `to` lists.
    Users(UserPath),
    /// `/auth/refresh`: renews the session's token.
    Refresh,
}

/// The owner of a user destination, as the client writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressOwner {
    /// The client's own user.
    Own,
    /// The user with this name.
    Named(Box<str>),
    /// The session with this ID: `/user/~ID/queue/x`.
    Session(Box<str>),
}

/// The path `queue/x` or `topic/x` of a user destination. In a SUBSCRIBE to the client's own user, it may contain
/// wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPath {
    text: Box<str>,
    has_wildcard: bool,
}

impl Address {
    /// Parses the `destination` of a SEND.
    ///
    /// # Errors
    /// The text is not a destination, is too long, contains a wildcard, or does not accept SEND.
    pub fn parse_send(text: &str, bytes_max: usize) -> Result<Address, Rejection> {
        let address = parse(text, bytes_max)?;
        let (has_wildcard, is_presence) = match &address {
            Address::Plain(Selector::Pattern(_)) => (true, false),
            Address::Plain(Selector::Exact(to)) => (false, to.kind() == DestinationKind::Presence),
            Address::User(_, path) | Address::Users(path) => (path.has_wildcard, false),
            Address::Refresh => (false, false),
        };
        if has_wildcard {
            return Err(invalid(format!(
                "{text:?} contains a wildcard; expected one destination. Only SUBSCRIBE to /topic/, /app/ and your own \
                 /user/ may contain wildcards."
            )));
        }
        if is_presence {
            return Err(invalid(format!(
                "{text:?} does not accept SEND, because only the broker publishes presence. SUBSCRIBE to it instead."
            )));
        }
        Ok(address)
    }

    /// Parses the `destination` of a SUBSCRIBE. It may contain wildcard segments in `/topic/…`, `/app/…` and the
    /// client's own `/user/…`.
    ///
    /// # Errors
    /// The text is not a destination, is too long, contains a wildcard elsewhere, or accepts only SEND.
    pub fn parse_subscribe(text: &str, bytes_max: usize) -> Result<Address, Rejection> {
        let address = parse(text, bytes_max)?;
        match &address {
            Address::Users(_) | Address::Refresh => Err(invalid(format!(
                "{text:?} accepts only SEND. To receive messages for your own user, SUBSCRIBE to /user/queue/NAME."
            ))),
            _ => Ok(address),
        }
    }

    /// Returns the destination. Returns `None` if the address depends on the session or is not a single destination.
    pub fn routed(&self) -> Option<Destination> {
        match self {
            Address::Plain(Selector::Exact(destination)) => Some(destination.clone()),
            Address::User(AddressOwner::Named(name), path) => path.of(&Owner::user(name)),
            Address::User(AddressOwner::Session(id), path) => path.of(&Owner::session(id)),
            _ => None,
        }
    }
}

impl Destination {
    /// Parses the `destination` of a SEND. It must not depend on the session: `/user/NAME/…` is valid, `/user/queue/…`
    /// is not.
    ///
    /// # Errors
    /// As for [`Address::parse_send`], or the text does not name its user.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Destination, Rejection> {
        let address = Address::parse_send(text, bytes_max)?;
        address.routed().ok_or_else(|| {
            invalid(format!("{text:?} names no user; expected the name of a user, as in /user/NAME/queue/x."))
        })
    }
}

#[cfg(any(test, feature = "internals"))]
impl Selector {
    /// Parses the `destination` of a SUBSCRIBE. It must not depend on the session: `/user/NAME/…` is valid,
    /// `/user/queue/…` is not. It may contain wildcard segments in `/topic/…` and `/app/…`.
    ///
    /// # Errors
    /// As for [`Address::parse_subscribe`], or the text does not name its user.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Selector, Rejection> {
        match Address::parse_subscribe(text, bytes_max)? {
            Address::Plain(selector) => Ok(selector),
            address => address.routed().map(Selector::Exact).ok_or_else(|| {
                invalid(format!(
                    "{text:?} names no user; expected the name of a user, as in /user/NAME/queue/x."
                ))
            }),
        }
    }
}

impl UserPath {
    /// Returns the path, such as `queue/x` for `/user/queue/x`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the destination of `owner` with this path. Returns `None` if the path contains wildcards.
    pub fn of(&self, owner: &Owner) -> Option<Destination> {
        (!self.has_wildcard)
            .then(|| Destination { kind: DestinationKind::User, text: self.text_of(owner).into() })
    }

    /// Returns the destination or pattern of `owner` with this path.
    ///
    /// # Errors
    /// The path contains too many of the wildcards `**`, `#` and `>`.
    pub fn selector(&self, owner: &Owner) -> Result<Selector, Rejection> {
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

/// Parses the header `to`: user names with commas between them. Each name is percent-encoded as in `/user/NAME/…`.
///
/// # Errors
/// A name is empty or its percent-encoding is invalid.
pub fn recipients(to: &str) -> Result<Vec<String>, Rejection> {
    let name = |text: &str| match percent_decode(text.trim())? {
        name if name.is_empty() => Err(invalid(
            "The header `to` has an empty name; expected user names with commas between them.".to_owned(),
        )),
        name => Ok(name),
    };
    to.split(',').map(name).collect()
}

fn parse(text: &str, bytes_max: usize) -> Result<Address, Rejection> {
    check_length(text, bytes_max)?;
    reject_activemq_forms(text)?;
    if text == REFRESH {
        return Ok(Address::Refresh);
    }
    if let Some(path) = text.strip_prefix(USERS) {
        return Ok(Address::Users(user_path(text, path)?));
    }
    let Some(family) = FAMILIES.iter().find(|family| text.starts_with(family.prefix)) else {
        let known = FAMILIES.map(|family| family.prefix).join(", ");
        let rabbitmq_equivalent = rabbitmq_equivalent(text);
        return Err(invalid(format!(
            "{text:?} is not a destination; expected {REFRESH}, or a text that starts with one of: {known}, {USERS}.{rabbitmq_equivalent}"
        )));
    };
    let (kind, name) = (family.kind, &text[family.prefix.len()..]);
    match kind {
        DestinationKind::User => user(text, name),
        DestinationKind::Presence => presence(text, name),
        _ => plain(kind, text, name),
    }
}

fn plain(kind: DestinationKind, text: &str, name: &str) -> Result<Address, Rejection> {
    let Some(wildcard) = check_name(text, name)? else {
        return Ok(Address::Plain(Selector::Exact(Destination { kind, text: text.into() })));
    };
    if !kind.allows_wildcards() {
        return Err(invalid(format!(
            "{text:?} contains the wildcard {wildcard:?}; expected the whole name of a queue. Only SUBSCRIBE to /topic/, \
             /app/ and your own /user/ may contain wildcards."
        )));
    }
    let segments = pattern::segments(text, name)?;
    Ok(Address::Plain(Selector::Pattern(Pattern::new(kind, text.into(), segments.into()))))
}

fn presence(text: &str, name: &str) -> Result<Address, Rejection> {
    let topic = name.strip_prefix(TOPIC_PRESENCE);
    if topic.is_none() && name != ONLINE_PRESENCE {
        return Err(invalid(format!(
            "{text:?} is not a destination; expected /presence/topic/NAME, for the subscribers of /topic/NAME, or \
             /presence/users, for the users that are online."
        )));
    }
    if let Some(wildcard) = topic.map_or(Ok(None), |topic| check_name(text, topic))? {
        return Err(invalid(format!(
            "{text:?} contains the wildcard {wildcard:?}; expected the name of one topic."
        )));
    }
    Ok(Address::Plain(Selector::Exact(Destination { kind: DestinationKind::Presence, text: text.into() })))
}

fn user(text: &str, name: &str) -> Result<Address, Rejection> {
    if let Some(path) = own_path(name) {
        return Ok(Address::User(AddressOwner::Own, user_path(text, path)?));
    }
    let (owner, path) = name.split_once('/').unwrap_or((name, ""));
    if owner.is_empty() || matches!(owner, "*" | "**" | "#" | ">") {
        return Err(invalid(format!(
            "{text:?} names no user; expected /user/queue/x for your own user, or /user/NAME/queue/x. Write a slash in \
             NAME as %2F."
        )));
    }
    let path = user_path(text, path)?;
    if let (true, Some(wildcard)) = (path.has_wildcard, check_name(text, &path.text)?) {
        return Err(invalid(format!(
            "{text:?} contains the wildcard {wildcard:?}; expected /user/NAME/queue/x without a wildcard. Only \
             SUBSCRIBE to your own /user/ may contain wildcards, as in /user/queue/*."
        )));
    }
    Ok(match decode(owner)? {
        Ok(name) => Address::User(AddressOwner::Named(name.into()), path),
        Err(id) => Address::User(AddressOwner::Session(id.into()), path),
    })
}

fn own_path(name: &str) -> Option<&str> {
    let is_own =
        ["queue/", "topic/"].iter().any(|start| name.starts_with(start)) || matches!(name, "queue" | "topic");
    is_own.then_some(name)
}

fn user_path(text: &str, path: &str) -> Result<UserPath, Rejection> {
    let rest = path.strip_prefix("queue/").or_else(|| path.strip_prefix("topic/"));
    let Some(rest) = rest else {
        return Err(invalid(format!(
            "{text:?} is not a destination of a user; expected queue/x or topic/x after /user/, /user/NAME/ or \
             /users/."
        )));
    };
    let has_wildcard = check_name(text, rest)?.is_some();
    Ok(UserPath { text: path.into(), has_wildcard })
}
