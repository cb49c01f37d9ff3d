//! When which queue or room wants to be looked after: redelivery after back-off, presence to tell.

use parking_lot::Mutex;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// All alarms of one sort. Whoever wants one sets it when something is due earlier than all that it has set, so that it
/// has few: no more than there are steps between the shortest wait and the longest.
#[derive(Debug)]
pub(super) struct Alarms<T> {
    heap: Mutex<BinaryHeap<Alarm<T>>>,
}

#[derive(Debug)]
struct Alarm<T> {
    at: Instant,
    whose: Weak<T>,
}

impl<T> Default for Alarms<T> {
    fn default() -> Alarms<T> {
        Alarms { heap: Mutex::default() }
    }
}

impl<T> Alarms<T> {
    /// Rings at `at`.
    pub(super) fn set(&self, at: Instant, whose: Weak<T>) {
        self.heap.lock().push(Alarm { at, whose });
    }

    /// Takes out what is due, the earliest first. What has gone is left out.
    pub(super) fn due(&self, now: Instant) -> Vec<(Instant, Arc<T>)> {
        let mut heap = self.heap.lock();
        let mut due = Vec::new();
        while heap.peek().is_some_and(|alarm| alarm.at <= now) {
            let alarm = heap.pop().expect("one was seen");
            due.extend(alarm.whose.upgrade().map(|whose| (alarm.at, whose)));
        }
        if heap.is_empty() {
            *heap = BinaryHeap::new();
        }
        due
    }

    /// When the next one rings.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.lock().peek().map(|alarm| alarm.at)
    }

    /// How many are set.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.lock().len()
    }
}

/// The heap's greatest is the earliest.
impl<T> Ord for Alarm<T> {
    fn cmp(&self, other: &Alarm<T>) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl<T> PartialOrd for Alarm<T> {
    fn partial_cmp(&self, other: &Alarm<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Alarm<T> {
    fn eq(&self, other: &Alarm<T>) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Alarm<T> {}
