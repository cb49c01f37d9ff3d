//! The outcome of a delivery.

/// The outcome of a delivery from a work queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done (ACK, or written in auto mode): the message is removed.
    Accepted,
    /// NACK: the message is requeued at its position. The delivery failed, which counts for `max-deliveries`.
    Returned,
    /// NACK with `requeue:false`: the message moves to the dead letter queue at once. A message of a dead letter queue
    /// is requeued instead, and one of a temporary queue is dropped.
    Rejected,
    /// The connection was lost while the client was working on the message, which is requeued at its position. The
    /// delivery failed, which counts for `max-deliveries`. The consumer gets nothing more until
    /// [`resume`](crate::broker::Subscription::resume).
    Lost,
    /// The message was never written to the client: it is requeued at its position and does not count as sent. The
    /// consumer gets nothing more until [`resume`](crate::broker::Subscription::resume).
    Unwritten,
}
