//! The memory of a queue, without its messages.

use super::consumer::Consumers;
use super::item::Item;
use crate::broker::context::BrokerContext;
use crate::budget::{Budget, Charge};
use std::sync::Arc;

/// The charges of one queue.
#[derive(Debug)]
pub(crate) struct QueueMemory {
    /// The charge for the lists of messages, without the messages.
    messages: Charge,
    /// The charge for the lists of consumers.
    consumers: Charge,
    /// The charge for the queue itself.
    own: Charge,
}

/// Smallest change in bytes that updates the charge for the lists of messages.
const STEP_BYTES: usize = 16 * 1024;
/// Average number of bytes that a message takes in the lists, including spare capacity.
const ITEM_BYTES: usize = size_of::<Item>() * 3 / 2;

impl QueueMemory {
    /// Creates the charges of a queue whose own memory of `own_bytes` bytes is charged to `budget`.
    pub(crate) fn new(own_bytes: usize, context: &BrokerContext, budget: &Arc<Budget>) -> QueueMemory {
        QueueMemory {
            messages: context.budget.charge(0),
            consumers: context.share.charge(0),
            own: budget.charge(own_bytes),
        }
    }

    /// Adjusts the charge to `count` messages, including outstanding messages.
    pub(crate) fn set_messages(&mut self, count: usize) {
        let (bytes, charged) = (count * ITEM_BYTES, self.messages.bytes());
        if bytes.abs_diff(charged) >= STEP_BYTES || (bytes == 0 && charged > 0) {
            self.messages.resize(bytes);
        }
    }

    /// Charges the queue itself to `budget`, because the queue has no consumers and exists only for its messages.
    /// Otherwise queues without consumers could fill the share of subscriptions. No consumer could then subscribe to
    /// drain them.
    pub(crate) fn charge_to(&mut self, budget: &Arc<Budget>) {
        self.own = budget.charge(self.own.bytes());
    }

    /// Adjusts the charge to `count` consumers.
    pub(crate) fn set_consumers(&mut self, count: usize) {
        self.consumers.resize(Consumers::bytes(count));
    }
}
