//! Log lines about ignored headers of SEND. For each header, the broker logs at most one line a minute, regardless of
//! the number of clients.

use crate::limits::log_limit::Events;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Minimum time between two lines about the same header.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The headers that have been logged. Their number is small, because only names from the table of extension headers are
/// recorded.
#[derive(Debug, Default)]
pub(crate) struct IgnoredHeaders {
    by_name: Mutex<BTreeMap<&'static str, Events>>,
}

impl IgnoredHeaders {
    /// Counts a connection that sends this header. Returns the number of connections to report in a log line. Returns
    /// `None` if the last line about this header is less than a minute old.
    pub(crate) fn record(&self, name: &'static str, now: Instant) -> Option<u64> {
        let others = self.by_name.lock().entry(name).or_default().due(LOG_INTERVAL, now)?;
        Some(others + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_header_is_logged_once_a_minute_with_the_number_of_connections() {
        let (headers, start) = (IgnoredHeaders::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(headers.record("priority", after(0)), Some(1));
        assert_eq!(headers.record("expires", after(1)), Some(1));
        for second in 2..60 {
            assert_eq!(headers.record("priority", after(second)), None);
        }
        assert_eq!(headers.record("priority", after(60)), Some(59));
        assert_eq!(headers.record("priority", after(61)), None);
        assert_eq!(headers.record("expires", after(62)), Some(1));
    }
}
