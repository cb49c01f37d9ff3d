//! Timers of queues (redelivery after a backoff) and of presence trackers (the next report).

use parking_lot::Mutex;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// All timers of one type of owner. An owner sets a timer only if it is earlier than all of its other timers. Each
/// owner therefore has few timers: no more than there are steps between the shortest and the longest wait.
#[derive(Debug)]
pub(super) struct TimerQueue<T> {
    heap: Mutex<BinaryHeap<TimerEntry<T>>>,
}

#[derive(Debug)]
struct TimerEntry<T> {
    at: Instant,
    owner: Weak<T>,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> TimerQueue<T> {
        TimerQueue { heap: Mutex::default() }
    }
}

impl<T> TimerQueue<T> {
    /// Sets a timer of `owner` for `at`.
    pub(super) fn set(&self, at: Instant, owner: Weak<T>) {
        self.heap.lock().push(TimerEntry { at, owner });
    }

    /// Removes and returns the timers that are due, the earliest first. Timers whose owner has been dropped are
    /// skipped.
    pub(super) fn due(&self, now: Instant) -> Vec<(Instant, Arc<T>)> {
        let mut heap = self.heap.lock();
        let mut due = Vec::new();
        while heap.peek().is_some_and(|timer| timer.at <= now) {
            let timer = heap.pop().expect("the heap is not empty");
            due.extend(timer.owner.upgrade().map(|owner| (timer.at, owner)));
        }
        if heap.is_empty() {
            *heap = BinaryHeap::new();
        }
        due
    }

    /// Returns the time of the next timer.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.lock().peek().map(|timer| timer.at)
    }

    /// Returns the number of timers that are set.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.lock().len()
    }
}

/// Orders by time in reverse: the greatest entry of the heap is the earliest.
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
