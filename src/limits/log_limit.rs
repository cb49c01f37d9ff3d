//! Limits log lines about events that any client can cause. At most one line per second is written.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// A limiter that decides whether an event is logged, and counts the events that are not logged.
#[derive(Debug, Default)]
pub struct LogLimit {
    events: Mutex<Events>,
}

impl LogLimit {
    /// Returns `None` if this event must not be logged. Otherwise returns the number of events that were not logged
    /// since the last line.
    pub fn due(&self, now: Instant) -> Option<u64> {
        self.events.lock().due(INTERVAL, now)
    }
}

/// A limiter like [`LogLimit`], but without a lock, and with an interval that the caller chooses.
#[derive(Debug, Default)]
pub(crate) struct Events {
    logged_at: Option<Instant>,
    suppressed: u64,
}

impl Events {
    /// Does the same as [`LogLimit::due`], with `interval` between two lines.
    pub(crate) fn due(&mut self, interval: Duration, now: Instant) -> Option<u64> {
        if self.logged_at.is_some_and(|logged_at| now.saturating_duration_since(logged_at) < interval) {
            self.suppressed += 1;
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_one_line_per_second_is_logged_with_the_number_of_suppressed_lines() {
        let limit = LogLimit::default();
        let now = Instant::now();
        assert_eq!(limit.due(now), Some(0));
        assert_eq!(limit.due(now), None);
        assert_eq!(limit.due(now + INTERVAL / 2), None);
        assert_eq!(limit.due(now + INTERVAL), Some(2));
        assert_eq!(limit.due(now + INTERVAL * 3), Some(0));
    }
}
