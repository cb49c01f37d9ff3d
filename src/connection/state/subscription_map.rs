//! A map keyed by the subscriptions of a connection.

use crate::budget::allocation;
use crate::outbound_queue::Key;

/// A map of at most this capacity, in entries, does not shrink until it is empty.
const SHRINK_CAPACITY_MIN: usize = 16;

/// A map from the keys of subscriptions to values, stored as a sorted list. Most connections have few subscriptions,
/// and a hash table would take more memory than the subscriptions themselves. Keys are assigned in ascending order, so
/// that a new entry is usually added at the end.
#[derive(Debug)]
pub(crate) struct SubscriptionMap<T> {
    entries: Vec<(Key, T)>,
}

impl<T> Default for SubscriptionMap<T> {
    fn default() -> SubscriptionMap<T> {
        SubscriptionMap { entries: Vec::new() }
    }
}

impl<T> SubscriptionMap<T> {
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.position(key).ok().map(|at| &self.entries[at].1)
    }

    /// Inserts a value, and replaces an earlier value for the same key.
    pub(crate) fn insert(&mut self, key: Key, value: T) {
        if self.entries.len() == self.entries.capacity() {
            // The capacity grows by half and one entry.
            self.entries.reserve_exact(self.entries.len() / 2 + 1);
        }
        match self.position(key) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) => self.entries.insert(at, (key, value)),
        }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let at = self.position(key).ok()?;
        let (_, value) = self.entries.remove(at);
        if self.entries.is_empty() {
            self.entries = Vec::new();
        } else if self.entries.capacity() > SHRINK_CAPACITY_MIN
            && self.entries.len() < self.entries.capacity() / 4
        {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        Some(value)
    }

    /// Removes and returns the value with the lowest key.
    pub(crate) fn pop_first(&mut self) -> Option<T> {
        let first = self.entries.first()?.0;
        self.remove(first)
    }

    pub(crate) fn retain(&mut self, is_kept: impl Fn(Key) -> bool) {
        self.entries.retain(|(key, _)| is_kept(*key));
    }

    /// Moves the entries with a key that `is_moved` accepts to another map.
    pub(crate) fn move_to(&mut self, other: &mut SubscriptionMap<T>, is_moved: impl Fn(Key) -> bool) {
        let (moved, kept) =
            std::mem::take(&mut self.entries).into_iter().partition(|(key, _)| is_moved(*key));
        self.entries = kept;
        let moved: Vec<(Key, T)> = moved;
        moved.into_iter().for_each(|(key, value)| other.insert(key, value));
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Returns the memory that the list takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        allocation(self.entries.capacity() * size_of::<(Key, T)>())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, key: Key) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&key, |(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn subscription_map_behaves_like_a_btree_map(steps in prop::collection::vec((0u32..20, 0u8..5), 0..100)) {
            let (mut map, mut model) = (SubscriptionMap::default(), BTreeMap::new());
            for (at, (key, step)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        map.insert(key, at);
                        model.insert(key, at);
                    }
                    2 => prop_assert_eq!(map.remove(key), model.remove(&key)),
                    3 => prop_assert_eq!(map.pop_first(), model.pop_first().map(|(_, value)| value)),
                    _ => {
                        map.retain(|other_key| other_key % 3 != key % 3);
                        model.retain(|other_key, _| other_key % 3 != key % 3);
                        let mut other = SubscriptionMap::default();
                        map.move_to(&mut other, |other_key| other_key % 2 == key % 2);
                        let moved = model.iter().filter(|(other_key, _)| *other_key % 2 == key % 2);
                        prop_assert!(other.values().eq(moved.map(|(_, value)| value)));
                        other.move_to(&mut map, |_| true);
                        prop_assert!(other.is_empty());
                    }
                }
                prop_assert_eq!(map.get(key), model.get(&key));
                prop_assert_eq!(map.is_empty(), model.is_empty());
                prop_assert!(map.values().eq(model.values()));
            }
        }
    }
}
