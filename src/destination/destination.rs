//! One destination to which messages can be routed.

use super::kind::DestinationKind;
use super::name::split;
use super::owner::{Owner, SESSION};
use std::borrow::Cow;
use std::sync::Arc;

/// One destination to which messages can be routed. Destinations are equal if their bytes are.
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
        owner.strip_prefix(SESSION)
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
