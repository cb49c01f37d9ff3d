//! Work queues: each message goes to one consumer, and is stored until a consumer can take it.
//!
//! # Redelivery
//! A consumer that returns a message may have to wait before it gets the message again. These steps lead to the
//! redelivery:
//!
//! 1. `Queue::requeue` ([`queue`]) asks [`backoff`] for the length of the wait.
//! 2. The message waits in the [`backlog`] as a delayed message.
//! 3. `Queue::deliver` sets a timer for the end of the wait ([`timer_queue`](super::timer_queue)).
//! 4. The ticker (`server/ticker.rs`) calls [`Broker::expire`](super::Broker::expire) every 10 ms. The timer then calls
//!    `Queue::expire`.
//! 5. `Queue::expire` makes the message ready, and [`dispatch`] pushes it to a willing consumer.

mod backlog;
mod backoff;
pub(super) mod consumer;
pub(super) mod consumer_id;
mod dead_letter;
mod dead_letter_log;
mod dispatch;
mod item;
mod partitioned_backlog;
pub(super) mod queue;
pub(super) mod queue_map;
mod queue_memory;
mod queue_records;
mod queue_state;
mod queue_usage;
