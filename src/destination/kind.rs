//! The families of destinations.

/// The prefix of each family of destinations, in the order of [`DestinationKind`].
pub(super) const PREFIXES: [(&str, DestinationKind); 6] = [
    ("/topic/", DestinationKind::Topic),
    ("/queue/", DestinationKind::Queue),
    ("/temp-queue/", DestinationKind::TempQueue),
    ("/user/", DestinationKind::User),
    ("/presence/", DestinationKind::Presence),
    ("/app/", DestinationKind::App),
];

/// A family of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DestinationKind {
    /// `/topic/…`: each message goes to all subscribers.
    Topic,
    /// `/queue/…`: each message goes to one consumer. The queue stores messages until then.
    Queue,
    /// `/temp-queue/…`: a queue that ends with its session.
    TempQueue,
    /// `/user/…`: each message goes to the sessions of one user.
    User,
    /// `/presence/…`: reports on the subscribers of a topic, or on the users that are online.
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

    /// Returns whether destinations of this family keep messages until a consumer takes them.
    pub fn stores_messages(self) -> bool {
        matches!(self, DestinationKind::Queue | DestinationKind::TempQueue)
    }

    /// Returns whether a SUBSCRIBE to this family may contain wildcards.
    pub(super) fn allows_wildcards(self) -> bool {
        matches!(self, DestinationKind::Topic | DestinationKind::User | DestinationKind::App)
    }
}
