//! The usage of a queue, and the check of its limits.

use super::{BrokerError, Options};

/// A number of messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct QueueUsage {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl QueueUsage {
    /// Adds one message.
    pub(super) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    /// Subtracts one message.
    pub(super) fn remove(&mut self, bytes: usize) {
        self.messages -= 1;
        self.bytes -= bytes;
    }

    /// Returns the sum of both.
    pub(super) fn with(self, other: QueueUsage) -> QueueUsage {
        QueueUsage { messages: self.messages + other.messages, bytes: self.bytes + other.bytes }
    }

    /// Checks that the queue `name`, which holds this much, can take one more message of `bytes` bytes.
    pub(super) fn room_for(self, bytes: usize, options: &Options, name: &str) -> Result<(), BrokerError> {
        let QueueUsage { messages, bytes: held } = self;
        let &Options { queue_messages_max, queue_bytes_max, .. } = options;
        if messages >= queue_messages_max {
            let what = format!("{name:?} holds {messages} messages");
            return Err(BrokerError::full("queue-messages-max", queue_messages_max, &what));
        }
        if bytes > queue_bytes_max.saturating_sub(held) {
            let what = format!("{name:?} holds {held} octets, and the message has {bytes}");
            return Err(BrokerError::full("queue-bytes-max", queue_bytes_max, &what));
        }
        Ok(())
    }
}
