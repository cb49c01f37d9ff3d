//! Slows down clients that guess passcodes, without a delay for other clients.
//!
//! ```text
//!  login ──► this passcode was correct before? ───────────────────────────► checked at once
//!              │ no
//!              ├─► this passcode was wrong before? ───────────────────────► checked at once, answered late if wrong
//!              └─► a new guess: waits for a slot of the pair (address, name).
//!                  This name has logged in from this address before?
//!                    │ no: also waits for a slot of the name and for a slot of the address
//!                    └───────────────────────────────────────────────────────► checked in its slot
//! ```
//! | counter | free guesses | interval between further guesses |
//! |---|---|---|
//! | different passcodes of one name from one address | `free` | 250 ms, doubling to 15 s |
//! | different passcodes of one name, from all addresses | 20 · `free` | 250 ms, doubling to 4 s |
//! | different passcodes from one address, at most 5 · `free` of each name | 20 · `free` | 250 ms, doubling to 1 s |
//!
//! Repeating the same wrong passcode of a name is not a new guess. It delays only the answers to the client that
//! repeats it. A guess counts as wrong while it is being checked, so that guessing in parallel gains nothing. A correct
//! login resets the counter of its name from its address. The counters of the name and of the address are reduced by
//! the same number. Counters expire after 15 minutes without a wrong passcode. All IPv6 addresses of a /64 network
//! count as one address, because one customer usually has such a network.
//!
//! A login cannot reserve a slot. Otherwise a client that sends one guess after the other would hold all slots.
//! Instead, each waiting login tries to take the slot at a random time in the [`DRAW_WINDOW`] after it opens. A login
//! that arrives in that window does the same. All waiting logins have the same chance, however often other clients
//! retry.

use hashlink::LruCache;
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use tokio::time::Instant;

/// The first interval between two guesses. It doubles with each further guess.
const INTERVAL: Duration = Duration::from_millis(250);
/// The longest interval between two guesses of one name from one address.
const INTERVAL_MAX: Duration = Duration::from_secs(15);
/// The longest interval between two guesses of one name, from all addresses.
const NAME_INTERVAL_MAX: Duration = Duration::from_secs(4);
/// The longest interval between two guesses from one address. It is shorter than the others, because new users behind
/// the address also wait for a slot.
const ADDRESS_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// Length of the window after a slot opens. Each waiting login tries to take the slot at a random time in this window.
pub(super) const DRAW_WINDOW: Duration = Duration::from_millis(100);
/// Free guesses of one name from all addresses, and of one address for all names, as a multiple of `free`.
const WIDE_FACTOR: u32 = 20;
/// The most that one name adds to the counter of its address, as a multiple of `free`. At least four names are
/// therefore necessary to use up the free guesses of an address.
const PER_NAME_FACTOR: u32 = 5;
/// Time without a wrong passcode after which a counter expires.
const COUNTER_EXPIRY: Duration = Duration::from_secs(15 * 60);
/// Maximum number of entries of each table. The least recently used entries are evicted.
const ENTRIES_MAX: usize = 65_536;

/// A map that evicts the least recently used entry. `peek` does not count as a use. The hasher has a random key,
/// because clients choose the map's keys.
type LruMap<K, V> = LruCache<K, V, RandomState>;

fn lru<K: Hash + Eq, V>(max: usize) -> LruMap<K, V> {
    LruCache::with_hasher(max, RandomState::new())
}

/// Counts wrong passcodes and spaces out guesses. Pure except for its random hash keys. The time is an argument, and
/// the caller chooses the random delays.
pub(super) struct Throttle {
    free: u32,
    hasher: RandomState,
    /// Counters of pairs of a name and an address.
    pairs: LruMap<u64, Pair>,
    names: LruMap<u64, Count>,
    addresses: LruMap<IpAddr, Count>,
    /// Pairs of a name and an address from which this name has logged in.
    known_pairs: LruMap<u64, ()>,
    /// Pairs of a name and a passcode that was correct at its last check.
    correct: LruMap<u64, ()>,
    /// Pairs of a name and a passcode that was wrong at its last check.
    wrong: LruMap<u64, ()>,
    /// Number of checks in progress, by name and passcode.
    checks: HashMap<(u64, u64), u32>,
    /// Number of different passcodes that are being checked, by name.
    checked_names: HashMap<u64, u32>,
}

/// The keyed hashes of a login. They replace names and passcodes, which are secret and of any length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    network: Option<IpAddr>,
    pair: u64,
    name: u64,
    passcode: u64,
}

/// An admitted login. The caller must pass it to [`Throttle::settle`] after the check.
#[derive(Debug)]
pub(super) struct Ticket {
    attempt: Attempt,
    kind: AttemptKind,
    /// Earliest time for the answer to a wrong passcode.
    pub(super) answer_at: Instant,
}

/// The result for a login that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delayed {
    /// Opening time of the next slot that the login may try to take.
    pub(super) slot: Instant,
    /// The counter that delays the login, for the log.
    pub(super) reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AttemptKind {
    /// This name and passcode were correct before.
    Correct,
    /// This name and passcode were wrong before.
    Repeated,
    /// This passcode was not checked before, or its result is no longer known.
    Guess,
}

/// The result of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckOutcome {
    /// The passcode is correct.
    Correct,
    /// The passcode is wrong.
    Wrong,
    /// The check does not show whether the passcode is correct.
    Unknown,
}

/// The counts of one name from one address.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// Number of guesses, including those that are being checked.
    guesses: u32,
    /// Number of guesses that were wrong.
    wrong: u32,
    /// Number of failed logins, including repeated passcodes.
    failures: u32,
    last: Instant,
    /// Time at which the next slot opens. `None` while guesses are free.
    next_at: Option<Instant>,
}

/// The counts of one name, or of one address.
#[derive(Clone, Copy, Debug)]
struct Count {
    count: u32,
    last: Instant,
    /// Time at which the next slot opens. `None` while guesses are free.
    next_at: Option<Instant>,
}

impl Throttle {
    /// Creates a throttle that allows `free` guesses of one name from one address without delay. It remembers at most
    /// `correct_max` correct logins.
    pub(super) fn new(free: u32, correct_max: usize) -> Throttle {
        Throttle {
            free,
            hasher: RandomState::new(),
            pairs: lru(ENTRIES_MAX),
            names: lru(ENTRIES_MAX),
            addresses: lru(ENTRIES_MAX),
            known_pairs: lru(ENTRIES_MAX),
            correct: lru(correct_max),
            wrong: lru(ENTRIES_MAX),
            checks: HashMap::new(),
            checked_names: HashMap::new(),
        }
    }

    pub(super) fn attempt(&self, address: Option<IpAddr>, name: &str, passcode: &str) -> Attempt {
        let network = address.map(network);
        Attempt {
            network,
            pair: self.hasher.hash_one((network, name)),
            name: self.hasher.hash_one(name),
            passcode: self.hasher.hash_one((name, passcode)),
        }
    }

    /// Returns whether this passcode was correct before, or this name has logged in from this address before.
    pub(super) fn is_known(&self, attempt: &Attempt) -> bool {
        self.correct.contains_key(&attempt.passcode) || self.known_pairs.contains_key(&attempt.pair)
    }

    /// Admits a login for a check now. `drawn_slot` is the slot that the login tries to take after a random delay. It
    /// is `None` at the first attempt of the login.
    ///
    /// # Errors
    /// The login has to wait for a slot. The throttle stores nothing about it.
    pub(super) fn admit(
        &mut self,
        attempt: Attempt,
        drawn_slot: Option<Instant>,
        now: Instant,
    ) -> Result<Ticket, Delayed> {
        let pair = self.pairs.peek(&attempt.pair).copied().filter(|pair| pair.last + COUNTER_EXPIRY > now);
        let pair = pair.unwrap_or_else(|| Pair::new(now));
        let ticket = |kind, answer_at| Ticket { attempt, kind, answer_at };
        if self.correct.get(&attempt.passcode).is_some() {
            self.begin_check(attempt);
            return Ok(ticket(AttemptKind::Correct, now));
        }
        if self.wrong.get(&attempt.passcode).is_some() {
            self.begin_check(attempt);
            return Ok(ticket(AttemptKind::Repeated, now + interval(pair.failures, self.free, INTERVAL_MAX)));
        }
        let is_known = self.known_pairs.get(&attempt.pair).is_some();
        let name = self.names.peek(&attempt.name).copied().unwrap_or_else(|| Count::new(now)).at(now);
        let address = attempt.network.and_then(|network| self.addresses.peek(&network));
        let address = address.copied().unwrap_or_else(|| Count::new(now)).at(now);
        let required_slot = |count: Count| count.next_at.filter(|_| !is_known);
        let slot = pair.next_at.max(required_slot(name)).max(required_slot(address));
        if let Some(slot) = slot.filter(|slot| !is_slot_open(*slot, drawn_slot, now)) {
            let reason = match Some(slot) {
                slot if slot == pair.next_at => "too many wrong passcodes for this name from this address",
                slot if slot == required_slot(name) => {
                    "too many wrong passcodes for this name from all addresses"
                }
                _ => "too many wrong passcodes for many names from this address",
            };
            return Err(Delayed { slot, reason });
        }
        let wait = interval(pair.guesses, self.free, INTERVAL_MAX);
        let guesses = pair.guesses.saturating_add(1);
        self.pairs.insert(attempt.pair, Pair { guesses, next_at: next_slot(now, wait), last: now, ..pair });
        if !is_known {
            self.take_slots(attempt, name, address, now);
        }
        self.begin_check(attempt);
        Ok(ticket(AttemptKind::Guess, now + wait))
    }

    /// Takes the slots of the name and of the address, if their free guesses are used up.
    fn take_slots(&mut self, attempt: Attempt, name: Count, address: Count, now: Instant) {
        let free = self.free.max(1).saturating_mul(WIDE_FACTOR);
        let checked = self.checked_names.get(&attempt.name).copied().unwrap_or_default();
        let next_at = next_slot(now, interval(name.count.saturating_add(checked), free, NAME_INTERVAL_MAX));
        if next_at.is_some() {
            self.names.insert(attempt.name, Count { next_at, ..name });
        }
        let next_at = next_slot(now, interval(address.count, free, ADDRESS_INTERVAL_MAX));
        if let Some(network) = attempt.network.filter(|_| next_at.is_some()) {
            self.addresses.insert(network, Count { next_at, ..address });
        }
    }

    fn begin_check(&mut self, attempt: Attempt) {
        let checks = self.checks.entry((attempt.name, attempt.passcode)).or_default();
        *checks += 1;
        if *checks == 1 {
            *self.checked_names.entry(attempt.name).or_default() += 1;
        }
    }

    fn end_check(&mut self, attempt: Attempt) {
        if decrement(&mut self.checks, (attempt.name, attempt.passcode)) {
            decrement(&mut self.checked_names, attempt.name);
        }
    }

    /// Counts the result of a login.
    pub(super) fn settle(&mut self, ticket: &Ticket, outcome: CheckOutcome, now: Instant) {
        let attempt = ticket.attempt;
        self.end_check(attempt);
        match outcome {
            CheckOutcome::Correct => self.reset_failures(attempt),
            CheckOutcome::Wrong => self.record_failure(attempt, ticket.kind, now),
            CheckOutcome::Unknown if ticket.kind == AttemptKind::Guess => self.undo_guess(attempt),
            CheckOutcome::Unknown => {}
        }
    }

    fn reset_failures(&mut self, attempt: Attempt) {
        self.correct.insert(attempt.passcode, ());
        self.wrong.remove(&attempt.passcode);
        self.known_pairs.insert(attempt.pair, ());
        let wrong = self.pairs.remove(&attempt.pair).map_or(0, |pair| pair.wrong);
        if let Some(name) = self.names.peek_mut(&attempt.name) {
            name.count = name.count.saturating_sub(wrong);
        }
        let wrong = wrong.min(self.guesses_per_name_max());
        if let Some(address) = attempt.network.and_then(|network| self.addresses.peek_mut(&network)) {
            address.count = address.count.saturating_sub(wrong);
        }
    }

    fn record_failure(&mut self, attempt: Attempt, kind: AttemptKind, now: Instant) {
        let pair = self.pairs.peek(&attempt.pair).copied().unwrap_or_else(|| Pair::new(now));
        let mut pair = Pair { failures: pair.failures.saturating_add(1), last: now, ..pair };
        // The user's passcode may have changed since this one was correct.
        self.correct.remove(&attempt.passcode);
        self.wrong.insert(attempt.passcode, ());
        if kind != AttemptKind::Repeated {
            pair.wrong = pair.wrong.saturating_add(1);
            pair.guesses = pair.guesses.max(pair.wrong);
            add_failures(&mut self.names, attempt.name, 1, now);
            let more = u32::from(pair.wrong <= self.guesses_per_name_max());
            if let Some(network) = attempt.network {
                add_failures(&mut self.addresses, network, more, now);
            }
        }
        self.pairs.insert(attempt.pair, pair);
    }

    /// Returns the most that one name may add to the counter of its address.
    fn guesses_per_name_max(&self) -> u32 {
        self.free.max(1).saturating_mul(PER_NAME_FACTOR)
    }

    fn undo_guess(&mut self, attempt: Attempt) {
        let Some(pair) = self.pairs.peek_mut(&attempt.pair) else { return };
        pair.guesses = pair.guesses.saturating_sub(1);
        if pair.guesses == 0 && pair.failures == 0 {
            self.pairs.remove(&attempt.pair);
        }
    }
}

impl Pair {
    fn new(now: Instant) -> Pair {
        Pair { guesses: 0, wrong: 0, failures: 0, last: now, next_at: None }
    }
}

impl Count {
    fn new(now: Instant) -> Count {
        Count { count: 0, last: now, next_at: None }
    }

    /// Returns the count, or zero if it has expired at `now`.
    fn at(self, now: Instant) -> Count {
        if self.last + COUNTER_EXPIRY > now { self } else { Count::new(now) }
    }
}

fn add_failures<K: Hash + Eq>(counts: &mut LruMap<K, Count>, key: K, more: u32, now: Instant) {
    let old = counts.peek(&key).copied().unwrap_or_else(|| Count::new(now)).at(now);
    counts.insert(key, Count { count: old.count.saturating_add(more), last: now, ..old });
}

/// Returns the interval from a guess to the next one. `guesses` is the number of guesses before it.
fn interval(guesses: u32, free: u32, max: Duration) -> Duration {
    match guesses.checked_sub(free) {
        // The first guess is not delayed, even if `free` is 0.
        Some(more) if guesses > 0 => INTERVAL.saturating_mul(1 << more.min(16)).min(max),
        _ => Duration::ZERO,
    }
}

/// Returns the time at which the next slot opens if a guess takes a slot now. Returns `None` if guesses are free.
fn next_slot(now: Instant, interval: Duration) -> Option<Instant> {
    (!interval.is_zero()).then(|| now + interval)
}

/// Returns whether a login may take the slot that opens at `slot` now. `drawn_slot` is the slot for which the login has
/// waited.
fn is_slot_open(slot: Instant, drawn_slot: Option<Instant>, now: Instant) -> bool {
    let opens_at = if drawn_slot == Some(slot) { slot } else { slot + DRAW_WINDOW };
    now >= opens_at
}

/// Decrements the count, and removes it at zero. Returns whether it was removed.
fn decrement<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) -> bool {
    let Entry::Occupied(mut count) = counts.entry(key) else { return false };
    *count.get_mut() -= 1;
    let is_last = *count.get() == 0;
    if is_last {
        count.remove();
    }
    is_last
}

/// Returns the network that counts as one address: the /64 network of an IPv6 address, or the IPv4 address itself.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("free", &self.free).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
