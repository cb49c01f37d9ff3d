//! The command to settle deliveries of a work queue.

use crate::outbound_queue::{Key, Tag};

/// The command to settle deliveries of a work queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The key of the subscription.
    pub key: Key,
    /// Tags of the deliveries in the queue, in the order of delivery. The list is not empty and contains no 0.
    pub tags: Vec<Tag>,
    /// The outcome of the deliveries.
    pub settlement: Settlement,
}

/// The outcome of a delivery from a work queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The client sent ACK, or the message was written in auto mode. The message is removed.
    Accepted,
    /// The client sent NACK. The message is requeued at its position, and the delivery counts as failed
    /// (`max-deliveries`).
    Returned,
    /// The client sent NACK with `requeue:false`. The message moves to the dead letter queue at once. A message of a
    /// dead letter queue is requeued instead, and a message of a temporary queue is dropped.
    Rejected,
    /// The connection was lost while the client was working on the message. The message is requeued at its position,
    /// and the delivery counts as failed (`max-deliveries`). The consumer gets nothing more until its subscription is
    /// resumed.
    Lost,
    /// The message was never written to the client. It is requeued at its position, and the delivery does not count as
    /// sent. The consumer gets nothing more until its subscription is resumed.
    Unwritten,
}

impl Settlement {
    /// Returns the outcome of a delivery that the client rejects. With `requeue`, the queue delivers the message again.
    pub fn rejection(requeue: bool) -> Settlement {
        if requeue { Settlement::Returned } else { Settlement::Rejected }
    }
}
