//! The subscriptions and temporary queues of a connection. Dropping them ends them.

use super::queues::consumer::ConsumerId;
use super::queues::queue::Queue;
use super::queues::queue_map::Queues;
use super::queues::queue_memory::QueueMemory;
use super::topics::patterns::Membership;
use super::topics::subscriber_list::SubscriberSlot;
use super::topics::topic::Topic;
use super::topics::topic_map::{Topics, Watch};
use super::{BrokerState, Settlement};
use crate::destination::{DestinationKind, Selector};
use crate::outbound_queue::Tag;
use crate::work;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// A live subscription. Dropping it unsubscribes and requeues the deliveries of a work queue that are not settled.
///
/// Dropping is an orderly end: no delivery fails by it. If the connection was lost, the owner first settles the
/// delivery that the client was working on as [`Settlement::Lost`].
///
/// After the drop nothing more is pushed for the subscription. The deliveries of a work queue are requeued as follows:
/// those that are still in the outbound queue are withdrawn from it and do not count as sent. Those that the caller
/// took from the outbound queue and did not write must be reported with [`Subscription::mark_unwritten`] before the
/// drop, and do not count as sent either. All others count as sent.
pub struct Subscription {
    shared: Arc<BrokerState>,
    target: SubscriptionTarget,
    bytes: usize,
}

/// The destination, pattern or presence that a subscription is for.
pub(super) enum SubscriptionTarget {
    /// A destination of a family whose messages are not kept.
    Topic(DestinationKind, Arc<Topic>, SubscriberSlot),
    Pattern(Membership),
    /// The presence of a topic, or of the online sessions.
    Watch(DestinationKind, Watch),
    Queue(Arc<Queue>, ConsumerId),
}

impl Subscription {
    pub(super) fn new(shared: Arc<BrokerState>, target: SubscriptionTarget, bytes: usize) -> Subscription {
        shared.context.metrics.subscriptions.inc();
        work::add(work::SUBSCRIPTION);
        Subscription { shared, target, bytes }
    }

    /// Returns the bytes of the subscription as if it shared nothing with other subscriptions, see
    /// [`Broker::subscription_bytes`].
    ///
    /// [`Broker::subscription_bytes`]: super::Broker::subscription_bytes
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the destination, in the form that all of its subscribers share in memory.
    pub fn selector(&self) -> Selector {
        match &self.target {
            SubscriptionTarget::Topic(_, topic, _) => Selector::Exact(topic.destination().clone()),
            SubscriptionTarget::Pattern(membership) => Selector::Pattern(membership.pattern().clone()),
            SubscriptionTarget::Watch(_, watch) => Selector::Exact(watch.presence_destination().clone()),
            SubscriptionTarget::Queue(queue, _) => Selector::Exact(queue.destination().clone()),
        }
    }

    /// Settles deliveries by their tags. Unknown tags are ignored, and so is the call for a topic.
    ///
    /// After [`Settlement::Unwritten`] the queue gives this consumer nothing more until [`Subscription::resume`],
    /// because the consumer may be about to leave.
    pub fn settle(&self, tags: &[Tag], settlement: Settlement, now: Instant) {
        if let SubscriptionTarget::Queue(queue, id) = &self.target {
            self.queues().settle(queue, *id, tags, settlement, now);
        }
    }

    /// Marks these deliveries as not sent. They are requeued when the subscription is dropped, in order with all its
    /// other deliveries; after [`Settlement::Unwritten`] another consumer could get later messages first. Unknown tags
    /// are ignored, and so is the call for a topic. The queue gives this consumer nothing more until
    /// [`Subscription::resume`].
    pub fn mark_unwritten(&self, tags: &[Tag]) {
        if let SubscriptionTarget::Queue(queue, id) = &self.target {
            queue.mark_unwritten(*id, tags);
        }
    }

    /// Resumes delivery after the outbound queue has space again. Has no effect for a topic.
    pub fn resume(&self, now: Instant) {
        if let SubscriptionTarget::Queue(queue, id) = &self.target {
            queue.resume(*id, now);
        }
    }

    /// Returns the consumer of a queue, for the steps of a transaction. Returns `None` for a topic, whose deliveries
    /// are not settled.
    pub fn consumer(&self) -> Option<Consumer> {
        match &self.target {
            SubscriptionTarget::Queue(queue, id) => Some(Consumer { queue: queue.clone(), id: *id }),
            SubscriptionTarget::Topic(..)
            | SubscriptionTarget::Pattern(..)
            | SubscriptionTarget::Watch(..) => None,
        }
    }

    fn queues(&self) -> &Queues {
        &self.shared.queues
    }

    fn topics(&self, kind: DestinationKind) -> &Topics {
        self.shared.family(kind)
    }
}

/// The identity of one consumer of a queue. It does not keep the subscription alive; once the subscription has ended,
/// settling has no effect.
#[derive(Clone)]
pub struct Consumer {
    pub(super) queue: Arc<Queue>,
    pub(super) id: ConsumerId,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Consumer").field(&self.id).finish()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        work::add(work::SUBSCRIPTION);
        match &self.target {
            SubscriptionTarget::Topic(kind, topic, slot) => self.topics(*kind).leave(topic, *slot),
            SubscriptionTarget::Pattern(membership) => {
                self.topics(membership.pattern().kind()).leave_pattern(membership)
            }
            SubscriptionTarget::Watch(kind, watch) => self.topics(*kind).unwatch(watch),
            SubscriptionTarget::Queue(queue, id) => self.queues().leave(queue, *id),
        }
        self.shared.context.metrics.subscriptions.dec();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match &self.target {
            SubscriptionTarget::Topic(_, topic, _) => topic.destination().as_str(),
            SubscriptionTarget::Watch(_, watch) => watch.destination().as_str(),
            SubscriptionTarget::Pattern(membership) => membership.pattern().as_str(),
            SubscriptionTarget::Queue(queue, _) => queue.destination().as_str(),
        };
        f.debug_tuple("Subscription").field(&target).finish()
    }
}

/// A temporary queue of a session. Dropping it closes the queue and drops its messages.
pub struct TempQueue {
    shared: Arc<BrokerState>,
    queue: Arc<Queue>,
}

impl TempQueue {
    pub(super) fn new(shared: Arc<BrokerState>, queue: Arc<Queue>) -> TempQueue {
        TempQueue { shared, queue }
    }

    /// Returns the bytes that the queue takes, without messages and consumers.
    pub fn bytes(&self) -> usize {
        QueueMemory::bytes(self.queue.destination())
    }

    /// Closes the queue as the drop does, but drops at most `max` messages, so that a queue of many messages can be
    /// closed in several steps. Returns whether all messages that are not outstanding have been dropped.
    pub fn close_partly(&self, max: usize) -> bool {
        self.shared.queues.close_temp_partly(&self.queue, max)
    }
}

impl Drop for TempQueue {
    fn drop(&mut self) {
        self.shared.queues.close_temp(&self.queue);
    }
}

impl fmt::Debug for TempQueue {
    /// Formats the queue without its address, which is a secret of its session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempQueue").finish_non_exhaustive()
    }
}
