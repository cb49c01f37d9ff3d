//! When which queue wants to be looked after: redelivery after back-off.

use super::queue::Queue;
use parking_lot::Mutex;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// All alarms of a broker. A queue sets one when something is due earlier than it had asked for; an alarm that
/// rings at a time the queue no longer waits for is ignored by the queue, so that old ones die out.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    heap: Mutex<BinaryHeap<Alarm>>,
}

#[derive(Debug)]
struct Alarm {
    at: Instant,
    queue: Weak<Queue>,
}

impl Alarms {
    /// Rings at `at`.
    pub(super) fn set(&self, at: Instant, queue: Weak<Queue>) {
        self.heap.lock().push(Alarm { at, queue });
    }

    /// Takes out what is due, the earliest first. Queues that have gone are left out.
    pub(super) fn due(&self, now: Instant) -> Vec<(Instant, Arc<Queue>)> {
        let mut heap = self.heap.lock();
        let mut due = Vec::new();
        while heap.peek().is_some_and(|alarm| alarm.at <= now) {
            let alarm = heap.pop().expect("one was seen");
            due.extend(alarm.queue.upgrade().map(|queue| (alarm.at, queue)));
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
}

/// The heap's greatest is the earliest.
impl Ord for Alarm {
    fn cmp(&self, other: &Alarm) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Alarm) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Alarm) -> bool {
        self.at == other.at
    }
}

impl Eq for Alarm {}
