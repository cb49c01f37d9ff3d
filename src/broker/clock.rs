//! Conversion of the broker's time to the time of day, for presence reports.

use std::time::{Duration, Instant, SystemTime};

/// A mapping of `Instant`s to the time of day. Changes of the system clock after the broker's start have no effect.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    /// The time at `start`, as the time since the Unix epoch.
    start_unix_time: Duration,
}

impl Clock {
    pub(super) fn new() -> Clock {
        let start_unix_time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), start_unix_time }
    }

    /// Returns `now` in milliseconds of Unix time.
    pub(super) fn unix_millis(&self, now: Instant) -> u64 {
        let time_before_start = self.start.saturating_duration_since(now);
        let unix_time = self.start_unix_time.saturating_sub(time_before_start)
            + now.saturating_duration_since(self.start);
        u64::try_from(unix_time.as_millis()).unwrap_or(u64::MAX)
    }
}
