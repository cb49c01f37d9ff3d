//! The subscriptions of a session, by the client's name for them and by ours.

use super::Rejection;
use super::unsettled::{AckScope, Unsettled};
use crate::budget::allocation;
use crate::destination::Selector;
use crate::outbound_queue::Key;

/// How deliveries of a subscription are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// When they are written.
    Auto,
    /// By the client.
    Client(AckScope),
}

impl Mode {
    /// Parses `ack`; every version knows every mode here.
    pub(super) fn parse(value: Option<&str>) -> Result<Mode, Rejection> {
        match value {
            None | Some("auto") => Ok(Mode::Auto),
            Some("client") => Ok(Mode::Client(AckScope::Cumulative)),
            Some("client-individual") => Ok(Mode::Client(AckScope::One)),
            Some(other) => Err(Rejection::ack_mode(other)),
        }
    }
}

/// The client's name for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name<'a> {
    /// Its id.
    Id(&'a str),
    /// Its destination, as 1.0 allows.
    Destination(&'a str),
}

impl<'a> Name<'a> {
    /// The text alone.
    pub(super) fn text(self) -> &'a str {
        let (Name::Id(text) | Name::Destination(text)) = self;
        text
    }
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) key: Key,
    /// `None` in 1.0, where the destination may be the name.
    pub(super) id: Option<Box<str>>,
    /// As given on SUBSCRIBE; kept for 1.0 only.
    pub(super) destination: Option<Box<str>>,
    pub(super) mode: Mode,
    /// To what, if that is a matter of permission.
    pub(super) selector: Option<Selector>,
    /// The local name of the temporary queue, if it is one.
    pub(super) temp: Option<Box<str>>,
    pub(super) unsettled: Unsettled,
}

impl Subscription {
    /// The client's name for it.
    pub(super) fn name(&self) -> Name<'_> {
        match &self.id {
            Some(id) => Name::Id(id),
            None => Name::Destination(self.destination.as_deref().unwrap_or_default()),
        }
    }

    /// Returns the bytes of the texts that are not shared with the broker.
    fn texts_bytes(&self) -> u32 {
        let texts = [&self.id, &self.destination, &self.temp];
        texts.into_iter().flatten().map(|text| text_bytes(text)).sum()
    }
}

/// Capacity below which no memory is given back.
const SMALL: usize = 16;

/// All of them. A hash table would cost an idle session more than these two lists.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// By ascending key.
    list: Vec<Subscription>,
    /// Keys by ascending name.
    names: Vec<Key>,
    last_key: Key,
    /// Bytes of the client's names; subscription-bytes-max keeps them far below 4 GiB.
    texts_bytes: u32,
    /// The memory of unsettled deliveries.
    unsettled_bytes: usize,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Memory of the lists and of the client's names.
    pub(super) fn bytes(&self) -> usize {
        allocation(self.list.capacity() * size_of::<Subscription>())
            + allocation(self.names.capacity() * size_of::<Key>())
            + self.texts_bytes as usize
    }

    /// Counts the name of a temporary queue.
    pub(super) fn add_text(&mut self, text: &str) {
        self.texts_bytes += text_bytes(text);
    }

    /// No longer counts the name of a temporary queue.
    pub(super) fn remove_text(&mut self, text: &str) {
        self.texts_bytes -= text_bytes(text);
    }

    /// Memory of unsettled deliveries.
    pub(super) fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.list.iter()
    }

    /// A key that was never used.
    pub(super) fn next_key(&mut self) -> Result<Key, Rejection> {
        self.last_key = self.last_key.checked_add(1).ok_or_else(Rejection::subscription_keys)?;
        Ok(self.last_key)
    }

    /// Adds one whose key is the newest and whose name is not in use.
    pub(super) fn insert(&mut self, subscription: Subscription) {
        if let Err(at) = self.place(subscription.name()) {
            grow(&mut self.names);
            self.names.insert(at, subscription.key);
            grow(&mut self.list);
            self.texts_bytes += subscription.texts_bytes();
            self.unsettled_bytes += subscription.unsettled.held_bytes();
            self.list.push(subscription);
        }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Subscription> {
        let at = self.index(key)?;
        if let Ok(place) = self.place(self.list[at].name()) {
            self.names.remove(place);
        }
        let subscription = self.list.remove(at);
        self.texts_bytes -= subscription.texts_bytes();
        self.unsettled_bytes -= subscription.unsettled.held_bytes();
        self.shrink();
        Some(subscription)
    }

    pub(super) fn get(&self, key: Key) -> Option<&Subscription> {
        self.index(key).map(|at| &self.list[at])
    }

    /// Lets `act` change a subscription, but for its name.
    pub(super) fn change<T>(&mut self, key: Key, act: impl FnOnce(&mut Subscription) -> T) -> Option<T> {
        let at = self.index(key)?;
        let subscription = &mut self.list[at];
        let before = subscription.unsettled.held_bytes();
        let done = act(subscription);
        self.unsettled_bytes = self.unsettled_bytes - before + subscription.unsettled.held_bytes();
        Some(done)
    }

    pub(super) fn named(&self, name: Name<'_>) -> Option<&Subscription> {
        self.place(name).ok().and_then(|at| self.get(self.names[at]))
    }

    /// The subscription that an UNSUBSCRIBE of 1.0 without an id ends: the one without an id, else the only one.
    pub(super) fn to(&self, destination: &str) -> Result<Option<&Subscription>, Rejection> {
        if let Some(subscription) = self.named(Name::Destination(destination)) {
            return Ok(Some(subscription));
        }
        let mut all = self.list.iter().filter(|one| one.destination.as_deref() == Some(destination));
        match (all.next(), all.next()) {
            (Some(_), Some(_)) => Err(Rejection::ambiguous_unsubscribe(destination)),
            (only, _) => Ok(only),
        }
    }

    /// Gives back the memory of subscriptions that have ended.
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

    fn place(&self, name: Name<'_>) -> Result<usize, usize> {
        self.names.binary_search_by(|&key| match self.get(key) {
            Some(subscription) => subscription.name().cmp(&name),
            None => std::cmp::Ordering::Less,
        })
    }
}

/// Returns the bytes of a name; frames bound its length.
fn text_bytes(text: &str) -> u32 {
    u32::try_from(allocation(text.len())).unwrap_or(u32::MAX)
}

/// By half, and by one at first: most sessions have one subscription.
fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 2 + 1);
    }
}
