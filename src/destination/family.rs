//! The table of the families of destinations. A new family is a row here; the broker routes by [`Routing`], and the rules
//! and the parser read the other columns.

/// A row of the table of families.
pub(super) struct Family {
    pub(super) kind: DestinationKind,
    /// The beginning of the names, with both slashes.
    pub(super) prefix: &'static str,
    routing: Routing,
    /// Whether a SUBSCRIBE may contain wildcards.
    allows_wildcards: bool,
    /// Whether every message names its sender in the header `user-name`.
    names_sender: bool,
    /// Whether permission rules can cover the family.
    has_rules: bool,
}

/// The families, in the order of [`DestinationKind`].
pub(super) const FAMILIES: [Family; DestinationKind::COUNT] = {
    use DestinationKind::{App, Presence, Queue, TempQueue, Topic, User};
    const fn row(
        kind: DestinationKind,
        prefix: &'static str,
        routing: Routing,
        [allows_wildcards, names_sender, has_rules]: [bool; 3],
    ) -> Family {
        Family { kind, prefix, routing, allows_wildcards, names_sender, has_rules }
    }
    [
        // family, prefix, routing, [wildcards, names the sender, has rules]
        row(Topic, "/topic/", Routing::Broadcast, [true, false, true]),
        row(Queue, "/queue/", Routing::Queue, [false, false, true]),
        row(TempQueue, "/temp-queue/", Routing::Queue, [false, false, false]),
        row(User, "/user/", Routing::User, [true, true, true]),
        row(Presence, "/presence/", Routing::Report, [false, false, true]),
        row(App, "/app/", Routing::Service, [true, true, true]),
    ]
};

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

/// The receivers of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Routing {
    /// All subscribers of the destination.
    Broadcast,
    /// The sessions of the user that owns the destination.
    User,
    /// One application service, in round robin.
    Service,
    /// One consumer. A queue stores the message until then.
    Queue,
    /// The watchers. Only the broker publishes.
    Report,
}

impl DestinationKind {
    pub const COUNT: usize = 6;

    pub fn all() -> impl Iterator<Item = DestinationKind> + Clone {
        FAMILIES.iter().map(|family| family.kind)
    }

    fn family(self) -> &'static Family {
        &FAMILIES[self as usize]
    }

    /// Returns the prefix of names of this family, with both slashes.
    pub fn prefix(self) -> &'static str {
        self.family().prefix
    }

    /// Returns how messages are routed.
    pub fn routing(self) -> Routing {
        self.family().routing
    }

    /// Returns whether destinations of this family keep messages until a consumer takes them.
    pub fn stores_messages(self) -> bool {
        self.routing() == Routing::Queue
    }

    /// Returns whether every message of this family names its sender in the header `user-name`.
    pub fn names_sender(self) -> bool {
        self.family().names_sender
    }

    /// Returns whether permission rules can cover this family.
    pub fn has_rules(self) -> bool {
        self.family().has_rules
    }

    /// Returns whether a SUBSCRIBE to this family may contain wildcards.
    pub(super) fn allows_wildcards(self) -> bool {
        self.family().allows_wildcards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_of_the_families_and_their_prefixes_differ() {
        for (at, family) in FAMILIES.iter().enumerate() {
            assert_eq!((family.kind as usize, family.kind.prefix()), (at, family.prefix));
            let others = FAMILIES.iter().filter(|other| other.kind != family.kind);
            assert!(others.into_iter().all(|other| !other.prefix.starts_with(family.prefix)));
        }
    }
}
