//! A queue's backlog, divided by who may have a message.
//!
//! ```text
//!   common   for every consumer: text; as long as the queue is not sorted, everything
//!   binary   bodies that are not UTF-8: not for consumers that are text only
//! ```
//!
//! A queue is sorted when its first text-only consumer comes, and stays so. Until then nobody looks into bodies, and
//! the binary partition is empty; from then on nobody has to pass over a long row of what he may not have. Positions run
//! through both partitions, so that who may have everything gets the lower of the two lowest.

use super::backlog::{Backlog, BacklogPosition, BackoffScope, Item};
use crate::outbound_queue::Tag;
use crate::work;
use std::time::Instant;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PartitionedBacklog {
    common: Backlog,
    binary: Backlog,
    sorted: bool,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partition {
    Common,
    Binary,
}

/// Where a message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryRef {
    partition: Partition,
    place: BacklogPosition,
}

impl PartitionedBacklog {
    /// A new message, behind all others.
    pub(super) fn push(&mut self, item: Item) {
        self.partition_of(&item).push(item);
    }

    /// Back to its place, for anybody at once.
    pub(super) fn requeue(&mut self, item: Item) {
        self.partition_of(&item).requeue(item);
    }

    /// Back to its place, but not for `holder` before `due`.
    pub(super) fn hold(&mut self, item: Item, holder: BackoffScope, due: Instant) {
        self.partition_of(&item).hold(item, holder, due);
    }

    /// What is due by `now` is ready.
    pub(super) fn promote(&mut self, now: Instant) {
        self.common.promote(now);
        self.binary.promote(now);
    }

    /// When the next held message becomes ready.
    pub(super) fn next_due(&self) -> Option<Instant> {
        [self.common.next_due(), self.binary.next_due()].into_iter().flatten().min()
    }

    /// The backlog of one partition.
    pub(super) fn backlog(&self, partition: Partition) -> &Backlog {
        match partition {
            Partition::Common => &self.common,
            Partition::Binary => &self.binary,
        }
    }

    /// The oldest of all, held or not.
    pub(super) fn oldest(&self) -> Option<EntryRef> {
        let oldest = |partition| Some(EntryRef { partition, place: self.backlog(partition).oldest()? });
        let both = [oldest(Partition::Common), oldest(Partition::Binary)];
        both.into_iter().flatten().min_by_key(|&spot| self.position(spot))
    }

    /// What lies there.
    pub(super) fn get(&self, spot: EntryRef) -> &Item {
        self.backlog(spot.partition).get(spot.place)
    }

    /// Takes it out.
    pub(super) fn take(&mut self, spot: EntryRef) -> Item {
        match spot.partition {
            Partition::Common => self.common.take(spot.place),
            Partition::Binary => self.binary.take(spot.place),
        }
    }

    /// Takes out any message.
    pub(super) fn take_any(&mut self) -> Option<Item> {
        self.common.take_any().or_else(|| self.binary.take_any())
    }

    /// Messages on both.
    pub(super) fn len(&self) -> usize {
        self.common.len() + self.binary.len()
    }

    /// Whether something lies on the binary partition.
    pub(super) fn has_binary(&self) -> bool {
        self.binary.len() > 0
    }

    /// Takes out all of the binary partition, by position.
    pub(super) fn take_binary(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.binary).into_items()
    }

    /// From now on what is not text lies by itself. Looks into all bodies the first time, and does nothing later.
    pub(super) fn sort(&mut self) {
        if !self.sorted {
            self.sorted = true;
            work::add(self.common.len());
            self.binary = self.common.split_off(|item| !item.message.is_text());
        }
    }

    fn position(&self, spot: EntryRef) -> Tag {
        self.get(spot).position
    }

    fn partition_of(&mut self, item: &Item) -> &mut Backlog {
        if self.sorted && !item.message.is_text() { &mut self.binary } else { &mut self.common }
    }
}

impl EntryRef {
    /// A place on a partition.
    pub(super) fn new(partition: Partition, place: BacklogPosition) -> EntryRef {
        EntryRef { partition, place }
    }
}
