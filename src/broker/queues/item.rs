//! A message in its queue.

use super::consumer_id::ConsumerId;
use crate::outbound_queue::{Message, Tag};

/// A message in its queue, and what happened to it there.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The position in the queue, from 1 on. A message keeps its position for ever.
    pub(crate) position: Tag,
    pub(crate) message: Message,
    /// Number of times that the message was sent to a consumer, for `delivery-count`.
    pub(crate) sent: u32,
    /// Number of failed deliveries: those that were NACKed, or that a client was working on when its connection was
    /// lost.
    pub(crate) failed: u32,
    /// The consumer that returned the message last. Other consumers are preferred.
    pub(crate) returned_by: Option<ConsumerId>,
}
