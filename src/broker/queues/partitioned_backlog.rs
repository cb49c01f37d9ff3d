//! The backlog of a queue, partitioned by the kind of consumers that can take a message.
//!
//! ```text
//!   common   every consumer can take them: text, or all messages while the queue is not partitioned
//!   binary   text-only consumers cannot take them: bodies that are not UTF-8
//! ```
//!
//! A queue is partitioned when its first text-only consumer subscribes, and stays partitioned. Before this, bodies are
//! not inspected and the binary partition is empty. Without the partitions, a text-only consumer would have to skip
//! long sequences of messages that it cannot take. Positions are unique over both partitions. A consumer that can take
//! every message gets the message with the lowest position.

use super::backlog::{Backlog, BacklogLocation, BackoffScope};
use super::item::Item;
use crate::outbound_queue::Tag;
use crate::work;
use std::time::Instant;

/// A backlog with a common and a binary partition.
#[derive(Debug, Default)]
pub(crate) struct PartitionedBacklog {
    common: Backlog,
    binary: Backlog,
    is_partitioned: bool,
}

/// One of the two partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partition {
    Common,
    Binary,
}

/// The location of a message: its partition, and its location in the backlog of this partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryRef {
    partition: Partition,
    location: BacklogLocation,
}

impl PartitionedBacklog {
    /// Adds a new message, behind all others.
    pub(crate) fn push(&mut self, item: Item) {
        self.partition_of(&item).push(item);
    }

    /// Requeues a message at its position. Every consumer that can take it can get it at once.
    pub(crate) fn requeue(&mut self, item: Item) {
        self.partition_of(&item).requeue(item);
    }

    /// Requeues a message at its position. The consumers in `scope` cannot get it before `due`.
    pub(crate) fn delay(&mut self, item: Item, scope: BackoffScope, due: Instant) {
        self.partition_of(&item).delay(item, scope, due);
    }

    /// Makes delayed messages ready if their backoff is over at `now`.
    pub(crate) fn promote(&mut self, now: Instant) {
        self.common.promote(now);
        self.binary.promote(now);
    }

    /// Returns the time at which the next delayed message becomes ready.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        [self.common.next_due(), self.binary.next_due()].into_iter().flatten().min()
    }

    /// Returns the backlog of one partition.
    pub(crate) fn backlog(&self, partition: Partition) -> &Backlog {
        match partition {
            Partition::Common => &self.common,
            Partition::Binary => &self.binary,
        }
    }

    /// Returns the oldest message of both partitions, delayed or not.
    pub(crate) fn oldest(&self) -> Option<EntryRef> {
        let oldest = |partition| Some(EntryRef { partition, location: self.backlog(partition).oldest()? });
        let both = [oldest(Partition::Common), oldest(Partition::Binary)];
        both.into_iter().flatten().min_by_key(|&entry| self.position(entry))
    }

    /// Returns the message at this location.
    pub(crate) fn get(&self, entry: EntryRef) -> &Item {
        self.backlog(entry.partition).get(entry.location)
    }

    /// Removes and returns the message at this location.
    pub(crate) fn take(&mut self, entry: EntryRef) -> Item {
        match entry.partition {
            Partition::Common => self.common.take(entry.location),
            Partition::Binary => self.binary.take(entry.location),
        }
    }

    /// Removes and returns any message.
    pub(crate) fn take_any(&mut self) -> Option<Item> {
        self.common.take_any().or_else(|| self.binary.take_any())
    }

    /// Returns the number of messages in both partitions.
    pub(crate) fn len(&self) -> usize {
        self.common.len() + self.binary.len()
    }

    /// Returns whether the binary partition contains messages.
    pub(crate) fn has_binary(&self) -> bool {
        self.binary.len() > 0
    }

    /// Removes and returns all messages of the binary partition, in the order of their positions.
    pub(crate) fn take_binary(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.binary).into_items()
    }

    /// Partitions the backlog: messages that are not text move to the binary partition, and later ones are added there.
    /// The first call inspects all bodies. Later calls do nothing.
    pub(crate) fn partition_by_text(&mut self) {
        if !self.is_partitioned {
            self.is_partitioned = true;
            work::add(self.common.len());
            self.binary = self.common.split_off(|item| !item.message.is_text());
        }
    }

    fn position(&self, entry: EntryRef) -> Tag {
        self.get(entry).position
    }

    fn partition_of(&mut self, item: &Item) -> &mut Backlog {
        if self.is_partitioned && !item.message.is_text() { &mut self.binary } else { &mut self.common }
    }
}

impl EntryRef {
    pub(crate) fn new(partition: Partition, location: BacklogLocation) -> EntryRef {
        EntryRef { partition, location }
    }
}
