//! The state of the broker, and the routing of messages to destinations that keep none.

use super::context::BrokerContext;
use super::publication::{Multicast, Publication, Published};
use super::queues::queue_map::Queues;
use super::sessions::{SessionRegistration, Sessions};
use super::subscription::SubscriptionTarget;
use super::topics::fan_out::FanOutResult;
use super::topics::topic_map::Topics;
use super::topics::{services, users};
use super::{ConsumerOptions, Stats, Subscriber};
use crate::destination::{Destination, DestinationKind};
use crate::metrics::Gauge;
use crate::outbound_queue::OutboundQueue;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

/// The state that the broker shares with its subscriptions and temporary queues: all destinations.
pub(crate) struct BrokerState {
    pub(super) context: Arc<BrokerContext>,
    pub(super) topics: Topics,
    pub(super) users: Topics,
    pub(super) services: Topics,
    /// The round robin position for services that subscribe only by pattern.
    pub(super) turn: AtomicU32,
    /// A family with one topic, whose members are the online sessions.
    pub(super) online: Topics,
    pub(super) sessions: Sessions,
    pub(super) queues: Queues,
    online_destination: Destination,
}

/// The result of routing a message to a destination that keeps none.
#[derive(Default)]
pub(crate) struct Routed {
    pub(super) fan_out: FanOutResult,
    pub(super) sessions: Option<usize>,
    pub(super) services: Option<usize>,
}

/// The key of a member to which nothing is ever pushed.
const UNUSED_KEY: u32 = 0;

impl BrokerState {
    pub(super) fn new(context: Arc<BrokerContext>) -> BrokerState {
        let metrics = &context.metrics;
        let family = |gauge: &Gauge| Topics::new(context.clone(), gauge.clone());
        BrokerState {
            topics: family(&metrics.topics),
            users: family(&metrics.user_destinations),
            services: family(&metrics.services),
            turn: AtomicU32::new(0),
            online: Topics::of_connections(context.clone()),
            sessions: Sessions::default(),
            queues: Queues::new(context.clone()),
            online_destination: Destination::online_users(),
            context,
        }
    }

    /// Returns the family of topics for a kind of destination that keeps no messages.
    pub(super) fn family(&self, kind: DestinationKind) -> &Topics {
        match kind {
            DestinationKind::User => &self.users,
            DestinationKind::App => &self.services,
            DestinationKind::Presence => &self.online,
            DestinationKind::Topic | DestinationKind::Queue | DestinationKind::TempQueue => &self.topics,
        }
    }

    /// Routes a message to a destination that keeps none.
    pub(super) fn route(&self, publication: &Publication<'_>, now: Instant) -> Routed {
        match publication.destination.kind() {
            DestinationKind::User => {
                let (fan_out, sessions) = users::publish(self, publication, now);
                Routed { fan_out, sessions: Some(sessions), services: None }
            }
            DestinationKind::App => {
                let fan_out = services::publish(self, publication, now);
                Routed { services: Some(fan_out.reached), fan_out, sessions: None }
            }
            // Only the broker itself publishes presence reports.
            DestinationKind::Presence => Routed::default(),
            DestinationKind::Topic | DestinationKind::Queue | DestinationKind::TempQueue => {
                Routed { fan_out: self.topics.publish(publication, now), ..Routed::default() }
            }
        }
    }

    /// Routes a message to many users.
    pub(super) fn route_to_users(&self, multicast: &Multicast<'_>, now: Instant) -> Routed {
        let (fan_out, sessions) = users::publish_to_all(self, multicast, now);
        Routed { fan_out, sessions: Some(sessions), services: None }
    }

    /// Marks the connection of a service as text only, if it is. The mark is the same for all of its subscriptions.
    pub(super) fn mark_text_only(
        &self,
        kind: DestinationKind,
        subscriber: &Subscriber,
        options: ConsumerOptions,
    ) {
        if kind == DestinationKind::App && options.text_only {
            subscriber.outbound_queue.set_text_only();
        }
    }

    /// Subscribes a watcher to the presence of a topic, or of the online sessions.
    pub(super) fn watch(
        &self,
        presence_destination: &Destination,
        watcher: Subscriber,
        names: bool,
        now: Instant,
    ) -> SubscriptionTarget {
        match presence_destination.watched_topic() {
            Some(topic) => SubscriptionTarget::Watch(
                DestinationKind::Topic,
                self.topics.watch(&topic, presence_destination, watcher, names, now),
            ),
            None => SubscriptionTarget::Watch(
                DestinationKind::Presence,
                self.online.watch(presence_destination, presence_destination, watcher, names, now),
            ),
        }
    }

    /// Registers a session as online.
    pub(super) fn register_session(
        self: &Arc<Self>,
        outbound_queue: &Arc<OutboundQueue>,
        now: Instant,
    ) -> SessionRegistration {
        let label = outbound_queue.label().cloned();
        if let Some(label) = &label {
            self.sessions.insert(label);
        }
        let member = Subscriber { outbound_queue: outbound_queue.clone(), key: UNUSED_KEY };
        let (topic, slot) = self.online.subscribe(&self.online_destination, &member, now);
        SessionRegistration::new(self.clone(), label, topic, slot)
    }

    /// Returns the numbers of destinations.
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
            trackers: usize::try_from(self.context.metrics.presence_topics.get()).unwrap_or(0),
        }
    }
}

impl Routed {
    pub(super) fn into_published(self, now: Instant) -> Published {
        let Routed { fan_out, sessions, services } = self;
        let reached = fan_out.reached;
        Published { reached, sessions, services, congested: fan_out.into_congested(now) }
    }
}
