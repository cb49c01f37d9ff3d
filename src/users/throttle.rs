//! Slows down whoever guesses.

use super::recent::Recent;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::fmt;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use tokio::time::Instant;

/// The first delay; each further failure doubles it.
const DELAY: Duration = Duration::from_millis(250);
/// The longest delay: so long can somebody who guesses the passcode of another user keep that one out.
const DELAY_MAX: Duration = Duration::from_secs(15);
/// After so long without a failure all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Addresses and names with failures that are remembered at most; the oldest are forgotten.
const ENTRIES_MAX: usize = 65_536;
/// Logins of one name from one address that are under way at the same time, with different passcodes; more are guesses.
const TOGETHER_MAX: u32 = 16;

/// Counts failed logins by address and by name.
///
/// | failures of the address or the name | each further login waits |
/// |---|---|
/// | fewer than `free` | not at all |
/// | `free` | 250 ms |
/// | `free` + n | 250 ms · 2ⁿ, 15 s at most |
///
/// A name's failures are forgotten with a success, an address's are not: else one own account would do for guessing
/// those of others. Logins of a name that are under way from one address count like failures until they prove right, so
/// that guessing side by side gains nothing; there are sixteen of them at most. An IPv6 address counts as its network of 64 bits, which is what one customer has.
pub(super) struct Throttle {
    free: u32,
    hasher: RandomState,
    failures: Mutex<Failures>,
    /// Under way, by a hash of address and name.
    together: Mutex<HashMap<u64, u32>>,
}

/// A login that is under way; dropped, it is not any more.
pub(super) struct Turn<'a> {
    throttle: &'a Throttle,
    pair: u64,
    /// How long it has to wait before it is checked.
    pub(super) delay: Duration,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut together = self.throttle.together.lock();
        if let Entry::Occupied(mut count) = together.entry(self.pair) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

struct Failures {
    addresses: Recent<IpAddr, Count>,
    /// By a hash: names are as long as whoever guesses likes.
    names: Recent<u64, Count>,
}

#[derive(Clone, Copy)]
struct Count {
    failures: u32,
    last: Instant,
}

impl Throttle {
    pub(super) fn new(free: u32) -> Throttle {
        let failures = Failures { addresses: Recent::new(ENTRIES_MAX), names: Recent::new(ENTRIES_MAX) };
        Throttle {
            free,
            hasher: RandomState::new(),
            failures: Mutex::new(failures),
            together: Mutex::default(),
        }
    }

    /// Takes a login in, and says how long it has to wait; `None`: too many of that name are under way from there.
    pub(super) fn enter(&self, address: Option<IpAddr>, name: &str) -> Option<Turn<'_>> {
        let pair = self.hasher.hash_one((address.map(network), name));
        let before = {
            let mut together = self.together.lock();
            let count = together.entry(pair).or_default();
            if *count >= TOGETHER_MAX {
                return None;
            }
            *count += 1;
            *count - 1
        };
        Some(Turn { throttle: self, pair, delay: self.delay(address, name, before) })
    }

    pub(super) fn delay(&self, address: Option<IpAddr>, name: &str, together: u32) -> Duration {
        let failures = self.failures.lock();
        let address = address.and_then(|address| failures.addresses.get(&network(address)));
        let name = failures.names.get(&self.hasher.hash_one(name));
        let of = |count: Option<&Count>| count.map_or(0, |count| count.now());
        self.delay_of(of(address)).max(self.delay_of(of(name).saturating_add(together)))
    }

    fn delay_of(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.free) {
            // Without a failure there is none, however few are free.
            Some(more) if failures > 0 => DELAY.saturating_mul(1 << more.min(16)).min(DELAY_MAX),
            _ => Duration::ZERO,
        }
    }

    /// A login has failed.
    pub(super) fn failed(&self, address: Option<IpAddr>, name: &str) {
        let mut failures = self.failures.lock();
        if let Some(address) = address.map(network) {
            let more = Count::more(failures.addresses.get(&address));
            failures.addresses.insert(address, more);
        }
        let name = self.hasher.hash_one(name);
        let more = Count::more(failures.names.get(&name));
        failures.names.insert(name, more);
    }

    /// A login by this name has succeeded.
    pub(super) fn succeeded(&self, name: &str) {
        self.failures.lock().names.remove(&self.hasher.hash_one(name));
    }
}

impl Count {
    fn now(self) -> u32 {
        if self.last.elapsed() < FORGOTTEN_AFTER { self.failures } else { 0 }
    }

    fn more(count: Option<&Count>) -> Count {
        Count { failures: count.map_or(0, |count| count.now()).saturating_add(1), last: Instant::now() }
    }
}

/// What is counted as one address.
pub(super) fn network(address: IpAddr) -> IpAddr {
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
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_doubles_and_is_forgotten() {
        let throttle = Throttle::new(5);
        let mut delays = Vec::new();
        for _ in 0..14 {
            delays.push(throttle.delay(None, "alice", 0).as_millis());
            throttle.failed(None, "alice");
        }
        assert_eq!(delays, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
        tokio::time::advance(FORGOTTEN_AFTER - Duration::from_secs(1)).await;
        assert_eq!(throttle.delay(None, "alice", 0), DELAY_MAX);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(throttle.delay(None, "alice", 0), Duration::ZERO);
        throttle.failed(None, "alice");
        assert_eq!(throttle.delay(None, "alice", 0), Duration::ZERO, "counted from one again");
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_and_names_count_by_themselves() {
        let throttle = Throttle::new(1);
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        throttle.failed(here, "alice");
        throttle.failed(here, "bob");
        let delay = |address, name| throttle.delay(address, name, 0).as_millis();
        assert_eq!(delay(here, "carol"), 500, "two failures of the address");
        assert_eq!(delay(there, "alice"), 250, "one of the name");
        assert_eq!(delay(there, "carol"), 0);
        assert_eq!(delay(None, "carol"), 0);
        throttle.succeeded("alice");
        assert_eq!(delay(there, "alice"), 0);
        assert_eq!(delay(here, "alice"), 500, "the address still counts");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_one_address() {
        for (one, other, is_same) in [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("2001:db8:1:2:3::4", "2001:db8:1:2:ffff::1", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::1", "::2", false),
        ] {
            let throttle = Throttle::new(1);
            throttle.failed(address(one), "a");
            assert_eq!(throttle.delay(address(other), "b", 0) > Duration::ZERO, is_same, "{one} {other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_free_failures_the_first_one_slows_down() {
        let throttle = Throttle::new(0);
        assert_eq!(throttle.delay(None, "a", 0), Duration::ZERO);
        throttle.failed(None, "a");
        assert_eq!(throttle.delay(None, "a", 0), DELAY * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_names_are_remembered() {
        let throttle = Throttle::new(1);
        for number in 0..=ENTRIES_MAX {
            throttle.failed(None, &number.to_string());
        }
        assert_eq!(throttle.delay(None, "0", 0), Duration::ZERO, "the oldest is forgotten");
        assert_eq!(throttle.delay(None, "1", 0), DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_side_by_side_gains_nothing() {
        let throttle = Throttle::new(5);
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        let turns: Vec<_> = (0..TOGETHER_MAX).map(|_| throttle.enter(here, "alice").expect("room")).collect();
        let delays: Vec<_> = turns.iter().map(|turn| turn.delay.as_millis()).take(8).collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 250, 500, 1000]);
        assert!(throttle.enter(here, "alice").is_none(), "so many together");
        let elsewhere = throttle.enter(there, "alice").expect("room for the true one");
        assert_eq!(elsewhere.delay, Duration::ZERO);
        assert!(throttle.enter(here, "bob").is_some());
        drop((turns, elsewhere));
        assert!(throttle.together.lock().is_empty());
    }
}
