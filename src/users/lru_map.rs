//! A bounded map, in which what was not touched for longest makes room.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// At most so many entries.
#[derive(Debug)]
pub(super) struct LruMap<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Every touch in its order; only an entry's last one counts.
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
    /// Room for `max`; with 0 it stays empty.
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

    /// Puts the entry in, or another value into it, and touches it.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.max == 0 {
            return;
        }
        self.next += 1;
        self.touches.push_back((self.next, key.clone()));
        self.entries.insert(key, Entry { touched: self.next, value });
        if self.entries.len() > self.max {
            self.make_room();
        }
        if self.touches.len() > 2 * self.max {
            self.forget_touches();
        }
    }

    /// Touches the entry; whether it is there.
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

    fn make_room(&mut self) {
        while let Some((touched, key)) = self.touches.pop_front() {
            if self.entries.get(&key).is_some_and(|entry| entry.touched == touched) {
                self.entries.remove(&key);
                return;
            }
        }
    }

    /// All but the last of each entry: as much work as there were touches since the last time.
    fn forget_touches(&mut self) {
        let entries = &self.entries;
        self.touches.retain(|(touched, key)| entries.get(key).is_some_and(|entry| entry.touched == *touched));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(recent: &LruMap<u32, ()>) -> Vec<u32> {
        let mut keys: Vec<u32> = recent.entries.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn the_least_recently_touched_makes_room() {
        let mut recent = LruMap::new(3);
        for key in [1, 2, 3] {
            recent.insert(key, ());
        }
        assert!(recent.touch(&1));
        recent.insert(4, ());
        assert_eq!(keys(&recent), [1, 3, 4]);
        recent.remove(&3);
        recent.insert(5, ());
        assert_eq!(keys(&recent), [1, 4, 5]);
        recent.insert(3, ());
        assert_eq!(keys(&recent), [3, 4, 5]);
        assert!(!recent.touch(&1) && recent.get(&1).is_none() && recent.get(&5).is_some());
    }

    #[test]
    fn many_touches_take_no_more_room() {
        let mut recent = LruMap::new(2);
        recent.insert(1, ());
        recent.insert(2, ());
        for _ in 0..1000 {
            assert!(recent.touch(&1));
            assert!(recent.touches.len() <= 4);
        }
        recent.insert(3, ());
        assert_eq!(keys(&recent), [1, 3]);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let mut recent = LruMap::new(0);
        recent.insert(1, ());
        assert!(recent.len() == 0 && recent.touches.is_empty());
    }
}
