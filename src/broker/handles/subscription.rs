//! A subscription of a connection.

use super::queue_consumer::Consumer;
use super::subscription_target::SubscriptionTarget;
use crate::broker::journal::Ticket;
use crate::broker::state::BrokerState;
use crate::command::Settlement;
use crate::destination::Selector;
use crate::outbound_queue::Tag;
use crate::work;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// A live subscription. Dropping it unsubscribes. If it consumes a work queue, its unsettled deliveries are requeued.
///
/// Dropping counts no delivery as failed. If the connection was lost, the owner first settles the delivery that the
/// client was working on as [`Settlement::Lost`].
///
/// After the drop nothing more is pushed for the subscription. All of its deliveries count as sent, with two
/// exceptions:
///
/// - deliveries of a work queue that still wait in the outbound queue, which the drop withdraws
/// - deliveries that the caller took from the outbound queue and did not write. The caller reports them before the
///   drop, with [`Subscription::mark_unwritten`].
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

    /// Returns the bytes of the subscription. Memory that it shares with other subscriptions counts in full, see
    /// [`Broker::subscription_bytes`].
    ///
    /// [`Broker::subscription_bytes`]: crate::broker::Broker::subscription_bytes
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the destination or pattern. All of its subscribers share its text in memory.
    pub fn selector(&self) -> Selector {
        self.target.selector()
    }

    /// Settles deliveries by their tags. Ignores unknown tags. Has no effect for a topic. Returns the outcome that a
    /// receipt must wait for.
    ///
    /// The consumer may be about to leave after [`Settlement::Unwritten`] or [`Settlement::Lost`]. The queue therefore
    /// gives it nothing more until [`Subscription::resume`].
    pub fn settle(&self, tags: &[Tag], settlement: Settlement, now: Instant) -> Option<Ticket> {
        let SubscriptionTarget::Queue(queue, id) = &self.target else { return None };
        self.shared.queues.settle(queue, *id, tags, settlement, now)
    }

    /// Marks these deliveries as not sent. Ignores unknown tags. Has no effect for a topic.
    ///
    /// The drop of the subscription requeues them together with its other deliveries. Another consumer then gets all of
    /// them in order. [`Settlement::Unwritten`] would requeue them at once, and the other consumer could get later
    /// messages first. The queue gives this consumer nothing more until [`Subscription::resume`].
    pub fn mark_unwritten(&self, tags: &[Tag]) {
        if let SubscriptionTarget::Queue(queue, id) = &self.target {
            queue.mark_unwritten(*id, tags);
        }
    }

    /// Resumes delivery, because the outbound queue has space again. Has no effect for a topic.
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
