//! A subscription of a connection.

use super::queue_consumer::Consumer;
use super::subscription_target::SubscriptionTarget;
use crate::broker::settlement::Settlement;
use crate::broker::state::BrokerState;
use crate::destination::Selector;
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

impl Subscription {
    pub(in crate::broker) fn new(
        shared: Arc<BrokerState>,
        target: SubscriptionTarget,
        bytes: usize,
    ) -> Subscription {
        shared.context.metrics.subscriptions.inc();
        work::add(work::SUBSCRIPTION);
        Subscription { shared, target, bytes }
    }

    /// Returns the bytes of the subscription as if it shared nothing with other subscriptions, see
    /// [`Broker::subscription_bytes`].
    ///
    /// [`Broker::subscription_bytes`]: crate::broker::Broker::subscription_bytes
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the destination, in the form that all of its subscribers share in memory.
    pub fn selector(&self) -> Selector {
        self.target.selector()
    }

    /// Settles deliveries by their tags. Unknown tags are ignored, and so is the call for a topic.
    ///
    /// After [`Settlement::Unwritten`] the queue gives this consumer nothing more until [`Subscription::resume`],
    /// because the consumer may be about to leave.
    pub fn settle(&self, tags: &[Tag], settlement: Settlement, now: Instant) {
        if let SubscriptionTarget::Queue(queue, id) = &self.target {
            self.shared.queues.settle(queue, *id, tags, settlement, now);
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
        self.target.consumer()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        work::add(work::SUBSCRIPTION);
        self.target.leave(&self.shared);
        self.shared.context.metrics.subscriptions.dec();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription").field(&self.target.as_str()).finish()
    }
}
