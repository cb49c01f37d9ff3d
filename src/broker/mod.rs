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
mod ids;
mod presence;
mod publication;
pub(crate) mod queues;
mod route;
mod sessions;
mod subscription;
#[cfg(test)]
mod tests;
mod timer_queue;
pub(crate) mod topics;
mod transaction;

pub use self::publication::{Congested, Multicast, Publication, Published};
pub use self::sessions::SessionRegistration;
pub use self::subscription::{Consumer, Subscription, TempQueue};
pub use self::transaction::Commit;

use self::clock::Clock;
use self::context::BrokerContext;
use self::ids::Ids;
use self::route::BrokerState;
use self::subscription::SubscriptionTarget;
use self::timer_queue::TimerQueue;
use crate::broker::queues::dead_letter_log::DeadLetterLog;
use crate::budget::Budget;
use crate::destination::{Destination, DestinationKind, Selector};
use crate::metrics::Metrics;
use crate::outbound_queue::{Key, OutboundQueue, Tag};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Limits of queues and of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Maximum number of work queues, dead letter queues included (`queues-max`). Temporary queues do not count.
    pub queues_max: usize,
    /// Maximum number of messages in one queue, unsettled deliveries included (`queue-messages-max`).
    pub queue_messages_max: usize,
    /// Maximum number of bytes of the messages in one queue, unsettled deliveries included (`queue-bytes-max`).
    pub queue_bytes_max: usize,
    /// Number of failed deliveries after which a message moves to `/queue/dead.NAME` (`max-deliveries`).
    pub max_deliveries: u32,
    /// Delay before a message is redelivered to the consumer that returned it (`redelivery-backoff`). The first
    /// redelivery is immediate, the second waits this long, and each further one waits twice as long as the one before.
    pub redelivery_backoff: Duration,
    /// Upper limit of the redelivery delay (`redelivery-backoff-max`).
    pub redelivery_backoff_max: Duration,
    /// Largest number of present users for which watchers get names. Above it they get numbers, unless they ask for
    /// names (`presence-names-max`).
    pub presence_names_max: usize,
    /// Time within which a user can come back without being reported as having left (`presence-grace`).
    pub presence_grace: Duration,
    /// Shortest time between two reports to watchers (`presence-interval`).
    pub presence_interval: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            queues_max: 100_000,
            queue_messages_max: 1_000_000,
            queue_bytes_max: 256 * 1024 * 1024,
            max_deliveries: 20,
            redelivery_backoff: Duration::from_millis(10),
            redelivery_backoff_max: Duration::from_millis(250),
            presence_names_max: 1_000,
            presence_grace: Duration::from_secs(3),
            presence_interval: Duration::from_millis(100),
        }
    }
}

/// The message broker. Clones are cheap and share its state.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<BrokerState>,
}

/// The error of a rejected operation, with the texts of the ERROR frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerError {
    /// The `message` header of ERROR.
    pub summary: &'static str,
    /// The body of ERROR: what was wrong, what was expected, and which option to change.
    pub detail: String,
    /// The name of the option whose limit was reached, if any.
    pub limit: Option<&'static str>,
}

/// The receiver of a subscription: a connection's outbound queue and its key for the subscription.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Subscriber {
    pub outbound_queue: Arc<OutboundQueue>,
    pub key: Key,
}

/// Options of a subscription. Topics ignore the credit (`prefetch`, `prefetch_bytes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Maximum number of messages of a work queue that the consumer has not settled.
    pub prefetch: u32,
    /// Number of unsettled bytes from which the consumer gets no further message. The message that exceeds it is still
    /// delivered, so that one message is always allowed.
    pub prefetch_bytes: usize,
    /// The consumer never gets a message whose body is not UTF-8. Such a message waits for another consumer. If all
    /// consumers of the queue are text only, and there is at least one, the message moves to `/queue/dead.NAME` at once
    /// (`dead-reason:not-text`). It stays if it is in a dead letter queue already, and is dropped and counted if it is
    /// in a temporary queue. A text-only service is skipped for such a message.
    pub text_only: bool,
    /// The watcher of presence gets names, however many there are.
    pub presence_names: bool,
}

/// The outcome of a delivery from a work queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done (ACK, or written in auto mode): the message is removed.
    Accepted,
    /// NACK: the message is requeued at its position. The delivery failed, which counts for
    /// [`Options::max_deliveries`].
    Returned,
    /// NACK with `requeue:false`: the message moves to the dead letter queue at once. A message of a dead letter queue
    /// is requeued instead, and one of a temporary queue is dropped.
    Rejected,
    /// The connection was lost while the client was working on the message, which is requeued at its position. The
    /// delivery failed, which counts for [`Options::max_deliveries`]. The consumer gets nothing more until
    /// [`Subscription::resume`].
    Lost,
    /// The message was never written to the client: it is requeued at its position and does not count as sent. The
    /// consumer gets nothing more until [`Subscription::resume`].
    Unwritten,
}

/// One step of a transaction.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum TransactionStep<'a> {
    Publish(Publication<'a>),
    PublishToUsers(Multicast<'a>),
    Settle { consumer: &'a Consumer, tags: &'a [Tag], settlement: Settlement },
}

/// Numbers of destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of topics that have a subscriber by name or a watcher.
    pub topics: usize,
    /// Number of patterns that have a subscriber.
    pub patterns: usize,
    /// Number of queues, temporary queues included.
    pub queues: usize,
    /// Number of queues that count for [`Options::queues_max`].
    pub work_queues: usize,
    /// Number of users' destinations, and of patterns over them, that have a subscriber.
    pub user_destinations: usize,
    /// Number of names and patterns below `/app` that a service subscribes to.
    pub services: usize,
    /// Number of sessions that are online.
    pub sessions: usize,
    /// Number of topics whose presence is watched, `/presence/users` included.
    pub trackers: usize,
}

impl Broker {
    /// Creates an empty broker. `node` is part of message ids and must be unique per start (the boot id).
    pub fn new(options: Options, node: &str, budget: Arc<Budget>, metrics: Arc<Metrics>) -> Broker {
        let ids = Ids::new(node);
        let (timers, presence_timers) = (TimerQueue::default(), TimerQueue::default());
        let dead_letter_log = DeadLetterLog::default();
        let (clock, share) = (Clock::new(), budget.share());
        let context = BrokerContext {
            options,
            ids,
            budget,
            share,
            metrics,
            clock,
            timers,
            presence_timers,
            dead_letter_log,
        };
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
        self.shared.register_session(outbound_queue, now)
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
        let target = match selector {
            Selector::Pattern(pattern) => {
                shared.mark_text_only(pattern.kind(), &subscriber, options);
                SubscriptionTarget::Pattern(
                    shared.family(pattern.kind()).subscribe_pattern(pattern, subscriber),
                )
            }
            Selector::Exact(destination) if destination.kind() == DestinationKind::Presence => {
                shared.watch(destination, subscriber, options.presence_names, now)
            }
            Selector::Exact(destination) if !destination.kind().stores_messages() => {
                shared.mark_text_only(destination.kind(), &subscriber, options);
                let family = shared.family(destination.kind());
                let (topic, slot) = family.subscribe(destination, &subscriber, now);
                SubscriptionTarget::Topic(destination.kind(), topic, slot)
            }
            Selector::Exact(destination) => {
                let (queue, id) = shared.queues.subscribe(destination, &subscriber, options, now)?;
                SubscriptionTarget::Queue(queue, id)
            }
        };
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
    /// is due, it takes three short locks.
    pub fn expire(&self, now: Instant) -> Option<Instant> {
        let context = &self.shared.context;
        self.shared.queues.expire(now);
        for (at, tracker) in context.presence_timers.due(now) {
            tracker.expire(at, now);
        }
        context.dead_letter_log.write_due(now);
        let next = [context.timers.next(), context.presence_timers.next(), context.dead_letter_log.next()];
        next.into_iter().flatten().min()
    }

    /// Returns the numbers of destinations.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Returns whether the broker has no subscriptions, sessions and messages.
    pub fn is_empty(&self) -> bool {
        self.stats() == Stats::default()
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl BrokerError {
    /// Creates the error of an operation that would exceed `limit`. `usage` says what is in use.
    fn full(limit: &'static str, max: usize, usage: &str) -> BrokerError {
        let detail =
            format!("{usage}. {limit} allows {max}. Try again later, or ask the operator to raise {limit}.");
        BrokerError { summary: "limit reached", detail, limit: Some(limit) }
    }
}
