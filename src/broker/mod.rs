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
//! The destinations below `/topic`, `/user` and `/app` are three *families*. Each family is a separate `Topics`. A
//! message to `/topic` goes to all subscribers. A message to `/user` goes to the sessions of one user. A message to
//! `/app` goes to one service, in round robin. A subscriber of `/presence` watches the members of a topic. The online
//! sessions are the members of one topic, which is a fourth family.
//!
//! Each topic and each queue has its own lock. All publishers and subscribers of the destination take this lock one
//! after the other. Destinations do not wait for one another. Locks are taken in the following order, and a thread
//! never holds two of the same kind:
//!
//! 1. the map's shard, which is released before the next lock is taken
//! 2. a topic, and then either the trie of patterns and a pattern group (both shared), or the counts of its presence
//!    tracker
//! 3. the watchers of a presence tracker, and then its counts
//! 4. a queue
//! 5. the timers
//! 6. an outbound queue
//!
//! There is one exception. To choose a service, a publisher locks all matching pattern groups together (shared), in the
//! order of their memory addresses. The broker holds the lock of the watchers while it pushes reports to them. It never
//! takes this lock while it holds a topic's lock, so that publishers do not wait for these pushes.
//!
//! A destination that is no longer needed is first marked as closed, under its own lock. Then it is removed from the
//! map. Code that finds a closed destination starts again from the map.

mod clock;
mod context;
mod cost;
mod handles;
mod ids;
#[cfg_attr(
    not(any(test, feature = "internals")),
    allow(dead_code, reason = "so far only tests have a journal, and no store reads its records")
)]
mod journal;
mod no_service;
mod options;
mod presence;
mod published;
mod queues;
mod route;
mod sessions;
mod state;
mod stats;
mod subscriber;
#[cfg(test)]
mod tests;
mod timer_queue;
mod topics;
mod transaction;

#[cfg(any(test, feature = "internals"))]
pub use self::handles::queue_consumer::Consumer;
pub use self::handles::session_registration::SessionRegistration;
pub use self::handles::subscription::Subscription;
pub use self::handles::temp_queue::TempQueueHandle;
#[cfg(any(test, feature = "internals"))]
pub use self::ids::QueueId;
pub use self::journal::{Journal, Ticket};
#[cfg(any(test, feature = "internals"))]
pub use self::journal::{Record, RecordedQueue, TicketSender};
pub use self::options::Options;
pub use self::published::{Congested, Published, ReceiverCounts};
pub use self::stats::Stats;
pub use self::subscriber::Subscriber;
pub use self::transaction::step::TransactionStep;
pub use self::transaction::stepwise_commit::{CommitProgress, Committed, StepwiseCommit};

use self::context::BrokerContext;
use self::handles::subscription_target::SubscriptionTarget;
use self::state::BrokerState;
use self::transaction::commit::Commit;
use crate::budget::{Budget, Charge};
use crate::command::{Publish, Subscribe};
use crate::destination::{Destination, DestinationKind, Selector};
use crate::metrics::Metrics;
use crate::outbound_queue::{NodeId, OutboundQueue};
use crate::rejection::Rejection;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The message broker. Clones are cheap and share its state.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<BrokerState>,
}

impl Broker {
    /// Creates an empty broker without a journal.
    #[cfg(any(test, feature = "internals"))]
    pub fn new(options: Options, node: NodeId, budget: Arc<Budget>, metrics: Arc<Metrics>) -> Broker {
        Broker::with_journal(options, node, budget, metrics, None)
    }

    /// Creates an empty broker that records in the journal, if any, what happens to messages. `node` is the first part of
    /// message IDs and must be different at every start.
    pub fn with_journal(
        options: Options,
        node: NodeId,
        budget: Arc<Budget>,
        metrics: Arc<Metrics>,
        journal: Option<Arc<dyn Journal>>,
    ) -> Broker {
        let context = BrokerContext::new(options, node, budget, metrics, journal);
        Broker { shared: Arc::new(BrokerState::new(Arc::new(context))) }
    }

    /// Returns the maximum time that a request waits for its [`Ticket`].
    pub fn ticket_timeout(&self) -> Duration {
        self.shared.context.journal.as_ref().map_or(Duration::ZERO, |journal| journal.ticket_timeout())
    }

    /// Routes a message. All subscribers of a destination get its messages in the same order. It is not an error if the
    /// destination has no subscriber. A message to several users is encoded once.
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) is reached, or the queue is full or cannot be created.
    pub fn publish(&self, publish: &Publish, now: Instant) -> Result<Published, Rejection> {
        self.shared.publish(publish, now)
    }

    /// Registers the session of this outbound queue as online until the result is dropped. Messages can then be
    /// addressed to the session by its id, and watchers of `/presence/users` see it.
    pub fn register_session(&self, outbound_queue: &Arc<OutboundQueue>, now: Instant) -> SessionRegistration {
        SessionRegistration::new(self.shared.clone(), outbound_queue, now)
    }

    /// Begins a COMMIT, which applies all steps of a transaction or none. `charge` is the charge for the memory of the
    /// steps. It shrinks with each step that is done.
    ///
    /// Settling frees space in queues, but messages of the same transaction cannot use this space.
    pub fn commit(&self, steps: Vec<TransactionStep>, charge: Charge) -> StepwiseCommit {
        StepwiseCommit::new(Commit::new(self.shared.clone()), steps, charge)
    }

    /// Sets the end of the drain time of a broker that stops. Only the first call has an effect.
    pub fn set_drain_until(&self, drain_until: Instant) {
        let _ = self.shared.drain_until.set(drain_until);
    }

    /// Returns the end of the drain time. Returns `None` if the broker is not stopping.
    pub fn drain_until(&self) -> Option<Instant> {
        self.shared.drain_until.get().copied()
    }

    /// Returns the share of the byte budget for subscriptions and open transactions. The broker and other modules
    /// charge memory to it.
    pub fn subscription_budget(&self) -> &Arc<Budget> {
        &self.shared.context.share
    }

    /// Checks that there is memory for a new transaction. Without frames it takes `bytes` bytes. The caller charges
    /// these bytes to [`Broker::subscription_budget`].
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) does not allow the transaction.
    pub fn check_begin(&self, bytes: usize) -> Result<(), Rejection> {
        self.shared.context.check_share("transaction", bytes)
    }

    /// Returns the bytes of a subscription that shares no memory with other subscriptions.
    pub fn subscription_bytes(&self, selector: &Selector) -> usize {
        cost::subscription_bytes(selector)
    }

    /// Subscribes the session of `outbound_queue`. Every message that is published after this function returns reaches
    /// it.
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) or the limit of queues does not allow the subscription.
    pub fn subscribe(
        &self,
        subscribe: &Subscribe,
        outbound_queue: &Arc<OutboundQueue>,
        now: Instant,
    ) -> Result<Subscription, Rejection> {
        let Subscribe { key, selector, options } = subscribe;
        let subscriber = Subscriber { outbound_queue: outbound_queue.clone(), key: *key };
        let shared = &self.shared;
        let bytes = cost::subscription_bytes(selector);
        shared.context.check_share("subscription", bytes)?;
        let target = SubscriptionTarget::subscribe(shared, selector, subscriber, *options, now)?;
        Ok(Subscription::new(shared.clone(), target, bytes))
    }

    /// Opens a temporary queue under its unguessable address.
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) does not allow the queue.
    pub fn open_temp(&self, address: &Destination) -> Result<TempQueueHandle, Rejection> {
        debug_assert_eq!(address.kind(), DestinationKind::TempQueue);
        let shared = &self.shared;
        shared.context.check_share("temporary queue", cost::temp_queue_bytes(address))?;
        Ok(TempQueueHandle::new(shared.clone(), shared.queues.open_temp(address)))
    }

    /// Does the work that is due: redeliveries after a backoff, presence reports and log lines. Returns the time at
    /// which the next work is due, or `None` if no timer is set.
    ///
    /// A timer that is set after this call wakes no task. Therefore call this function at a steady interval of 10 to
    /// 25 ms. If nothing is due, it only takes a few locks for a short time.
    pub fn expire(&self, now: Instant) -> Option<Instant> {
        let BrokerState { context, queues, .. } = &*self.shared;
        let next =
            [context.queue_timers.expire(now), context.presence_timers.expire(now), queues.write_log(now)];
        next.into_iter().flatten().min()
    }

    /// Returns the numbers of destinations and sessions.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Returns whether the broker has neither subscriptions nor sessions nor messages.
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
