//! Routing of messages from destinations to subscribers.
//!
//! ```text
//!   Broker ─┬─ Topics ─┬─ Topic ─┬─ SubscriberList ─────────────────┐
//!           │          │         └─ PresenceTracker: its watchers ──┼─ fan_out ──> OutboundQueue::push
//!           │          └─ Patterns ── PatternGroup: SubscriberList ─┘
//!           └─ Queues ── Queue ─┬─ PartitionedBacklog ─┬─ dispatch ──> OutboundQueue::try_push
//!                               └─ Consumers ──────────┘
//! ```
//!
//! `/topic`, `/user` and `/app` are families of `Topics`, which share only their code. A message goes to all
//! subscribers of a topic, to the sessions of one user, or to one service in round robin. `/presence` watches the
//! members of a topic; the online sessions are the members of a topic of their own.
//!
//! Each topic and each queue has its own lock, so that publishing to, and subscribing on, one destination is linearised
//! and waits for no other destination. Locks are taken in the following order, and no two of the same kind are held
//! together:
//!
//! 1. the map's shard, which is released before anything else is locked;
//! 2. a topic, then either the trie of patterns (shared) and a pattern group (shared), or the counts of the topic's
//!    presence tracker;
//! 3. the watchers of a presence tracker, then its counts;
//! 4. a queue;
//! 5. the timers;
//! 6. an outbound queue.
//!
//! There are two exceptions. Where one of all members is chosen, their groups are locked together (shared), in the
//! order of their addresses. Deliveries to watchers are pushed under the watchers' lock, which is never taken while a
//! topic's lock is held.
//!
//! A destination that is no longer needed is marked as closed under its own lock and is then removed from the map. Code
//! that finds a closed destination starts again from the map.

mod clock;
mod context;
mod cost;
mod error;
mod handles;
mod ids;
mod options;
mod presence;
mod publication;
mod queues;
mod route;
mod sessions;
mod settlement;
mod state;
mod stats;
mod subscriber;
#[cfg(test)]
mod tests;
mod timer_queue;
mod topics;
mod transaction;

pub use self::error::BrokerError;
pub use self::handles::queue_consumer::Consumer;
pub use self::handles::session_registration::SessionRegistration;
pub use self::handles::subscription::Subscription;
pub use self::handles::temp_queue::TempQueue;
pub use self::options::Options;
pub use self::publication::{Congested, Multicast, Publication, Published};
pub use self::settlement::Settlement;
pub use self::stats::Stats;
pub use self::subscriber::{ConsumerOptions, Subscriber};
pub use self::transaction::commit::Commit;
pub use self::transaction::step::TransactionStep;

use self::context::BrokerContext;
use self::handles::subscription_target::SubscriptionTarget;
use self::state::BrokerState;
use crate::budget::Budget;
use crate::destination::{Destination, DestinationKind, Selector};
use crate::metrics::Metrics;
use crate::outbound_queue::OutboundQueue;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// The message broker. Clones are cheap and share its state.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<BrokerState>,
}

impl Broker {
    /// Creates an empty broker. `node` is part of message ids and must be unique per start (the boot id).
    pub fn new(options: Options, node: &str, budget: Arc<Budget>, metrics: Arc<Metrics>) -> Broker {
        let context = BrokerContext::new(options, node, budget, metrics);
        Broker { shared: Arc::new(BrokerState::new(Arc::new(context))) }
    }

    /// Routes one message: all subscribers of the destination see the same order. A message that has no subscriber is
    /// not an error.
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) is reached, or the queue is full or cannot be created.
    pub fn publish(&self, publication: Publication<'_>, now: Instant) -> Result<Published, BrokerError> {
        let shared = &*self.shared;
        shared.context.check_budget()?;
        let published = if publication.destination.kind().stores_messages() {
            let message = shared.context.message(publication.content());
            let is_accepted = shared.queues.publish(publication.destination, &message, now)?;
            Published { reached: usize::from(is_accepted), ..Published::default() }
        } else {
            shared.route(&publication, now).into_published(now)
        };
        shared.context.metrics.messages_published.inc();
        Ok(published)
    }

    /// Routes one message to the same destination of many users. The message is encoded once, and a user that is listed
    /// twice gets it once. A message that has no subscriber is not an error.
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) is reached.
    pub fn publish_to_users(&self, multicast: Multicast<'_>, now: Instant) -> Result<Published, BrokerError> {
        let shared = &*self.shared;
        shared.context.check_budget()?;
        let published = shared.route_to_users(&multicast, now).into_published(now);
        shared.context.metrics.messages_published.inc();
        Ok(published)
    }

    /// Registers the session of this outbound queue as online until the result is dropped: it can be found by
    /// its id and is a member of `/presence/users`.
    pub fn register_session(&self, outbound_queue: &Arc<OutboundQueue>, now: Instant) -> SessionRegistration {
        SessionRegistration::new(self.shared.clone(), outbound_queue, now)
    }

    /// Begins a COMMIT, which applies all steps of a transaction or none.
    ///
    /// Space that its steps free in queues by settling is not available to its messages.
    pub fn commit(&self) -> Commit {
        Commit::new(self.shared.clone())
    }

    /// Returns the share of the byte budget to which subscriptions and open transactions are charged, here and in other
    /// modules.
    pub fn subscription_budget(&self) -> &Arc<Budget> {
        &self.shared.context.share
    }

    /// Checks that there is memory for a new transaction of `bytes` bytes, not counting the frames that follow. The
    /// caller charges them to [`Broker::subscription_budget`].
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) does not allow the transaction.
    pub fn check_begin(&self, bytes: usize) -> Result<(), BrokerError> {
        self.shared.context.check_share("transaction", bytes)
    }

    /// Returns the bytes of a subscription that shares nothing with others.
    pub fn subscription_bytes(&self, selector: &Selector) -> usize {
        cost::subscription_bytes(selector)
    }

    /// Subscribes. Every message that is published after the return reaches the subscriber.
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) or the limit of queues does not allow the subscription.
    pub fn subscribe(
        &self,
        selector: &Selector,
        subscriber: Subscriber,
        options: ConsumerOptions,
        now: Instant,
    ) -> Result<Subscription, BrokerError> {
        let shared = &self.shared;
        let bytes = cost::subscription_bytes(selector);
        shared.context.check_share("subscription", bytes)?;
        let target = SubscriptionTarget::subscribe(shared, selector, subscriber, options, now)?;
        Ok(Subscription::new(shared.clone(), target, bytes))
    }

    /// Opens a temporary queue under its unguessable address.
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) does not allow the queue.
    pub fn open_temp(&self, address: &Destination) -> Result<TempQueue, BrokerError> {
        debug_assert_eq!(address.kind(), DestinationKind::TempQueue);
        let shared = &self.shared;
        shared.context.check_share("temporary queue", cost::temp_queue_bytes(address))?;
        Ok(TempQueue::new(shared.clone(), shared.queues.open_temp(address)))
    }

    /// Performs what is due: redeliveries after a backoff, presence reports and log lines. Returns when to call again,
    /// or `None` if no timer is set at the moment.
    ///
    /// The broker wakes no task when it sets a timer later. Call this at a steady interval of 10 to 25 ms: if nothing
    /// is due, it takes a few short locks.
    pub fn expire(&self, now: Instant) -> Option<Instant> {
        let BrokerState { context, queues, .. } = &*self.shared;
        let next =
            [context.queue_timers.expire(now), context.presence_timers.expire(now), queues.write_log(now)];
        next.into_iter().flatten().min()
    }

    /// Returns the numbers of destinations.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Returns whether the broker has no subscriptions, sessions and messages.
    #[cfg(any(test, feature = "internals"))]
    pub fn is_empty(&self) -> bool {
        self.stats() == Stats::default()
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
