//! A temporary queue of a session.

use crate::broker::queues::queue::Queue;
use crate::broker::state::BrokerState;
use std::fmt;
use std::sync::Arc;

/// A temporary queue of a session. Dropping it closes the queue and drops its messages.
pub struct TempQueueHandle {
    shared: Arc<BrokerState>,
    queue: Arc<Queue>,
}

impl TempQueueHandle {
    pub(in crate::broker) fn new(shared: Arc<BrokerState>, queue: Arc<Queue>) -> TempQueueHandle {
        TempQueueHandle { shared, queue }
    }

    /// Returns the bytes that the queue takes, without messages and consumers.
    pub fn bytes(&self) -> usize {
        Queue::bytes(self.queue.destination())
    }

    /// Closes the queue and drops at most `max` of its messages. Several calls close a queue of many messages in steps.
    /// Returns whether all messages that are not outstanding have been dropped.
    pub fn close_partly(&self, max: usize) -> bool {
        self.shared.queues.close_temp_partly(&self.queue, max)
    }
}

impl Drop for TempQueueHandle {
    fn drop(&mut self) {
        self.shared.queues.close_temp(&self.queue);
    }
}

impl fmt::Debug for TempQueueHandle {
    /// Formats the queue without its address, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempQueueHandle").finish_non_exhaustive()
    }
}
