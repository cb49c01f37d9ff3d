//! The timers of queues and of presence trackers. A queue sets a timer for redelivery after a backoff, and a presence
//! tracker sets one for its next report.
//!
//! The timers wake no task. The ticker (`server/ticker.rs`) calls [`Broker::expire`](super::Broker::expire) every 10
//! ms, which calls [`TimerQueue::expire`].

use parking_lot::Mutex;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// An object that sets timers.
pub(super) trait TimerOwner: Send + Sync {
    /// Handles the expiry of the timer that was set for `at`.
    fn expire(&self, at: Instant, now: Instant);
}

/// All timers of one type of owner. An owner sets a timer only if it is earlier than all of its other timers. Each
/// owner therefore has only few timers at a time.
#[derive(Debug, Default)]
pub(super) struct TimerQueue {
    heap: Mutex<BinaryHeap<TimerEntry>>,
}

#[derive(Debug)]
struct TimerEntry {
    at: Instant,
    owner: Weak<dyn TimerOwner>,
}

impl TimerQueue {
    /// Sets a timer of `owner` for `at`.
    pub(super) fn set(&self, at: Instant, owner: Weak<dyn TimerOwner>) {
        self.heap.lock().push(TimerEntry { at, owner });
    }

    /// Expires the timers that are due, the earliest first, and skips timers whose owner has been dropped. Returns the
    /// time of the next timer.
    pub(super) fn expire(&self, now: Instant) -> Option<Instant> {
        for (at, owner) in self.take_due(now) {
            owner.expire(at, now);
        }
        self.heap.lock().peek().map(|timer| timer.at)
    }

    fn take_due(&self, now: Instant) -> Vec<(Instant, Arc<dyn TimerOwner>)> {
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

    /// Returns the number of timers that are set.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.lock().len()
    }
}

/// Orders by time in reverse: the greatest entry of the heap is the earliest.
impl Ord for TimerEntry {
    fn cmp(&self, other: &TimerEntry) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for TimerEntry {
    fn partial_cmp(&self, other: &TimerEntry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for TimerEntry {
    fn eq(&self, other: &TimerEntry) -> bool {
        self.at == other.at
    }
}

impl Eq for TimerEntry {}
