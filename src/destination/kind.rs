//! The families of destinations.

/// The prefixes with names below them, each with its family. The order is that of [`DestinationKind`].
pub(super) const PREFIXES: [(&str, DestinationKind); 6] = [
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
    pub(super) fn allows_wildcards(self) -> bool {
        matches!(self, DestinationKind::Topic | DestinationKind::User | DestinationKind::App)
    }
}
