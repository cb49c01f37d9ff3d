//! When which queue or room wants to be looked after: redelivery after back-off, presence to tell.

use parking_lot::Mutex;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// All timers of one sort. Whoever wants one sets it when something is due earlier than all that it has set, so that it
/// has few: no more than there are steps between the shortest wait and the longest.
#[derive(Debug)]
pub(super) struct TimerQueue<T> {
    heap: Mutex<BinaryHeap<TimerEntry<T>>>,
}

#[derive(Debug)]
struct TimerEntry<T> {
    at: Instant,
    whose: Weak<T>,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> TimerQueue<T> {
        TimerQueue { heap: Mutex::default() }
    }
}

impl<T> TimerQueue<T> {
    /// Rings at `at`.
    pub(super) fn set(&self, at: Instant, whose: Weak<T>) {
        self.heap.lock().push(TimerEntry { at, whose });
    }

    /// Takes out what is due, the earliest first. What has gone is left out.
    pub(super) fn due(&self, now: Instant) -> Vec<(Instant, Arc<T>)> {
        let mut heap = self.heap.lock();
        let mut due = Vec::new();
        while heap.peek().is_some_and(|timer| timer.at <= now) {
            let timer = heap.pop().expect("one was seen");
            due.extend(timer.whose.upgrade().map(|whose| (timer.at, whose)));
        }
        if heap.is_empty() {
            *heap = BinaryHeap::new();
        }
        due
    }

    /// When the next one rings.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.lock().peek().map(|timer| timer.at)
    }

    /// How many are set.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.lock().len()
    }
}

/// The heap's greatest is the earliest.
impl<T> Ord for TimerEntry<T> {
    fn cmp(&self, other: &TimerEntry<T>) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl<T> PartialOrd for TimerEntry<T> {
    fn partial_cmp(&self, other: &TimerEntry<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for TimerEntry<T> {
    fn eq(&self, other: &TimerEntry<T>) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for TimerEntry<T> {}
