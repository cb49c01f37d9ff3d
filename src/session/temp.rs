//! A session's own queues: `/temp-queue/NAME` is an address that others may send to.

use super::{Options, Rejection};
use crate::budget::btree_allocation;
use crate::destination::{Destination, Kind};
use crate::outbound_queue::Key;
use std::collections::BTreeMap;

/// Addresses start with this; names of a client's own choice do not.
const ADDRESS_MARK: char = '~';

/// One temporary queue, open until the session ends.
#[derive(Debug)]
pub(super) struct Temp {
    pub(super) address: Destination,
    /// Subscriptions of this session to it.
    pub(super) subscribers: usize,
    /// The one that `reply-to` made.
    pub(super) implicit: Option<Key>,
    /// The subscription that the queue was opened for; without it the queue does not exist.
    opener: Key,
}

/// All of them, by the session's names for them.
#[derive(Debug, Default)]
pub(super) struct TempQueues {
    by_name: BTreeMap<Box<str>, Temp>,
}

impl TempQueues {
    pub(super) fn get(&self, name: &str) -> Option<&Temp> {
        self.by_name.get(name)
    }

    /// Whether one of them has this address.
    pub(super) fn has(&self, address: &Destination) -> bool {
        self.by_name.values().any(|temp| temp.address == *address)
    }

    /// Whether one more may be opened.
    pub(super) fn admit(&self, name: &str, options: &Options) -> Result<(), Rejection> {
        if self.by_name.len() >= options.temp_queues_max && self.get(name).is_none() {
            return Err(Rejection::temp_queues(options.temp_queues_max));
        }
        Ok(())
    }

    /// Opens a queue at the address that was created for it, for a subscription.
    pub(super) fn open(&mut self, name: &str, address: Destination, opener: Key) {
        self.by_name.insert(name.into(), Temp { address, subscribers: 0, implicit: None, opener });
    }

    /// Removes the queue that was opened for a refused subscription, and returns its name.
    pub(super) fn refused(&mut self, key: Key) -> Option<Box<str>> {
        let (name, _) = self.by_name.iter().find(|(_, temp)| temp.opener == key)?;
        let name = name.clone();
        self.by_name.remove(&name);
        Some(name)
    }

    /// Memory of the list, without the names.
    pub(super) fn bytes(&self) -> usize {
        btree_allocation(self.by_name.len(), size_of::<(Box<str>, Temp)>())
    }

    /// A subscription to it has begun.
    pub(super) fn subscribed(&mut self, name: &str, key: Key, implicit: bool) {
        if let Some(temp) = self.by_name.get_mut(name) {
            temp.subscribers += 1;
            temp.implicit = if implicit { Some(key) } else { temp.implicit };
        }
    }

    /// A subscription to it has ended.
    pub(super) fn unsubscribed(&mut self, name: &str, key: Key) {
        if let Some(temp) = self.by_name.get_mut(name) {
            temp.subscribers -= 1;
            temp.implicit = temp.implicit.filter(|&implicit| implicit != key);
        }
    }
}

/// What a destination is to this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TempDestination<'a> {
    /// A temporary queue, by a name of this session's own.
    Own(&'a str),
    /// A temporary queue, by the address that somebody told.
    Address,
    /// Anything else.
    Elsewhere,
}

impl TempDestination<'_> {
    pub(super) fn of(destination: &Destination) -> TempDestination<'_> {
        match destination.kind() {
            Kind::TempQueue if destination.name().starts_with(ADDRESS_MARK) => TempDestination::Address,
            Kind::TempQueue => TempDestination::Own(destination.name()),
            _ => TempDestination::Elsewhere,
        }
    }
}
