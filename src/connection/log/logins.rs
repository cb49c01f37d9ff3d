//! Decides which failed logins are logged individually. A client that reconnects without a pause fails thousands of
//! times a second. Its failures must not fill the log and must not hide other lines.

use crate::auth::network;
use crate::limits::log_limit::Events;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Time after which the failures that were not logged individually are summed up.
const WINDOW: Duration = Duration::from_secs(10);
/// Maximum number of failures of one address that are logged individually in each window.
const LOGGED_PER_ADDRESS_MAX: u64 = 5;
/// Maximum number of failures of all addresses together that are logged individually in each window.
const LOGGED_MAX: u64 = 100;
/// Maximum number of addresses that are counted separately in a window. The failures of further addresses are counted
/// together.
const ADDRESSES_MAX: usize = 1024;
/// Maximum number of addresses that have a summary each. The addresses with the most failures are chosen.
const SUMMARIES_MAX: usize = 10;

/// Counters of failed logins for each address, and of logins that could not be checked for each source.
#[derive(Debug, Default)]
pub(crate) struct LoginLog {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Start of the current window. `None` until a login fails in it.
    window_start: Option<Instant>,
    logged: u64,
    addresses: HashMap<IpAddr, Failures>,
    from_other_addresses: u64,
    sources: HashMap<&'static str, Events>,
}

#[derive(Debug, Default)]
struct Failures {
    logged: u64,
    suppressed: u64,
}

/// A summary of failures that were not logged individually.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The address, or the network in the case of IPv6. `None` if the summary covers several addresses.
    pub(crate) address: Option<IpAddr>,
    pub(crate) logins: u64,
    pub(crate) time: Duration,
}

impl LoginLog {
    /// Counts a failed login from `address`. Returns whether to log it individually.
    pub(crate) fn record_failure(&self, address: IpAddr, now: Instant) -> bool {
        let state = &mut *self.state.lock();
        state.window_start.get_or_insert(now);
        let address = network(address);
        if state.addresses.len() >= ADDRESSES_MAX && !state.addresses.contains_key(&address) {
            state.from_other_addresses += 1;
            return false;
        }
        let failures = state.addresses.entry(address).or_default();
        let is_logged = failures.logged < LOGGED_PER_ADDRESS_MAX && state.logged < LOGGED_MAX;
        if is_logged {
            failures.logged += 1;
            state.logged += 1;
        } else {
            failures.suppressed += 1;
        }
        is_logged
    }

    /// Counts a login that the source could not check. If a log line is due, returns the number of such logins since
    /// the last line.
    pub(crate) fn record_unavailable(&self, source: &'static str, now: Instant) -> Option<u64> {
        let others = self.state.lock().sources.entry(source).or_default().due(WINDOW, now)?;
        Some(others + 1)
    }

    /// If the current window is over, ends it and returns its summaries.
    pub(crate) fn summaries(&self, now: Instant) -> Vec<Summary> {
        let mut state = self.state.lock();
        let is_over = |window_start: Instant| now.saturating_duration_since(window_start) >= WINDOW;
        if state.window_start.is_none_or(|window_start| !is_over(window_start)) {
            return Vec::new();
        }
        state.summaries(now)
    }

    /// Ends the current window, even if it is not over, and returns its summaries. Called when the broker stops.
    pub(crate) fn final_summaries(&self, now: Instant) -> Vec<Summary> {
        self.state.lock().summaries(now)
    }
}

impl State {
    fn summaries(&mut self, now: Instant) -> Vec<Summary> {
        let Some(window_start) = self.window_start.take() else { return Vec::new() };
        let time = now.saturating_duration_since(window_start);
        self.logged = 0;
        let mut suppressed: Vec<_> = std::mem::take(&mut self.addresses)
            .into_iter()
            .filter(|(_, failures)| failures.suppressed > 0)
            .map(|(address, failures)| (failures.suppressed, address))
            .collect();
        suppressed.sort_unstable_by(|left, right| right.cmp(left));
        let rest = suppressed.split_off(suppressed.len().min(SUMMARIES_MAX));
        let others = std::mem::take(&mut self.from_other_addresses)
            + rest.iter().map(|(logins, _)| logins).sum::<u64>();
        let own = suppressed.into_iter().map(|(logins, address)| (logins, Some(address)));
        let others = (others > 0).then_some((others, None));
        own.chain(others).map(|(logins, address)| Summary { address, logins, time }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(number: u32) -> IpAddr {
        IpAddr::from((0xc000_0200 + number).to_be_bytes())
    }

    #[test]
    fn thousands_of_failed_logins_of_one_client_cause_few_log_lines() {
        let (log, start) = (LoginLog::default(), Instant::now());
        let logged =
            (0..12_000_u32).filter(|n| log.record_failure(address(1), start + SECOND * *n / 2000)).count();
        assert_eq!(logged, 5);
        assert!(log.record_failure(address(2), start + SECOND * 6), "another address is logged separately");
        assert_eq!(log.summaries(start + SECOND * 9), []);
        let summary = Summary { address: Some(address(1)), logins: 11_995, time: SECOND * 10 };
        assert_eq!(log.summaries(start + SECOND * 10), [summary]);
        assert_eq!(log.summaries(start + SECOND * 20), [], "no further summary");
        assert!(log.record_failure(address(1), start + SECOND * 21), "a new window begins");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_counted_together() {
        let (log, start) = (LoginLog::default(), Instant::now());
        let host = |n: u32| format!("2001:db8::{n:x}").parse().expect("an address");
        assert_eq!((1..100).filter(|n| log.record_failure(host(*n), start)).count(), 5);
        let summary = Summary { address: Some(host(0)), logins: 94, time: SECOND };
        assert_eq!(log.final_summaries(start + SECOND), [summary]);
    }

    #[test]
    fn log_lines_and_memory_are_limited_for_any_number_of_addresses() {
        let (log, start) = (LoginLog::default(), Instant::now());
        let logged = (0..5000).filter(|n| log.record_failure(address(*n), start)).count();
        assert_eq!(logged, 100);
        assert_eq!(log.state.lock().addresses.len(), ADDRESSES_MAX);
        for _ in 0..7 {
            log.record_failure(address(3), start);
        }
        let summaries = log.summaries(start + WINDOW);
        assert_eq!(summaries.len(), SUMMARIES_MAX + 1);
        assert_eq!((summaries[0].logins, summaries[SUMMARIES_MAX].address), (7, None));
        assert_eq!(summaries.iter().map(|summary| summary.logins).sum::<u64>(), 5007 - 100);
    }

    #[test]
    fn unavailable_source_is_logged_once_in_ten_seconds() {
        let (log, start) = (LoginLog::default(), Instant::now());
        assert_eq!(log.record_unavailable("hook", start), Some(1));
        for _ in 0..9 {
            assert_eq!(log.record_unavailable("hook", start + SECOND), None);
        }
        assert_eq!(log.record_unavailable("token", start + SECOND), Some(1));
        assert_eq!(log.record_unavailable("hook", start + WINDOW), Some(10));
        assert_eq!(log.record_unavailable("hook", start + WINDOW), None);
    }
}
