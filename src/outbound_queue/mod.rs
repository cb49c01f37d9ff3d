//! The bounded outbound queue of a connection: the only buffer between publishers and a receiver.
//!
//! Publishers push a pointer to a message and a subscription key. The receiver's own task takes batches out and writes
//! them. The limit `outbound_queue_bytes_max` counts the bytes that will be written to the receiver. This module alone
//! decides what happens as the queue fills:
//!
//! ```text
//!  0 ............ 1/4 ............... 1/2 ...................... limit ............... 4 times the limit
//!  below here,    |                   | publishers wait for      | within the grace    | overflow: all unsent
//!  the grace      |                   | this receiver until its  | period: publishers  | deliveries are dropped,
//!  period is      |                   | grace period ends        | wait; after it:     | the connection is closed
//!  reset          |                   |                          | overflow            | as a slow consumer
//! ```
//!
//! The grace period begins when the queue passes one half, and lasts `slow_consumer_grace`. If the queues of *most*
//! receivers of a message are above one half, the machine is saturated (`is_widespread`). No single receiver is slow.
//! Publishers then wait longer, because the grace period begins again with each batch that the receiver takes. A queue
//! overflows only after this longer grace period.
//!
//! An empty outbound queue accepts one message of any size, because a large message does not make its receiver slow.
//!
//! The following table lists the tasks that are woken, and when:
//!
//! | task | woken by | condition |
//! |---|---|---|
//! | receiver | [`OutboundQueue::push`] | the receiver's last take found or left the queue empty; one wake per take |
//! | receiver | [`OutboundQueue::try_push`] | as for `push` |
//! | receiver | an overflow | always |
//! | receiver | [`OutboundQueue::withdraw`] | a message of a work queue was rejected before, and space was freed |
//! | waiting publishers | taking, withdrawing | the queue is at or below one half |
//! | waiting publishers | overflow, [`OutboundQueue::close`] | always, because the receiver has gone |
//! | waiting publishers | another publisher that starts to wait | at most once a second, to release stale wakers |
//!
//! While a [`WakeBatch`] is alive ([`batch_wakes`]), wakes of receivers are queued. The drop of the batch sends them.
//! They are sent earlier in three cases:
//!
//! - an outbound queue passes one half for the first time since its grace period was reset
//! - an outbound queue overflows
//! - very many wakes are queued

mod delivery;
mod label;
mod options;
mod queue;
mod session_id;
mod state;
mod waiting_publishers;
mod wake_batch;

pub use self::delivery::{Delivery, Key, Message, Tag};
pub use self::label::Label;
pub use self::options::Options;
pub use self::queue::{OutboundQueue, Pushed};
pub use self::session_id::{NodeId, SessionId, SessionIds};
pub use self::wake_batch::batch_wakes;
