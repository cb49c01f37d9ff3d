//! The usage of a queue, and the check of its limits.

use crate::broker::options::Options;
use crate::rejection::{Limit, Rejection};

/// A number of messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueUsage {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl QueueUsage {
    /// Counts one more message, which has `bytes` bytes.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    /// Counts one message less, which has `bytes` bytes.
    pub(crate) fn remove(&mut self, bytes: usize) {
        self.messages -= 1;
        self.bytes -= bytes;
    }

    /// Returns the sum of this usage and `other`.
    pub(crate) fn with(self, other: QueueUsage) -> QueueUsage {
        QueueUsage { messages: self.messages + other.messages, bytes: self.bytes + other.bytes }
    }

    /// Checks that the queue `name`, which has this usage, can take one more message of `bytes` bytes.
    pub(crate) fn check_capacity(self, bytes: usize, options: &Options, name: &str) -> Result<(), Rejection> {
        let QueueUsage { messages, bytes: used } = self;
        let &Options { queue_messages_max, queue_bytes_max, .. } = options;
        if messages >= queue_messages_max {
            let usage = format!("The queue {name:?} is full: it has {messages} messages");
            return Err(Rejection::full(Limit::QueueMessages, queue_messages_max, &usage));
        }
        if bytes > queue_bytes_max.saturating_sub(used) {
            let usage = format!(
                "The queue {name:?} has no space for a message of {bytes} bytes: it already has {used} bytes"
            );
            return Err(Rejection::full(Limit::QueueBytes, queue_bytes_max, &usage));
        }
        Ok(())
    }
}
