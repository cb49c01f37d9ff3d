//! The byte budget of the broker, which limits the memory that clients can make it use.
//!
//! ```text
//!   budget (memory-bytes-max) ── messages: outbound queues, work queues, open transactions
//!      ├── share (a quarter) ── subscriptions: their names, ids, patterns, temporary queues, presence; names of
//!      │                        open transactions
//!      ├── share (a quarter) ── input of signed-in clients: unfinished frames, and frames not handled yet
//!      └── share (an eighth) ── heads of HTTP requests (request line and headers) above 4 KiB
//! ```
//!
//! The owner of the memory holds a [`Charge`], and dropping the charge releases the bytes. The number of used bytes
//! therefore stays exact. Charging never fails. Code that accepts *new* work first calls [`Budget::is_exhausted`] or
//! [`Budget::admits`], or uses [`Charge::try_grow`].
//!
//! Subscriptions, input and heads are each limited to a share, so that they cannot use up the memory for messages.
//! Three eighths of the budget remain for messages. If messages fill the whole budget, a quarter of each share stays
//! available. Consumers can then still subscribe, acknowledge, and drain the queues.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Divisor of the budget that gives the size of a share, see [`Budget::share`].
const SHARE_DIVISOR: usize = 4;
/// Divisor of a share that gives the part that stays available while messages fill the budget.
const RESERVE_DIVISOR: usize = 4;

/// The byte budget of the broker, or a share of it.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    /// Bytes that are reserved for admitted work and not yet charged.
    reserved: AtomicUsize,
    bytes_max: usize,
    /// The budget of which this is a share. `None` for the whole budget.
    parent: Option<Arc<Budget>>,
}

impl Budget {
    /// Creates a budget of `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Arc<Budget> {
        Budget::with_parent(bytes_max, None)
    }

    /// Creates a share of a quarter of this budget, for subscriptions or for input. Every charge to the share is also
    /// charged to this budget.
    pub fn share(self: &Arc<Budget>) -> Arc<Budget> {
        self.share_of(SHARE_DIVISOR)
    }

    /// Creates a share like [`Budget::share`]. Its limit is the limit of this budget divided by `divisor`.
    pub fn share_of(self: &Arc<Budget>, divisor: usize) -> Arc<Budget> {
        Budget::with_parent(self.bytes_max / divisor, Some(self.clone()))
    }

    fn with_parent(bytes_max: usize, parent: Option<Arc<Budget>>) -> Arc<Budget> {
        Arc::new(Budget { used: AtomicUsize::new(0), reserved: AtomicUsize::new(0), bytes_max, parent })
    }

    /// Charges `bytes` until the returned charge is dropped.
    pub fn charge(self: &Arc<Budget>, bytes: usize) -> Charge {
        self.add(bytes);
        Charge { budget: self.clone(), bytes }
    }

    /// Reserves `bytes` until the reservation is dropped, for work that is about to charge them. Returns `None` if
    /// `bytes` is more than half of the free memory. A large request of one client thus leaves memory for other
    /// clients.
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

    /// Returns whether at least seven eighths are used. Publishers are then throttled, so that queues can drain.
    pub fn is_nearly_exhausted(&self) -> bool {
        self.used() >= self.bytes_max - self.bytes_max / 8
    }

    /// Returns whether the limit is reached. New messages are then rejected.
    pub fn is_exhausted(&self) -> bool {
        self.used() >= self.bytes_max
    }

    /// Returns whether `bytes` more bytes fit. A share admits them up to its own limit if they also fit in the whole
    /// budget. A share always admits them up to a quarter of its own limit.
    pub fn admits(&self, bytes: usize) -> bool {
        self.admits_after(bytes, 0)
    }

    /// Returns whether `bytes` more bytes fit after `freed` of the used bytes are released.
    fn admits_after(&self, bytes: usize, freed: usize) -> bool {
        let used = |budget: &Budget| budget.used().saturating_sub(freed);
        let fits = |budget: &Budget| bytes <= budget.bytes_max.saturating_sub(used(budget));
        match &self.parent {
            None => fits(self),
            Some(parent) => {
                let reserve = self.bytes_max / RESERVE_DIVISOR;
                used(self).saturating_add(bytes) <= reserve || fits(self) && fits(parent)
            }
        }
    }

    fn add(&self, bytes: usize) {
        self.used.fetch_add(bytes, Relaxed);
        if let Some(parent) = &self.parent {
            parent.add(bytes);
        }
    }

    fn subtract(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
        if let Some(parent) = &self.parent {
            parent.subtract(bytes);
        }
    }
}

/// Bytes reserved by [`Budget::reserve`]. Dropping the reservation releases the bytes that
/// [`release`](Reservation::release) has not released.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reservation {
    /// Releases `bytes` bytes of the reservation, because they are charged now.
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

/// Returns the bytes that the allocator uses for an allocation of `bytes` bytes. The allocator rounds the size up to a
/// size class. This function uses the size classes of jemalloc, four from one power of two to the next. Other
/// allocators have similar classes.
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

/// Returns the bytes that a value of `bytes` bytes takes in an `Arc`, which stores two reference counts before it.
pub const fn shared_allocation(bytes: usize) -> usize {
    allocation(bytes + 2 * size_of::<usize>())
}

/// Returns the bytes that a B-tree of `len` entries of `entry_bytes` bytes takes. A leaf can hold 11 entries and is
/// about three quarters full if there are several leaves.
pub const fn btree_allocation(len: usize, entry_bytes: usize) -> usize {
    const LEAF_ENTRIES: usize = 11;
    const LEAF_ENTRIES_USED: usize = 8;
    let leaf = allocation(LEAF_ENTRIES * entry_bytes + 16);
    match len {
        0 => 0,
        1..=LEAF_ENTRIES => leaf,
        _ => {
            // There is about one inner node for each eight leaves. It holds its own entries and the addresses of the
            // leaves.
            let leaves = len.div_ceil(LEAF_ENTRIES_USED);
            leaves * leaf + leaves.div_ceil(LEAF_ENTRIES_USED) * (leaf + 96)
        }
    }
}

/// Returns the bytes that a hash table with a capacity of `capacity` entries of `entry_bytes` bytes takes.
pub const fn table_allocation(capacity: usize, entry_bytes: usize) -> usize {
    // Each bucket has a control byte, and one group of control bytes follows the last bucket. At most seven of eight
    // buckets are used.
    const GROUP_BYTES: usize = 16;
    let buckets = match capacity {
        0 => return 0,
        1..=3 => 4,
        4..=7 => 8,
        _ => (capacity * 8 / 7).next_power_of_two(),
    };
    allocation(buckets * (entry_bytes + 1) + GROUP_BYTES)
}

/// Returns the average number of bytes that an entry of `entry_bytes` bytes takes in a large, growing hash table.
pub const fn table_entry(entry_bytes: usize) -> usize {
    (entry_bytes + 1) * 3 / 2
}

/// Bytes that are charged to a budget. Dropping the charge releases them.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// Returns the number of bytes charged.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Charges `bytes` to the same budget for a copy that saves work but is not required. Returns `None` if the budget
    /// is nearly exhausted.
    pub fn for_copy(&self, bytes: usize) -> Option<Charge> {
        self.has_free_memory().then(|| self.budget.charge(bytes))
    }

    /// Changes the charge to `bytes` and returns `true`. Returns `false` if the charge would grow while the budget is
    /// nearly exhausted.
    pub fn try_resize(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.bytes || self.has_free_memory();
        if fits {
            self.resize(bytes);
        }
        fits
    }

    /// Changes the charge to `bytes` and returns `true`. Returns `false` if the budget does not admit the growth. The
    /// only charge of a budget may always grow, so that a small limit still admits one large frame.
    pub fn try_grow(&mut self, bytes: usize) -> bool {
        let is_admitted = self.may_grow_after(bytes, 0);
        if is_admitted {
            self.resize(bytes);
        }
        is_admitted
    }

    /// Returns whether [`Charge::try_grow`] to `bytes` succeeds once `freed` bytes of other charges are released.
    pub fn may_grow_after(&self, bytes: usize, freed: usize) -> bool {
        let is_only_charge = self.budget.used() <= self.bytes.saturating_add(freed);
        is_only_charge || self.budget.admits_after(bytes.saturating_sub(self.bytes), freed)
    }

    fn has_free_memory(&self) -> bool {
        !self.budget.is_nearly_exhausted()
            && self.budget.parent.as_ref().is_none_or(|parent| !parent.is_nearly_exhausted())
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
    fn usage_returns_to_zero_in_any_order_of_release() {
        let budget = Budget::new(800);
        let mut first = budget.charge(300);
        let second = budget.charge(400);
        assert!(budget.is_nearly_exhausted() && !budget.is_exhausted());
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
            assert_eq!((budget.is_nearly_exhausted(), budget.is_exhausted()), (near, exhausted), "{used}");
            assert_eq!((budget.used(), budget.bytes_max()), (used, 800));
        }
    }

    #[test]
    fn usage_is_exact_across_threads() {
        let budget = Budget::new(usize::MAX);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let budget = &budget;
                scope.spawn(move || {
                    let mut resized = budget.charge(thread);
                    for bytes in 0..1000 {
                        let _temporary = budget.charge(bytes);
                        resized.resize(bytes);
                    }
                    assert_eq!(resized.bytes(), 999);
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn share_is_charged_to_its_budget_and_leaves_the_rest_free() {
        let budget = Budget::new(1600);
        let share = budget.share();
        assert_eq!(share.bytes_max(), 400);
        let held = share.charge(390);
        assert_eq!((share.used(), budget.used()), (390, 390));
        assert!(share.admits(10) && !share.admits(11));
        assert!(!budget.is_exhausted(), "a full share leaves memory for messages");
        drop(held);
        assert_eq!((share.used(), budget.used()), (0, 0));
    }

    #[test]
    fn exhausted_budget_leaves_a_quarter_of_the_share_available() {
        let budget = Budget::new(1600);
        let share = budget.share();
        let _messages = budget.charge(2000);
        assert!(budget.is_exhausted());
        assert!(share.admits(100) && !share.admits(101));
        let _held = share.charge(60);
        assert!(share.admits(40) && !share.admits(41));
    }

    #[test]
    fn reservation_is_limited_to_half_of_the_free_memory() {
        let budget = Budget::new(1000);
        let _used = budget.charge(200);
        assert!(budget.reserve(401).is_none());
        let mut first = budget.reserve(400).expect("half of 800");
        assert!(budget.reserve(201).is_none(), "reserved memory is not free");
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
    fn copy_is_rejected_near_the_limit() {
        let budget = Budget::new(800);
        let own = budget.charge(600);
        let copy = own.for_copy(100).expect("below seven eighths");
        assert_eq!((copy.bytes(), budget.used()), (100, 700));
        assert!(own.for_copy(1).is_none());
        let share = budget.share();
        assert!(share.charge(1).for_copy(1).is_none(), "the whole budget counts, too");
    }

    #[test]
    fn charge_grows_within_its_budget_or_without_other_charges() {
        let budget = Budget::new(1600);
        let share = budget.share();
        let mut large = share.charge(0);
        assert!(large.try_grow(500), "no other charge");
        let mut small = share.charge(0);
        assert!(!small.try_grow(1), "the share is full");
        assert!(large.try_grow(399) && small.try_grow(1) && !small.try_grow(2));
        assert_eq!((share.used(), budget.used()), (400, 400));
        drop(large);
        assert!(small.try_grow(2000), "no other charge is left");
        assert_eq!(budget.used(), 2000);
    }

    #[test]
    fn allocation_is_rounded_up_to_the_size_class_of_the_allocator() {
        for (bytes, allocated) in [
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
            assert_eq!(allocation(bytes), allocated, "{bytes}");
        }
        assert_eq!(shared_allocation(1020), 1280);
    }
}
