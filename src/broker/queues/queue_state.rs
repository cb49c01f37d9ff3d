//! The state that the lock of a queue protects.

use super::consumer::Consumers;
use super::item::Item;
use super::partitioned_backlog::PartitionedBacklog;
use super::queue_memory::QueueMemory;
use super::queue_usage::QueueUsage;
use crate::metrics::Metrics;
use crate::outbound_queue::{Message, Tag};
use std::collections::BTreeSet;
use std::time::Instant;

/// The messages and consumers of a queue, and the counts of both.
#[derive(Debug)]
pub(super) struct QueueState {
    pub(super) backlog: PartitionedBacklog,
    pub(super) consumers: Consumers,
    last_position: Tag,
    /// The usage of all messages, both in the backlog and outstanding.
    pub(super) usage: QueueUsage,
    /// The space that transactions have reserved for messages that they have not added yet.
    pub(super) reserved: QueueUsage,
    /// Times of the running timers. A new timer is started only if it is due before all of them.
    pub(super) timers: BTreeSet<Instant>,
    pub(super) is_closed: bool,
    pub(super) memory: QueueMemory,
}

impl QueueState {
    /// Creates the state of a queue without messages and consumers.
    pub(super) fn new(memory: QueueMemory) -> QueueState {
        QueueState {
            backlog: PartitionedBacklog::default(),
            consumers: Consumers::default(),
            last_position: 0,
            usage: QueueUsage::default(),
            reserved: QueueUsage::default(),
            timers: BTreeSet::new(),
            is_closed: false,
            memory,
        }
    }

    /// Adds a message to the backlog, behind all others. Returns its position.
    pub(super) fn append(&mut self, message: Message, metrics: &Metrics) -> Tag {
        self.last_position += 1;
        self.usage.add(message.size());
        metrics.queue_messages.inc();
        metrics.queue_bytes.inc_by(message.size() as i64);
        self.backlog.push(Item {
            position: self.last_position,
            message,
            sent: 0,
            failed: 0,
            returned_by: None,
        });
        self.last_position
    }

    /// Updates the counts after a message was removed from the queue.
    pub(super) fn count_removed(&mut self, item: &Item, metrics: &Metrics) {
        self.usage.remove(item.message.size());
        metrics.queue_messages.dec();
        metrics.queue_bytes.dec_by(item.message.size() as i64);
    }
}
