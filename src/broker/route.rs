//! What the broker, its subscriptions and temporary queues share, and the way to what is not kept.

use super::fan_out::Reach;
use super::ground::Ground;
use super::publication::{Circular, Publication, Published};
use super::queues::Queues;
use super::sessions::{Entry, Sessions};
use super::subscription::To;
use super::topics::Topics;
use super::{Stats, Subscriber, Terms, services, users};
use crate::destination::{Destination, Kind};
use crate::metrics::Gauge;
use crate::outbox::Outbox;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

/// All destinations.
pub(super) struct Shared {
    pub(super) ground: Arc<Ground>,
    pub(super) topics: Topics,
    pub(super) users: Topics,
    pub(super) services: Topics,
    /// Whose turn it is where only patterns match.
    pub(super) turn: AtomicU32,
    /// One topic, whose members are the sessions that are online.
    pub(super) online: Topics,
    pub(super) sessions: Sessions,
    pub(super) queues: Queues,
    everybody: Destination,
}

/// What became of a message that is not kept.
#[derive(Default)]
pub(super) struct Routed {
    pub(super) reach: Reach,
    pub(super) sessions: Option<usize>,
    pub(super) services: Option<usize>,
}

/// The key of a member that nothing is ever pushed to.
const NO_KEY: u32 = 0;

impl Shared {
    pub(super) fn new(ground: Arc<Ground>) -> Shared {
        let metrics = &ground.metrics;
        let family = |gauge: &Gauge| Topics::new(ground.clone(), gauge.clone());
        Shared {
            topics: family(&metrics.topics),
            users: family(&metrics.user_destinations),
            services: family(&metrics.services),
            turn: AtomicU32::new(0),
            online: Topics::of_connections(ground.clone()),
            sessions: Sessions::default(),
            queues: Queues::new(ground.clone()),
            everybody: Destination::online(),
            ground,
        }
    }

    /// The destinations of a kind whose messages are not kept.
    pub(super) fn family(&self, kind: Kind) -> &Topics {
        match kind {
            Kind::User => &self.users,
            Kind::App => &self.services,
            Kind::Presence => &self.online,
            Kind::Topic | Kind::Queue | Kind::TempQueue => &self.topics,
        }
    }

    /// Routes what is not kept.
    pub(super) fn route(&self, publication: &Publication<'_>, now: Instant) -> Routed {
        match publication.destination.kind() {
            Kind::User => {
                let (reach, sessions) = users::publish(self, publication, now);
                Routed { reach, sessions: Some(sessions), services: None }
            }
            Kind::App => {
                let reach = services::publish(self, publication, now);
                Routed { services: Some(reach.reached), reach, sessions: None }
            }
            // Only the broker itself tells who is present.
            Kind::Presence => Routed::default(),
            Kind::Topic | Kind::Queue | Kind::TempQueue => {
                Routed { reach: self.topics.publish(publication, now), ..Routed::default() }
            }
        }
    }

    /// Routes to many users.
    pub(super) fn route_to_users(&self, circular: &Circular<'_>, now: Instant) -> Routed {
        let (reach, sessions) = users::publish_to_all(self, circular, now);
        Routed { reach, sessions: Some(sessions), services: None }
    }

    /// Remembers of a service what it may have. That is the same for all subscriptions of its connection.
    pub(super) fn note_text_only(&self, kind: Kind, subscriber: &Subscriber, terms: Terms) {
        if kind == Kind::App && terms.text_only {
            subscriber.outbox.set_text_only();
        }
    }

    /// Tells the watcher from now on who is present.
    pub(super) fn watch(&self, shown: &Destination, watcher: Subscriber, names: bool, now: Instant) -> To {
        match shown.watched() {
            Some(topic) => To::Watch(Kind::Topic, self.topics.watch(&topic, shown, watcher, names, now)),
            None => To::Watch(Kind::Presence, self.online.watch(shown, shown, watcher, names, now)),
        }
    }

    /// A session is online.
    pub(super) fn enter(self: &Arc<Self>, outbox: &Arc<Outbox>, now: Instant) -> Entry {
        let label = outbox.labelled().cloned();
        if let Some(label) = &label {
            self.sessions.enter(label);
        }
        let member = Subscriber { outbox: outbox.clone(), key: NO_KEY };
        let (topic, seat) = self.online.subscribe(&self.everybody, &member, now);
        Entry::new(self.clone(), label, topic, seat)
    }

    /// How many destinations there are.
    pub(super) fn stats(&self) -> Stats {
        let sum = |(names, patterns)| names + patterns;
        let (topics, patterns) = self.topics.count();
        let (queues, work_queues) = self.queues.count();
        Stats {
            topics,
            patterns,
            queues,
            work_queues,
            user_destinations: sum(self.users.count()),
            services: sum(self.services.count()),
            sessions: self.sessions.len(),
            rooms: usize::try_from(self.ground.metrics.presence_rooms.get()).unwrap_or(0),
        }
    }
}

impl Routed {
    pub(super) fn into_published(self, now: Instant) -> Published {
        let Routed { reach, sessions, services } = self;
        let reached = reach.reached;
        Published { reached, sessions, services, congested: reach.into_congested(now) }
    }
}
