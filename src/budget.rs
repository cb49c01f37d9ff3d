//! The broker-wide byte budget: what outboxes, queues and transactions hold together.
//!
//! A [`Charge`] is held by whatever owns the memory and gives it back when dropped, so that the sum cannot
//! drift. Charging never fails: whoever takes in *new* work asks [`Budget::is_exhausted`] first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The budget; shared by all rooms.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    bytes_max: usize,
}

impl Budget {
    /// A budget of `bytes_max` octets.
    pub fn new(bytes_max: usize) -> Arc<Budget> {
        Arc::new(Budget { used: AtomicUsize::new(0), bytes_max })
    }

    /// Takes `bytes` until the charge is dropped.
    pub fn charge(self: &Arc<Budget>, bytes: usize) -> Charge {
        self.used.fetch_add(bytes, Relaxed);
        Charge { budget: self.clone(), bytes }
    }

    /// Octets charged at this moment.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// The limit in octets.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Above seven eighths: publishers' reading pauses, so that what is there can drain.
    pub fn is_near(&self) -> bool {
        self.used() >= self.bytes_max - self.bytes_max / 8
    }

    /// At the limit: new messages are refused.
    pub fn is_exhausted(&self) -> bool {
        self.used() >= self.bytes_max
    }
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// Octets held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Another charge to the same budget.
    pub fn sibling(&self, bytes: usize) -> Charge {
        self.budget.charge(bytes)
    }

    /// Changes the charge to `bytes`.
    pub fn resize(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            self.budget.used.fetch_add(bytes - self.bytes, Relaxed);
        } else {
            self.budget.used.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_come_back_to_zero_in_every_order() {
        let budget = Budget::new(800);
        let mut first = budget.charge(300);
        let second = budget.charge(400);
        assert!(budget.is_near() && !budget.is_exhausted());
        first.resize(400);
        assert!(budget.is_exhausted());
        drop(second);
        first.resize(10);
        assert_eq!(budget.used(), 10);
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn near_begins_at_seven_eighths_and_exhausted_at_the_limit() {
        for (used, near, exhausted) in [
            (0, false, false),
            (699, false, false),
            (700, true, false),
            (799, true, false),
            (800, true, true),
            (900, true, true),
        ] {
            let budget = Budget::new(800);
            let _charge = budget.charge(used);
            assert_eq!((budget.is_near(), budget.is_exhausted()), (near, exhausted), "{used}");
            assert_eq!((budget.used(), budget.bytes_max()), (used, 800));
        }
    }

    #[test]
    fn the_sum_does_not_drift_among_threads() {
        let budget = Budget::new(usize::MAX);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let budget = &budget;
                scope.spawn(move || {
                    let mut kept = budget.charge(thread);
                    for bytes in 0..1000 {
                        let _passing = budget.charge(bytes);
                        kept.resize(bytes);
                    }
                    assert_eq!(kept.bytes(), 999);
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }
}
