//! The subscriptions of a session. A subscription has a key from the session and a name from the client.

use super::unsettled::{AckScope, Unsettled};
use crate::budget::allocation;
use crate::destination::Selector;
use crate::outbound_queue::Key;
use crate::rejection::Rejection;

/// The way in which deliveries of a subscription are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckMode {
    /// The broker settles a delivery when it is written.
    Auto,
    /// The client settles a delivery with ACK or NACK.
    Client(AckScope),
}

impl AckMode {
    /// Parses the header `ack`. All versions may use all modes.
    pub(super) fn parse(value: Option<&str>) -> Result<AckMode, Rejection> {
        match value {
            None | Some("auto") => Ok(AckMode::Auto),
            Some("client") => Ok(AckMode::Client(AckScope::Cumulative)),
            Some("client-individual") => Ok(AckMode::Client(AckScope::One)),
            Some(other) => Err(Rejection::ack_mode(other)),
        }
    }
}

/// The name by which a client refers to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SubscriptionName<'a> {
    /// The `id` of the subscription.
    Id(&'a str),
    /// The `destination` of the subscription. In STOMP 1.0, it is the name of a subscription without an `id`.
    Destination(&'a str),
}

impl<'a> SubscriptionName<'a> {
    /// Returns the id or the destination as text.
    pub(super) fn text(self) -> &'a str {
        let (SubscriptionName::Id(text) | SubscriptionName::Destination(text)) = self;
        text
    }
}

/// A subscription of the session.
#[derive(Debug)]
pub(super) struct SessionSubscription {
    pub(super) key: Key,
    /// The `id`. In STOMP 1.0, `None` if the destination is the name of the subscription.
    pub(super) id: Option<Box<str>>,
    /// The destination as the client sent it. Stored in STOMP 1.0 only.
    pub(super) destination: Option<Box<str>>,
    pub(super) mode: AckMode,
    /// The resolved destination or pattern, for permission checks. `None` for a temporary queue of the session, which
    /// needs no permission.
    pub(super) selector: Option<Selector>,
    /// This session's own name of the temporary queue. `None` for other destinations.
    pub(super) temp: Option<Box<str>>,
    pub(super) unsettled: Unsettled,
}

impl SessionSubscription {
    /// Returns the name by which the client refers to the subscription.
    pub(super) fn name(&self) -> SubscriptionName<'_> {
        match &self.id {
            Some(id) => SubscriptionName::Id(id),
            None => SubscriptionName::Destination(self.destination.as_deref().unwrap_or_default()),
        }
    }

    /// Returns the memory in bytes of the texts that the subscription does not share with the broker.
    fn texts_bytes(&self) -> u32 {
        let texts = [&self.id, &self.destination, &self.temp];
        texts.into_iter().flatten().map(|text| text_bytes(text)).sum()
    }
}

/// Capacity up to which the lists do not shrink.
const SMALL: usize = 16;

/// The subscriptions of a session. In an idle session, two sorted lists take less memory than a hash table.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// The subscriptions in ascending order of their keys.
    list: Vec<SessionSubscription>,
    /// The keys in ascending order of the names of their subscriptions.
    names: Vec<Key>,
    last_key: Key,
    /// Memory in bytes of the names of subscriptions and temporary queues. `subscription-bytes-max` keeps it far below
    /// 4 GiB.
    texts_bytes: u32,
    /// Memory of the records of unsettled deliveries in bytes.
    unsettled_bytes: usize,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the memory in bytes of the lists, and of the names of subscriptions and temporary queues.
    pub(super) fn bytes(&self) -> usize {
        allocation(self.list.capacity() * size_of::<SessionSubscription>())
            + allocation(self.names.capacity() * size_of::<Key>())
            + self.texts_bytes as usize
    }

    /// Adds the name of a temporary queue to the counted memory.
    pub(super) fn add_text(&mut self, text: &str) {
        self.texts_bytes += text_bytes(text);
    }

    /// Removes the name of a temporary queue from the counted memory.
    pub(super) fn remove_text(&mut self, text: &str) {
        self.texts_bytes -= text_bytes(text);
    }

    /// Returns the memory in bytes of the records of unsettled deliveries.
    pub(super) fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SessionSubscription> {
        self.list.iter()
    }

    /// Returns a key that this session has not used before.
    pub(super) fn next_key(&mut self) -> Result<Key, Rejection> {
        self.last_key = self.last_key.checked_add(1).ok_or_else(Rejection::subscription_keys)?;
        Ok(self.last_key)
    }

    /// Adds a subscription. Its key must be the last result of [`Subscriptions::next_key`], and its name must not be in
    /// use.
    pub(super) fn insert(&mut self, subscription: SessionSubscription) {
        if let Err(at) = self.name_position(subscription.name()) {
            grow(&mut self.names);
            self.names.insert(at, subscription.key);
            grow(&mut self.list);
            self.texts_bytes += subscription.texts_bytes();
            self.unsettled_bytes += subscription.unsettled.held_bytes();
            self.list.push(subscription);
        }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<SessionSubscription> {
        let at = self.index(key)?;
        if let Ok(name_position) = self.name_position(self.list[at].name()) {
            self.names.remove(name_position);
        }
        let subscription = self.list.remove(at);
        self.texts_bytes -= subscription.texts_bytes();
        self.unsettled_bytes -= subscription.unsettled.held_bytes();
        self.shrink();
        Some(subscription)
    }

    pub(super) fn get(&self, key: Key) -> Option<&SessionSubscription> {
        self.index(key).map(|at| &self.list[at])
    }

    /// Applies `act` to a subscription and updates the counted memory. `act` must not change the name.
    pub(super) fn change<T>(
        &mut self,
        key: Key,
        act: impl FnOnce(&mut SessionSubscription) -> T,
    ) -> Option<T> {
        let at = self.index(key)?;
        let subscription = &mut self.list[at];
        let before = subscription.unsettled.held_bytes();
        let result = act(subscription);
        self.unsettled_bytes = self.unsettled_bytes - before + subscription.unsettled.held_bytes();
        Some(result)
    }

    pub(super) fn find(&self, name: SubscriptionName<'_>) -> Option<&SessionSubscription> {
        self.name_position(name).ok().and_then(|at| self.get(self.names[at]))
    }

    /// Returns the subscription that a STOMP 1.0 UNSUBSCRIBE without an `id` ends. This is the subscription to
    /// `destination` that has no `id`, or else the only subscription to `destination`. Rejects the frame if there are
    /// several.
    pub(super) fn find_by_destination(
        &self,
        destination: &str,
    ) -> Result<Option<&SessionSubscription>, Rejection> {
        if let Some(subscription) = self.find(SubscriptionName::Destination(destination)) {
            return Ok(Some(subscription));
        }
        let mut all = self.list.iter().filter(|one| one.destination.as_deref() == Some(destination));
        match (all.next(), all.next()) {
            (Some(_), Some(_)) => Err(Rejection::ambiguous_unsubscribe(destination)),
            (only, _) => Ok(only),
        }
    }

    /// Shrinks the lists when most of their capacity is unused.
    fn shrink(&mut self) {
        let len = self.list.len();
        if self.list.capacity() > SMALL && len < self.list.capacity() / 4 {
            self.list.shrink_to(len * 2);
            self.names.shrink_to(len * 2);
        }
    }

    fn index(&self, key: Key) -> Option<usize> {
        self.list.binary_search_by_key(&key, |subscription| subscription.key).ok()
    }

    fn name_position(&self, name: SubscriptionName<'_>) -> Result<usize, usize> {
        self.names.binary_search_by(|&key| match self.get(key) {
            Some(subscription) => subscription.name().cmp(&name),
            None => std::cmp::Ordering::Less,
        })
    }
}

/// Returns the memory of a name in bytes. The limits on frames keep it far below 4 GiB.
fn text_bytes(text: &str) -> u32 {
    u32::try_from(allocation(text.len())).unwrap_or(u32::MAX)
}

/// Grows a full list by half its length plus one. Most sessions have one subscription, so the first capacity is one.
fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 2 + 1);
    }
}
