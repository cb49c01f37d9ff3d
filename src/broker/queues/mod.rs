//! Work queues: each message goes to one consumer, and is stored until a consumer can take it.

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
mod queue_state;
mod queue_usage;
