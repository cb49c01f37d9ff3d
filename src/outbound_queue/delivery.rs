//! A message on its way to one subscription.

use crate::budget::Charge;

/// A message whose memory is charged to the budget until the last clone is dropped.
pub type Message = stompbox_frames::message::Message<Charge>;

/// The key of a subscription within its connection. A connection never uses a key twice.
pub type Key = u32;

/// The position of a message in its work queue. 0 for a broadcast message.
pub type Tag = u64;

/// A message on its way to one subscription.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message, shared by all its subscribers.
    pub message: Message,
    /// The key of the subscription that receives the message.
    pub key: Key,
    /// Number of times that the message has been sent to a consumer, including this delivery. 1 for a broadcast
    /// message.
    pub count: u32,
    /// The position of the message in its work queue. 0 for a broadcast message.
    pub tag: Tag,
}
