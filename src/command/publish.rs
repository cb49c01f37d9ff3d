//! The command to route a message.

use crate::destination::{Destination, Owner, UserPath};
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;
use stompbox_frames::stomp::Headers;

/// The command to route a message.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The destinations and sessions that the message is for.
    pub audience: Audience,
    /// The header `destination` of the MESSAGE: the destination that the publisher used, without the name of a user.
    pub destination_header: Arc<str>,
    /// The headers of the publisher. The message leaves out those that only the broker may set.
    pub headers: Headers,
    /// Headers that the broker sets. Each replaces the publisher's headers of the same name.
    pub extra: Vec<(&'static str, Box<str>)>,
    /// The body of the message.
    pub body: Bytes,
}

/// The destinations and sessions that a message is for. The address of a temporary queue has replaced the session's own
/// name of it (`/temp-queue/x`), and a user destination contains its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All receivers of one destination.
    One(Destination),
    /// The session with this ID, if it is a session of the user that owns this user destination.
    Session(Destination, Box<str>),
    /// The same user destination of many users. A user that is listed twice gets the message once.
    Users(Vec<Owner>, UserPath),
}

impl Publish {
    /// Returns the publisher's header of this name, unescaped.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.get(name)
    }
}

impl Audience {
    /// Returns the number of recipients. Each takes an allocation.
    pub fn recipients(&self) -> usize {
        match self {
            Audience::One(_) | Audience::Session(..) => 1,
            Audience::Users(owners, _) => owners.len(),
        }
    }

    /// Returns the queue that stores the message, or `None` if no queue stores it.
    pub fn queue(&self) -> Option<&Destination> {
        match self {
            Audience::One(destination) if destination.kind().stores_messages() => Some(destination),
            Audience::One(_) | Audience::Session(..) | Audience::Users(..) => None,
        }
    }
}
