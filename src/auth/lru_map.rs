//! A bounded map that evicts the least recently used entry.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A map of at most `max` entries.
#[derive(Debug)]
pub(super) struct LruMap<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Every use in order; only the last one of each entry counts.
    touches: VecDeque<(u64, K)>,
    next: u64,
    max: usize,
}

#[derive(Debug)]
struct Entry<V> {
    touched: u64,
    value: V,
}

impl<K: Hash + Eq + Clone, V> LruMap<K, V> {
    /// Creates a map for `max` entries; with 0 it stays empty.
    pub(super) fn new(max: usize) -> LruMap<K, V> {
        LruMap { entries: HashMap::new(), touches: VecDeque::new(), next: 0, max }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// Returns the value without counting this as a use.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// Inserts or replaces the value, and counts this as a use.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.max == 0 {
            return;
        }
        self.next += 1;
        self.touches.push_back((self.next, key.clone()));
        self.entries.insert(key, Entry { touched: self.next, value });
        if self.entries.len() > self.max {
            self.evict_one();
        }
        if self.touches.len() > 2 * self.max {
            self.forget_touches();
        }
    }

    /// Counts a use of the entry, and returns whether it is present.
    pub(super) fn touch(&mut self, key: &K) -> bool {
        match self.entries.remove(key) {
            Some(entry) => {
                self.insert(key.clone(), entry.value);
                true
            }
            None => false,
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|entry| entry.value)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn evict_one(&mut self) {
        while let Some((touched, key)) = self.touches.pop_front() {
            if self.entries.get(&key).is_some_and(|entry| entry.touched == touched) {
                self.entries.remove(&key);
                return;
            }
        }
    }

    /// Removes all uses but the last of each entry. The work is proportional to the number of uses since the last call.
    fn forget_touches(&mut self) {
        let entries = &self.entries;
        self.touches.retain(|(touched, key)| entries.get(key).is_some_and(|entry| entry.touched == *touched));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(map: &LruMap<u32, ()>) -> Vec<u32> {
        let mut keys: Vec<u32> = map.entries.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn least_recently_used_key_is_evicted() {
        let mut map = LruMap::new(3);
        for key in [1, 2, 3] {
            map.insert(key, ());
        }
        assert!(map.touch(&1));
        map.insert(4, ());
        assert_eq!(keys(&map), [1, 3, 4]);
        map.remove(&3);
        map.insert(5, ());
        assert_eq!(keys(&map), [1, 4, 5]);
        map.insert(3, ());
        assert_eq!(keys(&map), [3, 4, 5]);
        assert!(!map.touch(&1) && map.get(&1).is_none() && map.get(&5).is_some());
    }

    #[test]
    fn repeated_touches_use_bounded_memory() {
        let mut map = LruMap::new(2);
        map.insert(1, ());
        map.insert(2, ());
        for _ in 0..1000 {
            assert!(map.touch(&1));
            assert!(map.touches.len() <= 4);
        }
        map.insert(3, ());
        assert_eq!(keys(&map), [1, 3]);
    }

    #[test]
    fn map_with_capacity_zero_stays_empty() {
        let mut map = LruMap::new(0);
        map.insert(1, ());
        assert!(map.len() == 0 && map.touches.is_empty());
    }
}
