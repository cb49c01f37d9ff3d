//! Conversion of the broker's time to the time of day, for presence reports.

use std::time::{Duration, Instant, SystemTime};

/// Maps `Instant`s to the time of day, as the system clock was when the broker started.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    /// The start, as the time since the Unix epoch.
    started: Duration,
}

impl Clock {
    pub(super) fn new() -> Clock {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), started }
    }

    /// Returns `now` in milliseconds of Unix time.
    pub(super) fn millis(&self, now: Instant) -> u64 {
        let before = self.start.saturating_duration_since(now);
        let since = self.started.saturating_sub(before) + now.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
