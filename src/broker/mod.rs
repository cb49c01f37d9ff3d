//! Destinations to subscribers.
//!
//! ```text
//!   Broker ─┬─ Topics ── Topic ─┬─ SubscriberList ──────────┐
//!           │     │             └─ Room: who watches ├─ fan_out ──> OutboundQueue::push
//!           │     └──── Patterns ── Group ── SubscriberList ─┘
//!           └─ Queues ── Queue ─┬─ PartitionedBacklog ── Backlog ┬─ dispatch ──> OutboundQueue::push_within
//!                               └─ Consumers ─────────┘
//! ```
//!
//! `/topic`, `/user` and `/app` are families of `Topics`, which share nothing but the code: to all who
//! subscribe, to the sessions of one user, to one service in turn. `/presence` watches the members of a topic; who is
//! online are the members of a topic of its own.
//!
//! Each topic and each queue has a lock of its own, so that publishing to, and subscribing on, one destination is
//! linearised and has nothing to wait for at another. Locks are taken in this order, never two of a kind: the map's
//! shard (released before anything else is locked); a topic, then the trie of patterns (shared), a group (shared), or
//! the census of its room; the watchers of a room, then its census; a queue; then the timers; an outbound queue last. Two
//! exceptions: where one of all members is chosen, their groups are locked together, shared, by address; and what
//! watchers get is pushed under the watchers' lock, which nobody takes while holding a topic's. A destination that nobody
//! needs any more dies under its own lock and is then taken out of the map; whoever finds a dead one starts again from
//! the map.

mod backlog;
mod backoff;
mod clock;
mod consumer;
mod context;
mod cost;
mod dead_letter;
mod dead_letter_log;
mod dispatch;
mod fan_out;
mod ids;
mod partitioned_backlog;
mod pattern_versions;
mod patterns;
mod presence;
mod publication;
mod queue;
mod queue_memory;
mod queue_usage;
mod queues;
mod route;
mod services;
mod sessions;
mod subscriber_list;
mod subscription;
#[cfg(test)]
mod tests;
mod timer_queue;
mod topic;
mod topics;
mod transaction;
mod users;

pub use self::publication::{Congested, Multicast, Publication, Published};
pub use self::sessions::Entry;
pub use self::subscription::{Consumer, Subscription, TempQueue};
pub use self::transaction::Commit;

use self::clock::Clock;
use self::context::BrokerContext;
use self::dead_letter_log::DeadLetterLog;
use self::ids::Ids;
use self::route::BrokerState;
use self::subscription::SubscriptionTarget;
use self::timer_queue::TimerQueue;
use crate::budget::Budget;
use crate::destination::{Destination, Kind, Selector};
use crate::metrics::Metrics;
use crate::outbound_queue::{Key, OutboundQueue, Tag};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Limits of queues and of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Work queues at most, dead letter queues included (`queues-max`). Temporary queues do not count.
    pub queues_max: usize,
    /// Messages in one queue, given out and unsettled included (`queue-messages-max`).
    pub queue_messages_max: usize,
    /// Their bytes (`queue-bytes-max`).
    pub queue_bytes_max: usize,
    /// Failed deliveries of one message after which it goes to `/queue/dead.NAME` (`max-deliveries`).
    pub max_deliveries: u32,
    /// Redelivery to the consumer that had the message last waits: nothing at first, then this and twice as much each time (`redelivery-backoff`).
    pub redelivery_backoff: Duration,
    /// ... up to this (`redelivery-backoff-max`).
    pub redelivery_backoff_max: Duration,
    /// Users present up to whom watchers are told names; above it they are told numbers, unless they ask for names (`presence-names-max`).
    pub presence_names_max: usize,
    /// Who comes back within this has not left (`presence-grace`).
    pub presence_grace: Duration,
    /// Watchers are told at most once in this time (`presence-interval`).
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

/// The broker; cheap to clone.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<BrokerState>,
}

/// Why the broker would not: for ERROR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For ERROR's `message`.
    pub summary: &'static str,
    /// For ERROR's body: what was wrong, what was expected, which option to change.
    pub detail: String,
    /// The option of the limit.
    pub limit: Option<&'static str>,
}

/// Who subscribes: a connection's outbound queue and its name for the subscription.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Subscriber {
    pub outbound_queue: Arc<OutboundQueue>,
    pub key: Key,
}

/// Credit of a work queue's consumer, and what it or a service may have (ignored for topics); how much a watcher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Messages given out and not settled at most.
    pub prefetch: u32,
    /// Their bytes: nothing more is given while so many are outstanding. The message that passes them is still
    /// given, so that one is always allowed.
    pub prefetch_bytes: usize,
    /// It is never given a message whose body is not UTF-8. Such a message waits for another consumer; if there are
    /// consumers and all are text only, it goes to `/queue/dead.NAME` at once (`dead-reason:not-text`), unless it
    /// is in such a queue already, where it stays; in a temporary queue it is dropped and counted. A service is
    /// passed over.
    pub text_only: bool,
    /// A watcher of presence is told names, however many there are.
    pub presence_names: bool,
}

/// How a delivery from a work queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done (ACK, or written in auto mode): forgotten.
    Accepted,
    /// NACK: back to its place. The delivery failed, which counts for [`Options::max_deliveries`].
    Returned,
    /// NACK with `requeue:false`: to the dead letter queue at once. A message of a dead letter queue is returned
    /// instead, and one of a temporary queue is dropped.
    Rejected,
    /// The connection was lost while the client was working on it: back to its place. The delivery failed, which counts
    /// for [`Options::max_deliveries`]. The consumer gets nothing more until [`Subscription::resume`].
    Lost,
    /// It never left the broker: back to its place, and it does not count as sent. The consumer gets nothing more
    /// until [`Subscription::resume`].
    Unwritten,
}

/// One step of a transaction.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Step<'a> {
    Publish(Publication<'a>),
    PublishToUsers(Multicast<'a>),
    Settle { consumer: &'a Consumer, tags: &'a [Tag], settlement: Settlement },
}

/// How many destinations there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Topics that are subscribed to by name or watched.
    pub topics: usize,
    /// Patterns that are subscribed to.
    pub patterns: usize,
    /// Queues, temporary ones included.
    pub queues: usize,
    /// Queues that count for [`Options::queues_max`].
    pub work_queues: usize,
    /// Users' destinations that are subscribed to, and patterns over them.
    pub user_destinations: usize,
    /// What services subscribe to below `/app`, names and patterns.
    pub services: usize,
    /// Sessions that are online.
    pub sessions: usize,
    /// Topics whose presence is watched, `/presence/users` included.
    pub trackers: usize,
}

impl Broker {
    /// An empty broker. `node` is part of message ids and is unique per start (boot id).
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

    /// Routes one message: every subscriber of the destination sees the same order.
    ///
    /// That nobody is there is no reason to refuse a message.
    pub fn publish(&self, publication: Publication<'_>, now: Instant) -> Result<Published, Refusal> {
        let shared = &*self.shared;
        shared.context.check_budget()?;
        let published = if publication.destination.kind().stores_messages() {
            let message = shared.context.message(publication.content());
            let is_taken = shared.queues.publish(publication.destination, &message, now)?;
            Published { reached: usize::from(is_taken), ..Published::default() }
        } else {
            shared.route(&publication, now).into_published(now)
        };
        shared.context.metrics.messages_published.inc();
        Ok(published)
    }

    /// Routes one message to the same destination of many users: encoded once for all. Whoever is listed twice gets it
    /// once. Nothing is refused because nobody is there.
    pub fn publish_to_users(&self, multicast: Multicast<'_>, now: Instant) -> Result<Published, Refusal> {
        let shared = &*self.shared;
        shared.context.check_budget()?;
        let published = shared.route_to_users(&multicast, now).into_published(now);
        shared.context.metrics.messages_published.inc();
        Ok(published)
    }

    /// The labelled session of this outbound queue is online until the entry is dropped: it is found by its id, and is one of
    /// those in `/presence/users`.
    pub fn enter(&self, outbound_queue: &Arc<OutboundQueue>, now: Instant) -> Entry {
        self.shared.enter(outbound_queue, now)
    }

    /// Begins a COMMIT, which applies all steps of a transaction or none.
    ///
    /// The room that its steps free in queues by settling is not available to its messages.
    pub fn commit(&self) -> Commit {
        Commit::new(self.shared.clone())
    }

    /// Returns the share of the byte budget that subscriptions and open transactions are charged to. The broker and the
    /// connections charge their own parts.
    pub fn subscription_budget(&self) -> &Arc<Budget> {
        &self.shared.context.share
    }

    /// Checks that there is memory for a new transaction of `bytes` bytes, not counting the frames that follow. The
    /// caller charges them to [`Broker::subscription_budget`].
    ///
    /// # Errors
    /// The share for subscriptions is used up (`memory-bytes-max`).
    pub fn check_begin(&self, bytes: usize) -> Result<(), Refusal> {
        self.shared.context.check_share("transaction", bytes)
    }

    /// Returns the bytes of a subscription that shares nothing with others.
    pub fn subscription_bytes(&self, selector: &Selector) -> usize {
        cost::subscription(selector)
    }

    /// Subscribes. From its return on every publish reaches the subscriber.
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) or the limit of queues does not allow the subscription.
    pub fn subscribe(
        &self,
        selector: &Selector,
        subscriber: Subscriber,
        terms: ConsumerOptions,
        now: Instant,
    ) -> Result<Subscription, Refusal> {
        let shared = &self.shared;
        let bytes = cost::subscription(selector);
        shared.context.check_share("subscription", bytes)?;
        let to = match selector {
            Selector::Pattern(pattern) => {
                shared.note_text_only(pattern.kind(), &subscriber, terms);
                SubscriptionTarget::Pattern(
                    shared.family(pattern.kind()).subscribe_pattern(pattern, subscriber),
                )
            }
            Selector::Exact(shown) if shown.kind() == Kind::Presence => {
                shared.watch(shown, subscriber, terms.presence_names, now)
            }
            Selector::Exact(destination) if !destination.kind().stores_messages() => {
                shared.note_text_only(destination.kind(), &subscriber, terms);
                let family = shared.family(destination.kind());
                let (topic, slot) = family.subscribe(destination, &subscriber, now);
                SubscriptionTarget::Topic(destination.kind(), topic, slot)
            }
            Selector::Exact(destination) => {
                let (queue, id) = shared.queues.subscribe(destination, &subscriber, terms, now)?;
                SubscriptionTarget::Queue(queue, id)
            }
        };
        Ok(Subscription::new(shared.clone(), to, bytes))
    }

    /// Opens a temporary queue under its unguessable address.
    ///
    /// # Errors
    /// There is no memory for it (`memory-bytes-max`).
    pub fn open_temp(&self, address: &Destination) -> Result<TempQueue, Refusal> {
        debug_assert_eq!(address.kind(), Kind::TempQueue);
        let shared = &self.shared;
        shared.context.check_share("temporary queue", cost::temp_queue(address))?;
        Ok(TempQueue::new(shared.clone(), shared.queues.open_temp(address)))
    }

    /// Does what is due (redelivery after back-off, telling who came and left, log lines) and says when to call again; `None`: nothing waits *now*.
    ///
    /// Nobody is woken when something begins to wait. Call it at a steady pace, every 10 to 25 ms: with nothing due
    /// it takes three short locks.
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

    /// How many destinations there are.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Whether nothing is subscribed to and nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.stats() == Stats::default()
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Refusal {
    /// A limit was met.
    fn full(limit: &'static str, max: usize, what: &str) -> Refusal {
        let detail =
            format!("{what}; {limit} allows {max}. Try again later, or ask the operator to raise {limit}.");
        Refusal { summary: "limit reached", detail, limit: Some(limit) }
    }
}
