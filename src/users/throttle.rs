//! Slows down whoever guesses.

use super::recent::Recent;
use parking_lot::Mutex;
use std::collections::hash_map::RandomState;
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

/// Counts failed logins by address and by name.
///
/// | failures of the address or the name | each further login waits |
/// |---|---|
/// | fewer than `free` | not at all |
/// | `free` | 250 ms |
/// | `free` + n | 250 ms · 2ⁿ, 15 s at most |
///
/// A name's failures are forgotten with a success, an address's are not: else one own account would do for guessing
/// those of others. An IPv6 address counts as its network of 64 bits, which is what one customer has.
pub(super) struct Throttle {
    free: u32,
    hasher: RandomState,
    failures: Mutex<Failures>,
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
        Throttle { free, hasher: RandomState::new(), failures: Mutex::new(failures) }
    }

    /// How long a login has to wait.
    pub(super) fn delay(&self, address: Option<IpAddr>, name: Option<&str>) -> Duration {
        let failures = self.failures.lock();
        let address = address.and_then(|address| failures.addresses.get(&network(address)));
        let name = name.and_then(|name| failures.names.get(&self.hasher.hash_one(name)));
        let counts = [address, name].into_iter().flatten();
        counts.map(|count| self.delay_of(count.now())).max().unwrap_or_default()
    }

    fn delay_of(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.free) {
            // Without a failure there is none, however few are free.
            Some(more) if failures > 0 => DELAY.saturating_mul(1 << more.min(16)).min(DELAY_MAX),
            _ => Duration::ZERO,
        }
    }

    /// A login has failed.
    pub(super) fn failed(&self, address: Option<IpAddr>, name: Option<&str>) {
        let mut failures = self.failures.lock();
        if let Some(address) = address.map(network) {
            let more = Count::more(failures.addresses.get(&address));
            failures.addresses.insert(address, more);
        }
        if let Some(name) = name.map(|name| self.hasher.hash_one(name)) {
            let more = Count::more(failures.names.get(&name));
            failures.names.insert(name, more);
        }
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
fn network(address: IpAddr) -> IpAddr {
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
            delays.push(throttle.delay(None, Some("alice")).as_millis());
            throttle.failed(None, Some("alice"));
        }
        assert_eq!(delays, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
        tokio::time::advance(FORGOTTEN_AFTER - Duration::from_secs(1)).await;
        assert_eq!(throttle.delay(None, Some("alice")), DELAY_MAX);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(throttle.delay(None, Some("alice")), Duration::ZERO);
        throttle.failed(None, Some("alice"));
        assert_eq!(throttle.delay(None, Some("alice")), Duration::ZERO, "counted from one again");
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_and_names_count_by_themselves() {
        let throttle = Throttle::new(1);
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        throttle.failed(here, Some("alice"));
        throttle.failed(here, Some("bob"));
        let delay = |address, name| throttle.delay(address, name).as_millis();
        assert_eq!(delay(here, Some("carol")), 500, "two failures of the address");
        assert_eq!(delay(here, None), 500);
        assert_eq!(delay(there, Some("alice")), 250, "one of the name");
        assert_eq!(delay(there, Some("carol")), 0);
        assert_eq!(delay(None, None), 0);
        throttle.succeeded("alice");
        assert_eq!(delay(there, Some("alice")), 0);
        assert_eq!(delay(here, Some("alice")), 500, "the address still counts");
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
            throttle.failed(address(one), None);
            assert_eq!(throttle.delay(address(other), None) > Duration::ZERO, is_same, "{one} {other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_free_failures_the_first_one_slows_down() {
        let throttle = Throttle::new(0);
        assert_eq!(throttle.delay(None, Some("a")), Duration::ZERO);
        throttle.failed(None, Some("a"));
        assert_eq!(throttle.delay(None, Some("a")), DELAY * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_names_are_remembered() {
        let throttle = Throttle::new(1);
        for number in 0..=ENTRIES_MAX {
            throttle.failed(None, Some(&number.to_string()));
        }
        assert_eq!(throttle.delay(None, Some("0")), Duration::ZERO, "the oldest is forgotten");
        assert_eq!(throttle.delay(None, Some("1")), DELAY);
    }
}
