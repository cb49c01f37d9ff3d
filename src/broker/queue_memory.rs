//! What a queue costs beside its messages.

use super::backlog::Item;
use super::consumer::Consumers;
use super::ground::Ground;
use super::queue::Queue;
use crate::budget::{Budget, Charge, allocation, shared_allocation, table_entry};
use crate::destination::Destination;
use std::sync::Arc;

/// The charges of one queue.
#[derive(Debug)]
pub(super) struct QueueMemory {
    /// Of lists of messages, beside the messages'.
    messages: Charge,
    /// Of lists of consumers.
    consumers: Charge,
    /// Of the queue itself.
    _own: Charge,
}

/// Lists of messages are charged in steps of so many bytes.
const STEP_BYTES: usize = 16 * 1024;
/// What a message costs in lists: they have room to spare.
const ITEM_BYTES: usize = size_of::<Item>() * 3 / 2;
/// Messages that a new list has room for.
const FIRST_ITEMS: usize = 4;

impl QueueMemory {
    /// What a queue of this name costs: its entry in the map and the first list of messages, but no message.
    pub(super) fn bytes(destination: &Destination) -> usize {
        shared_allocation(size_of::<Queue>())
            + shared_allocation(destination.as_str().len())
            + table_entry(size_of::<(Arc<str>, Arc<Queue>)>())
            + allocation(FIRST_ITEMS * size_of::<Item>())
    }

    /// Of a queue whose own memory is charged to `payer`.
    pub(super) fn new(destination: &Destination, ground: &Ground, payer: &Arc<Budget>) -> QueueMemory {
        QueueMemory {
            messages: ground.budget.charge(0),
            consumers: ground.share.charge(0),
            _own: payer.charge(QueueMemory::bytes(destination)),
        }
    }

    /// There are `count` messages, those given out included.
    pub(super) fn set_messages(&mut self, count: usize) {
        let (bytes, charged) = (count * ITEM_BYTES, self.messages.bytes());
        if bytes.abs_diff(charged) >= STEP_BYTES || (bytes == 0 && charged > 0) {
            self.messages.resize(bytes);
        }
    }

    /// There are `count` consumers.
    pub(super) fn set_consumers(&mut self, count: usize) {
        self.consumers.resize(Consumers::bytes(count));
    }
}
