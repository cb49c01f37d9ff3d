//! The state that the broker shares with its subscriptions and temporary queues.

use super::context::BrokerContext;
use super::queues::queue_map::Queues;
use super::sessions::Sessions;
use super::stats::Stats;
use super::topics::topic_map::Topics;
use crate::destination::{Destination, DestinationKind};
use crate::metrics::Gauge;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// The state that the broker shares with its subscriptions and temporary queues. It contains all destinations.
pub(crate) struct BrokerState {
    pub(super) context: Arc<BrokerContext>,
    pub(super) topics: Topics,
    pub(super) users: Topics,
    pub(super) services: Topics,
    /// The round robin position for destinations below `/app` to which services subscribe only by pattern.
    pub(super) service_position: AtomicU32,
    /// A family with one topic, whose members are the online sessions.
    pub(super) online: Topics,
    pub(super) sessions: Sessions,
    pub(super) queues: Queues,
    pub(super) online_destination: Destination,
}

impl BrokerState {
    pub(super) fn new(context: Arc<BrokerContext>) -> BrokerState {
        let metrics = &context.metrics;
        let family = |gauge: &Gauge| Topics::new(context.clone(), gauge.clone());
        BrokerState {
            topics: family(&metrics.topics),
            users: family(&metrics.user_destinations),
            services: family(&metrics.services),
            service_position: AtomicU32::new(0),
            online: Topics::of_connections(context.clone()),
            sessions: Sessions::default(),
            queues: Queues::new(context.clone()),
            online_destination: Destination::online_users(),
            context,
        }
    }

    /// Returns the family of topics for a kind of destination that does not store messages.
    pub(super) fn family(&self, kind: DestinationKind) -> &Topics {
        match kind {
            DestinationKind::User => &self.users,
            DestinationKind::App => &self.services,
            DestinationKind::Presence => &self.online,
            DestinationKind::Topic | DestinationKind::Queue | DestinationKind::TempQueue => &self.topics,
        }
    }

    /// Returns the numbers of destinations and sessions.
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
