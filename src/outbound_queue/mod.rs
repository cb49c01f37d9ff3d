//! The bounded outbound queue of a connection: the only buffer between publishers and a receiver.
//!
//! Publishers push a pointer to a message and a subscription key. The receiver's own task takes batches out and writes
//! them. The limit is `outbound_queue_bytes_max`, in bytes as they are sent to the receiver. This module alone decides
//! what happens as the queue fills:
//!
//! ```text
//!  0 ............ 1/4 ............... 1/2 ...................... limit ............... 4 times the limit
//!  below here,    |                   | publishers wait for      | within the grace    | overflow: all unsent
//!  the grace      |                   | this receiver until its  | period: publishers  | deliveries are dropped,
//!  period is      |                   | grace period ends        | wait; after it:     | the connection is closed
//!  reset          |                   |                          | overflow            | as a slow consumer
//! ```
//!
//! The grace period lasts `slow_consumer_grace` from the moment at which the queue passed one half. If *most* of the
//! receivers of a message are that far behind (`is_widespread`), the machine is saturated and no single receiver is
//! slow. The grace period then starts again with each batch that the receiver takes.
//!
//! An empty outbound queue accepts any one message, however large: the receiver is not at fault for its size.
//!
//! Which tasks are woken, and when:
//!
//! | task | woken by | condition |
//! |---|---|---|
//! | receiver | [`OutboundQueue::push`] | its last take found or left the queue empty; one wake per take |
//! | receiver | [`OutboundQueue::try_push`] | as for `push` |
//! | receiver | an overflow | always |
//! | receiver | [`OutboundQueue::withdraw`] | a work queue was blocked before and may continue |
//! | waiting publishers | taking, withdrawing | the queue is at or below one half |
//! | waiting publishers | overflow, [`OutboundQueue::close`] | always: there is nothing left to wait for |
//! | waiting publishers | another publisher that starts to wait | at most once a second, to release stale wakers |
//!
//! While a [`WakeBatch`] is alive ([`batch_wakes`]), wakes of receivers are queued and sent when it is dropped. They
//! are sent earlier when an outbound queue passes one half for the first time since its grace period was reset, when
//! one overflows, or when very many wakes are queued.

mod delivery;
mod label;
mod options;
mod queue;
mod state;
mod waiting_publishers;
mod wake_batch;

pub use self::delivery::{Delivery, Key, Message, Tag};
pub use self::label::Label;
pub use self::options::Options;
pub use self::queue::{OutboundQueue, Pushed};
pub use self::wake_batch::batch_wakes;
