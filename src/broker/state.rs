//! The state that the broker shares with its subscriptions and temporary queues.

use super::context::BrokerContext;
use super::queues::queue_map::Queues;
use super::sessions::Sessions;
use super::stats::Stats;
use super::topics::topic_map::Topics;
use crate::destination::{Destination, DestinationKind, Routing};
use crate::metrics::Gauge;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The state that the broker shares with its subscriptions and temporary queues. It contains all destinations.
pub(crate) struct BrokerState {
    pub(super) context: Arc<BrokerContext>,
    /// The topics of each family, in the order of [`DestinationKind`]. The family of presence has one topic, whose
    /// members are the online sessions. The families of queues have none.
    families: [Topics; DestinationKind::COUNT],
    /// The round robin position for destinations below `/app` to which services subscribe only by pattern.
    pub(super) service_position: AtomicU32,
    pub(super) sessions: Sessions,
    pub(super) queues: Queues,
    pub(super) online_destination: Destination,
    /// The time by which all clients must be disconnected. Set when the broker stops.
    pub(super) drain_until: OnceLock<Instant>,
}

impl BrokerState {
    pub(super) fn new(context: Arc<BrokerContext>) -> BrokerState {
        let metrics = &context.metrics;
        let kinds: Vec<DestinationKind> = DestinationKind::all().collect();
        let families = std::array::from_fn(|at| {
            let gauge = match kinds[at].routing() {
                Routing::Broadcast => metrics.topics.clone(),
                Routing::User => metrics.user_destinations.clone(),
                Routing::Service => metrics.services.clone(),
                Routing::Queue => Gauge::default(),
                Routing::Report => return Topics::of_connections(context.clone()),
            };
            Topics::new(context.clone(), gauge)
        });
        BrokerState {
            families,
            service_position: AtomicU32::new(0),
            sessions: Sessions::default(),
            queues: Queues::new(context.clone()),
            online_destination: Destination::online_users(),
            drain_until: OnceLock::new(),
            context,
        }
    }

    /// Returns the topics of a family that does not store messages.
    pub(super) fn family(&self, kind: DestinationKind) -> &Topics {
        &self.families[kind as usize]
    }

    /// Returns the numbers of destinations and sessions.
    pub(super) fn stats(&self) -> Stats {
        let count = |routing| {
            let kinds = DestinationKind::all().filter(move |kind| kind.routing() == routing);
            let counts = kinds.map(|kind| self.family(kind).count());
            counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
        };
        let sum = |(names, patterns)| names + patterns;
        let (topics, patterns) = count(Routing::Broadcast);
        let (queues, work_queues) = self.queues.count();
        Stats {
            topics,
            patterns,
            queues,
            work_queues,
            user_destinations: sum(count(Routing::User)),
            services: sum(count(Routing::Service)),
            sessions: self.sessions.len(),
            trackers: usize::try_from(self.context.metrics.presence_topics.get()).unwrap_or(0),
        }
    }
}
