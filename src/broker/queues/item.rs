//! A message in its queue.

use super::consumer_id::ConsumerId;
use crate::outbound_queue::{Message, Tag};

/// A message in its queue, and the record of its deliveries.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The position in the queue, counted from 1. A message keeps its position when it is requeued.
    pub(crate) position: Tag,
    pub(crate) message: Message,
    /// Number of times that the message was sent to a consumer, for `delivery-count`.
    pub(crate) sent: u32,
    /// Number of failed deliveries. A delivery fails if the client sends NACK, or if the connection is lost while the
    /// client works on the message.
    pub(crate) failed: u32,
    /// The consumer that returned the message last. Other consumers are preferred.
    pub(crate) returned_by: Option<ConsumerId>,
}
