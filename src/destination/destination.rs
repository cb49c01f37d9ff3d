//! One destination to which messages can be routed.

use super::family::DestinationKind;
use super::name::split;
use super::owner::{Owner, SESSION};
use std::sync::Arc;

/// One destination to which messages can be routed. Two destinations are equal if their texts have the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    pub(super) kind: DestinationKind,
    pub(super) text: Arc<str>,
}

impl Destination {
    /// Returns the family of the destination.
    pub fn kind(&self) -> DestinationKind {
        self.kind
    }

    /// Returns the whole text with the prefix. For a user destination, it contains the [`Owner`].
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the whole text with the prefix. A clone of it shares the memory.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Returns the part after the prefix.
    pub fn name(&self) -> &str {
        &self.text[self.kind.prefix().len()..]
    }

    /// Returns the owner and the path of a user destination. Returns `None` for other destinations.
    fn owner_and_path(&self) -> Option<(&str, &str)> {
        if self.kind == DestinationKind::User { self.name().split_once('/') } else { None }
    }

    /// Returns the ID of the session in `/user/~ID/…`. Returns `None` for other destinations.
    pub fn session(&self) -> Option<&str> {
        let (owner, _) = self.owner_and_path()?;
        owner.strip_prefix(SESSION)
    }

    /// Returns the destination of another owner with the same path. Returns `None` if this is not a user destination.
    pub fn of(&self, owner: &Owner) -> Option<Destination> {
        let (_, path) = self.owner_and_path()?;
        let text = format!("{}{}/{path}", self.kind.prefix(), owner.as_str());
        Some(Destination { kind: self.kind, text: text.into() })
    }

    /// Returns `/presence/users`, which reports the users that are online.
    pub fn online_users() -> Destination {
        Destination { kind: DestinationKind::Presence, text: "/presence/users".into() }
    }

    /// Returns `/topic/NAME` for `/presence/topic/NAME`. Returns `None` for other destinations.
    pub fn watched_topic(&self) -> Option<Destination> {
        let topic = self.text.strip_prefix(DestinationKind::Presence.prefix().trim_end_matches('/'))?;
        let is_topic = topic.starts_with(DestinationKind::Topic.prefix());
        is_topic.then(|| Destination { kind: DestinationKind::Topic, text: topic.into() })
    }

    /// Returns the segments of the name, split at `/` and `.`. The first segment of a user destination is its owner,
    /// which is not split.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let (owner, rest) = match self.owner_and_path() {
            Some((owner, path)) => (Some(owner), path),
            None => (None, self.name()),
        };
        owner.into_iter().chain(split(rest))
    }
}
