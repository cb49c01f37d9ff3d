//! Work queues: each message goes to one consumer, and is stored while there is none.

pub(crate) mod backlog;
pub(crate) mod backoff;
pub(crate) mod consumer;
pub(crate) mod dead_letter;
pub(crate) mod dead_letter_log;
pub(crate) mod dispatch;
pub(crate) mod partitioned_backlog;
pub(crate) mod queue;
pub(crate) mod queue_map;
pub(crate) mod queue_memory;
pub(crate) mod queue_usage;
