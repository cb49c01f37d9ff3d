//! The outcome of a delivery.

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
    /// and the delivery counts as failed (`max-deliveries`). The consumer gets nothing more until
    /// [`resume`](crate::broker::Subscription::resume).
    Lost,
    /// The message was never written to the client. It is requeued at its position, and the delivery does not count as
    /// sent. The consumer gets nothing more until [`resume`](crate::broker::Subscription::resume).
    Unwritten,
}
