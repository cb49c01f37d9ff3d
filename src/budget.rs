//! The broker-wide byte budget: the memory that clients can make the broker hold.
//!
//! ```text
//!   budget (memory-bytes-max) ── messages: outbound queues, work queues, open transactions
//!      ├── share (a quarter) ── subscriptions: their names, ids, patterns, temporary queues, presence; names of
//!      │                        open transactions
//!      ├── share (a quarter) ── input of signed-in clients: unfinished frames, and frames not handled yet
//!      └── share (an eighth) ── large heads of HTTP requests
//! ```
//!
//! A [`Charge`] is held by whatever owns the memory and gives it back when dropped, so that the sum cannot
//! drift. Charging never fails: code that accepts *new* work calls [`Budget::is_exhausted`] or [`Budget::admits`]
//! first, or uses [`Charge::try_grow`].
//!
//! Subscriptions, input and heads of requests have shares of their own, so that none can use up the memory for
//! messages: each is limited to its share, and three eighths of the budget remain for messages. If messages fill the
//! whole budget, a quarter of each share stays available: consumers can subscribe and acknowledge, and so drain the
//! queues.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Each share is the budget divided by this.
const SHARE_PART: usize = 4;
/// The part of a share that stays available while messages fill the budget is the share divided by this.
const RESERVE_PART: usize = 4;

/// The budget; shared by all modules.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    /// Bytes that are reserved for admitted work and not charged yet.
    reserved: AtomicUsize,
    bytes_max: usize,
    /// The budget that this is a share of.
    whole: Option<Arc<Budget>>,
}

impl Budget {
    /// Creates a budget of `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Arc<Budget> {
        Budget::of(bytes_max, None)
    }

    /// Creates a share of a quarter, for subscriptions or for input. Every charge to the share is charged to this
    /// budget as well.
    pub fn share(self: &Arc<Budget>) -> Arc<Budget> {
        self.share_of(SHARE_PART)
    }

    /// Creates a share like [`Budget::share`], whose size is that of this budget divided by `part`.
    pub fn share_of(self: &Arc<Budget>, part: usize) -> Arc<Budget> {
        Budget::of(self.bytes_max / part, Some(self.clone()))
    }

    fn of(bytes_max: usize, whole: Option<Arc<Budget>>) -> Arc<Budget> {
        Arc::new(Budget { used: AtomicUsize::new(0), reserved: AtomicUsize::new(0), bytes_max, whole })
    }

    /// Takes `bytes` until the charge is dropped.
    pub fn charge(self: &Arc<Budget>, bytes: usize) -> Charge {
        self.add(bytes);
        Charge { budget: self.clone(), bytes }
    }

    /// Sets `bytes` aside for work that is about to be done and charged, until the reservation is dropped. `None` if
    /// they are more than half of what is left: one large piece of work leaves room for the small pieces of others.
    pub fn reserve(self: &Arc<Budget>, bytes: usize) -> Option<Reservation> {
        let admit = |reserved: usize| {
            let free = self.bytes_max.saturating_sub(self.used()).saturating_sub(reserved);
            (bytes <= free / 2).then(|| reserved + bytes)
        };
        self.reserved.fetch_update(Relaxed, Relaxed, admit).ok()?;
        Some(Reservation { budget: self.clone(), bytes })
    }

    /// Returns the bytes charged at this moment.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Returns the limit in bytes.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Returns whether more than seven eighths are used: publishers are throttled, so that queues can drain.
    pub fn is_near(&self) -> bool {
        self.used() >= self.bytes_max - self.bytes_max / 8
    }

    /// Returns whether the limit is reached: new messages are rejected.
    pub fn is_exhausted(&self) -> bool {
        self.used() >= self.bytes_max
    }

    /// Returns whether `bytes` more fit. A share is open up to its own limit while the whole budget has room, and up to
    /// a quarter of it in any case.
    pub fn admits(&self, bytes: usize) -> bool {
        self.admits_after(bytes, 0)
    }

    /// Returns whether `bytes` more fit once `freed` of the bytes in use are given back.
    fn admits_after(&self, bytes: usize, freed: usize) -> bool {
        let used = |budget: &Budget| budget.used().saturating_sub(freed);
        let fits = |budget: &Budget| bytes <= budget.bytes_max.saturating_sub(used(budget));
        match &self.whole {
            None => fits(self),
            Some(whole) => {
                let reserve = self.bytes_max / RESERVE_PART;
                used(self).saturating_add(bytes) <= reserve || fits(self) && fits(whole)
            }
        }
    }

    fn add(&self, bytes: usize) {
        self.used.fetch_add(bytes, Relaxed);
        if let Some(whole) = &self.whole {
            whole.add(bytes);
        }
    }

    fn subtract(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
        if let Some(whole) = &self.whole {
            whole.subtract(bytes);
        }
    }
}

/// Bytes set aside by [`Budget::reserve`]; dropping it gives back what is left of them.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reservation {
    /// Gives back `bytes` that have been charged in the meantime.
    pub fn release(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.reserved.fetch_sub(bytes, Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release(self.bytes);
    }
}

/// Returns what an allocation of `bytes` bytes costs: allocators have a few sizes, four between a power of two and the
/// next (jemalloc's size classes; other allocators are near them).
pub const fn allocation(bytes: usize) -> usize {
    const QUANTUM: usize = 16;
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => bytes.next_multiple_of(QUANTUM),
        _ => {
            let power = 1 << (usize::BITS - 1 - (bytes - 1).leading_zeros());
            bytes.next_multiple_of(power / 4)
        }
    }
}

/// Returns what a shared value of `bytes` bytes costs: an `Arc` has two counts before it.
pub const fn shared_allocation(bytes: usize) -> usize {
    allocation(bytes + 2 * size_of::<usize>())
}

/// Returns what a B-tree of `len` entries of `entry_bytes` bytes costs: a leaf has room for 11 entries, and is filled to
/// about three quarters where there are several.
pub const fn btree_allocation(len: usize, entry_bytes: usize) -> usize {
    const LEAF_ENTRIES: usize = 11;
    const LEAF_ENTRIES_USED: usize = 8;
    let leaf = allocation(LEAF_ENTRIES * entry_bytes + 16);
    match len {
        0 => 0,
        1..=LEAF_ENTRIES => leaf,
        _ => {
            // An inner node for each eight leaves has their addresses beside its own entries.
            let leaves = len.div_ceil(LEAF_ENTRIES_USED);
            leaves * leaf + leaves.div_ceil(LEAF_ENTRIES_USED) * (leaf + 96)
        }
    }
}

/// Returns what a hash table with room for `capacity` entries of `entry_bytes` bytes costs.
pub const fn table_allocation(capacity: usize, entry_bytes: usize) -> usize {
    // One control byte a bucket and a group behind the last; seven of eight buckets are used at most.
    const GROUP_BYTES: usize = 16;
    let buckets = match capacity {
        0 => return 0,
        1..=3 => 4,
        4..=7 => 8,
        _ => (capacity * 8 / 7).next_power_of_two(),
    };
    allocation(buckets * (entry_bytes + 1) + GROUP_BYTES)
}

/// Returns the average bytes of an entry of `entry_bytes` bytes in a large hash table that grows.
pub const fn table_entry(entry_bytes: usize) -> usize {
    (entry_bytes + 1) * 3 / 2
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// Returns the bytes charged.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Charges `bytes` to the same budget for an optional copy; `None` near the limit.
    pub fn for_copy(&self, bytes: usize) -> Option<Charge> {
        self.has_room().then(|| self.budget.charge(bytes))
    }

    /// Changes the charge to `bytes`, unless that makes it larger near the limit; returns whether it did.
    pub fn try_resize(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.bytes || self.has_room();
        if fits {
            self.resize(bytes);
        }
        fits
    }

    /// Changes the charge to `bytes` and returns `true`, or returns `false` if the budget does not admit the growth.
    /// The only charge of a budget may always grow, so that a small limit still allows one large frame.
    pub fn try_grow(&mut self, bytes: usize) -> bool {
        let is_admitted = self.may_grow_after(bytes, 0);
        if is_admitted {
            self.resize(bytes);
        }
        is_admitted
    }

    /// Returns whether [`Charge::try_grow`] to `bytes` succeeds once `freed` bytes of other charges are given back.
    pub fn may_grow_after(&self, bytes: usize, freed: usize) -> bool {
        let is_alone = self.budget.used() <= self.bytes.saturating_add(freed);
        is_alone || self.budget.admits_after(bytes.saturating_sub(self.bytes), freed)
    }

    fn has_room(&self) -> bool {
        !self.budget.is_near() && self.budget.whole.as_ref().is_none_or(|whole| !whole.is_near())
    }

    /// Changes the charge to `bytes`.
    pub fn resize(&mut self, bytes: usize) {
        match bytes.cmp(&self.bytes) {
            Ordering::Greater => self.budget.add(bytes - self.bytes),
            Ordering::Less => self.budget.subtract(self.bytes - bytes),
            Ordering::Equal => {}
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.subtract(self.bytes);
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

    #[test]
    fn a_share_is_part_of_the_whole_and_leaves_the_rest_to_others() {
        let budget = Budget::new(1600);
        let share = budget.share();
        assert_eq!(share.bytes_max(), 400);
        let held = share.charge(390);
        assert_eq!((share.used(), budget.used()), (390, 390));
        assert!(share.admits(10) && !share.admits(11));
        assert!(!budget.is_exhausted(), "a full share does not lock out messages");
        drop(held);
        assert_eq!((share.used(), budget.used()), (0, 0));
    }

    #[test]
    fn messages_that_fill_the_budget_leave_a_quarter_of_the_share_open() {
        let budget = Budget::new(1600);
        let share = budget.share();
        let _messages = budget.charge(2000);
        assert!(budget.is_exhausted());
        assert!(share.admits(100) && !share.admits(101));
        let _held = share.charge(60);
        assert!(share.admits(40) && !share.admits(41));
    }

    #[test]
    fn a_reservation_takes_at_most_half_of_what_is_left() {
        let budget = Budget::new(1000);
        let _used = budget.charge(200);
        assert!(budget.reserve(401).is_none());
        let mut first = budget.reserve(400).expect("half of 800");
        assert!(budget.reserve(201).is_none(), "what is reserved is not left");
        let second = budget.reserve(200).expect("half of 400");
        assert_eq!(budget.used(), 200, "nothing is charged yet");
        first.release(100);
        drop(second);
        assert!(budget.reserve(250).is_some() && budget.reserve(251).is_none());
        first.release(1000);
        drop(first);
        assert!(budget.reserve(400).is_some() && budget.reserve(401).is_none());
    }

    #[test]
    fn copies_are_not_charged_near_the_limit() {
        let budget = Budget::new(800);
        let own = budget.charge(600);
        let copy = own.for_copy(100).expect("below seven eighths");
        assert_eq!((copy.bytes(), budget.used()), (100, 700));
        assert!(own.for_copy(1).is_none());
        let share = budget.share();
        assert!(share.charge(1).for_copy(1).is_none(), "the whole counts, too");
    }

    #[test]
    fn a_charge_grows_within_its_budget_or_alone() {
        let budget = Budget::new(1600);
        let share = budget.share();
        let mut large = share.charge(0);
        assert!(large.try_grow(500), "no other charge");
        let mut small = share.charge(0);
        assert!(!small.try_grow(1), "the share is full");
        assert!(large.try_grow(399) && small.try_grow(1) && !small.try_grow(2));
        assert_eq!((share.used(), budget.used()), (400, 400));
        drop(large);
        assert!(small.try_grow(2000), "alone again");
        assert_eq!(budget.used(), 2000);
    }

    #[test]
    fn allocations_cost_the_next_size_of_the_allocator() {
        for (bytes, costs) in [
            (0, 0),
            (1, 8),
            (9, 16),
            (100, 112),
            (128, 128),
            (129, 160),
            (1024, 1024),
            (1025, 1280),
            (1281, 1536),
            (2048, 2048),
            (2049, 2560),
            (70_000, 81_920),
        ] {
            assert_eq!(allocation(bytes), costs, "{bytes}");
        }
        assert_eq!(shared_allocation(1020), 1280);
    }
}
