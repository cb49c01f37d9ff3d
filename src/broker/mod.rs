//! Destinations to subscribers.
use crate::budget::Budget;
use crate::destination::{Destination, Selector};
use crate::metrics::Metrics;
use crate::outbox::{Key, Outbox, Tag};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stompbox_frames::stomp::Headers;

/// Limits of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Work queues at most, dead letter queues included (`queues-max`). Temporary queues do not count.
    pub queues_max: usize,
    /// Messages in one queue, given out and unsettled included (`queue-messages-max`).
    pub queue_messages_max: usize,
    /// Their octets (`queue-bytes-max`).
    pub queue_bytes_max: usize,
    /// Deliveries of one message before it goes to `/queue/dead.NAME` (`max-deliveries`).
    pub max_deliveries: u32,
    /// Redelivery to the consumer that had the message last waits: nothing at first, then this and twice as much each time (`redelivery-backoff`).
    pub redelivery_backoff: Duration,
    /// ... up to this (`redelivery-backoff-max`).
    pub redelivery_backoff_max: Duration,
}

/// The broker; cheap to clone.
#[derive(Clone, Debug)]
pub struct Broker { _shared: Arc<()> }

/// A message to route.
#[derive(Debug)]
pub struct Publication<'a> {
    /// Where to.
    pub destination: &'a Destination,
    /// MESSAGE's `destination`: as given on SEND.
    pub shown: &'a str,
    /// The SEND's headers.
    pub headers: &'a Headers,
    /// Headers set by the broker or the session (`reply-to`).
    pub extra: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// What became of a publication.
#[derive(Debug, Default)]
pub struct Published {
    /// Subscriptions it was pushed to (a queue: 1 if the queue took it).
    pub reached: usize,
    /// Receivers that the publisher should wait for before it reads on.
    pub congested: Vec<Congested>,
}

/// A receiver above half of its outbox.
#[derive(Debug)]
pub struct Congested {
    /// Whose.
    pub outbox: Arc<Outbox>,
    /// Most of the message's receivers are as far behind.
    pub crowd: bool,
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

/// Who subscribes: a connection's outbox and its name for the subscription.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Subscriber { pub outbox: Arc<Outbox>, pub key: Key }

/// Credit of a work queue's consumer (ignored for topics).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Messages given out and not settled at most.
    pub prefetch: u32,
    /// Their octets at most; one message is always allowed.
    pub prefetch_bytes: usize,
}

/// How a delivery from a work queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done (ACK, or written in auto mode): forgotten.
    Accepted,
    /// NACK: back to its place, the delivery counts.
    Returned,
    /// It never left the broker: back to its place, the delivery does not count.
    Unwritten,
}

/// One step of a transaction.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Step<'a> {
    Publish(Publication<'a>),
    Settle { subscription: &'a Subscription, tags: &'a [Tag], settlement: Settlement },
}

/// A live subscription; dropping it unsubscribes, and returns what a work queue's consumer did not settle.
#[derive(Debug)]
pub struct Subscription { _private: () }
impl Subscription {
    /// Settles deliveries by their tags; unknown tags and topics are ignored.
    pub fn settle(&self, tags: &[Tag], settlement: Settlement, now: Instant) { let _ = (tags, settlement, now); unimplemented!() }
    /// The outbox has room again: the queue may go on. Nothing for topics.
    pub fn resume(&self, now: Instant) { let _ = now; unimplemented!() }
}

/// A session's own queue; dropping it drops its messages.
#[derive(Debug)]
pub struct TempQueue { _private: () }

impl Broker {
    /// An empty broker. `node` is part of message ids and is unique per start (boot id).
    pub fn new(options: Options, node: &str, budget: Arc<Budget>, metrics: Arc<Metrics>) -> Broker { let _ = (options, node, budget, metrics); unimplemented!() }
    /// Routes one message: every subscriber of the destination sees the same order.
    pub fn publish(&self, publication: Publication<'_>, now: Instant) -> Result<Published, Refusal> { let _ = (publication, now); unimplemented!() }
    /// All steps or none: nothing is applied when one would be refused.
    pub fn commit(&self, steps: &[Step<'_>], now: Instant) -> Result<Published, Refusal> { let _ = (steps, now); unimplemented!() }
    /// Subscribes. From its return on every publish reaches the subscriber.
    pub fn subscribe(&self, selector: &Selector, subscriber: Subscriber, terms: Terms, now: Instant) -> Result<Subscription, Refusal> { let _ = (selector, subscriber, terms, now); unimplemented!() }
    /// Opens a temporary queue under its unguessable address.
    pub fn open_temp(&self, address: &Destination) -> TempQueue { let _ = address; unimplemented!() }
    /// Does what is due (redelivery after back-off) and says when to call again.
    pub fn expire(&self, now: Instant) -> Option<Instant> { let _ = now; unimplemented!() }
}
