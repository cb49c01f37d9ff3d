//! Temporary queues of a client. The client itself refers to a queue as `/temp-queue/NAME`. Other clients can send
//! to the queue only if they know its unguessable address.

use crate::budget::btree_allocation;
use crate::destination::{Destination, DestinationKind};
use crate::outbound_queue::Key;
use crate::rejection::Rejection;
use std::collections::BTreeMap;

/// The first character of an address. A name that a client chooses does not start with it.
const ADDRESS_MARK: char = '~';

/// A temporary queue. It is open until the session ends.
#[derive(Debug)]
pub(super) struct SessionTempQueue {
    pub(super) address: Destination,
    /// Number of this client's subscriptions to the queue.
    pub(super) subscribers: usize,
    /// The implicit subscription, which exists because of a `reply-to`.
    pub(super) implicit: Option<Key>,
    /// The subscription for which the queue was opened. If the broker rejects it, the session removes the queue.
    opener: Key,
}

/// The temporary queues of a client, by the client's own names.
#[derive(Debug, Default)]
pub(super) struct TempQueues {
    by_name: BTreeMap<Box<str>, SessionTempQueue>,
}

impl TempQueues {
    pub(super) fn get(&self, name: &str) -> Option<&SessionTempQueue> {
        self.by_name.get(name)
    }

    /// Returns whether one of the queues has this address.
    pub(super) fn has_address(&self, address: &Destination) -> bool {
        self.by_name.values().any(|temp| temp.address == *address)
    }

    /// Checks that the queue is open already, or that `max` allows another queue.
    pub(super) fn check_capacity(&self, name: &str, max: usize) -> Result<(), Rejection> {
        if self.by_name.len() >= max && self.get(name).is_none() {
            return Err(Rejection::temp_queues(max));
        }
        Ok(())
    }

    /// Opens a queue with the given address, for the subscription `opener`.
    pub(super) fn open(&mut self, name: &str, address: Destination, opener: Key) {
        self.by_name
            .insert(name.into(), SessionTempQueue { address, subscribers: 0, implicit: None, opener });
    }

    /// Removes the queue that was opened for the rejected subscription `key`, and returns its name.
    pub(super) fn remove_opened_for(&mut self, key: Key) -> Option<Box<str>> {
        let (name, _) = self.by_name.iter().find(|(_, temp)| temp.opener == key)?;
        let name = name.clone();
        self.by_name.remove(&name);
        Some(name)
    }

    /// Returns the memory of the map in bytes, without the names.
    pub(super) fn bytes(&self) -> usize {
        btree_allocation(self.by_name.len(), size_of::<(Box<str>, SessionTempQueue)>())
    }

    /// Records that a subscription to the queue has begun.
    pub(super) fn subscribed(&mut self, name: &str, key: Key, implicit: bool) {
        if let Some(temp) = self.by_name.get_mut(name) {
            temp.subscribers += 1;
            temp.implicit = if implicit { Some(key) } else { temp.implicit };
        }
    }

    /// Records that a subscription to the queue has ended.
    pub(super) fn unsubscribed(&mut self, name: &str, key: Key) {
        if let Some(temp) = self.by_name.get_mut(name) {
            temp.subscribers -= 1;
            temp.implicit = temp.implicit.filter(|&implicit| implicit != key);
        }
    }
}

/// A destination as a client sees it: one of its temporary queues, an address, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TempDestination<'a> {
    /// A temporary queue of the session. The value is the client's own name of it.
    Own(&'a str),
    /// A temporary queue of any client, by its address.
    Address,
    /// A destination that is not a temporary queue.
    Other,
}

impl TempDestination<'_> {
    pub(super) fn of(destination: &Destination) -> TempDestination<'_> {
        match destination.kind() {
            DestinationKind::TempQueue if destination.name().starts_with(ADDRESS_MARK) => {
                TempDestination::Address
            }
            DestinationKind::TempQueue => TempDestination::Own(destination.name()),
            _ => TempDestination::Other,
        }
    }
}
