//! The current time on two clocks. Credentials state their expiry as a Unix time. Sessions measure time with
//! [`Instant`].

use std::time::{Duration, Instant, SystemTime};

/// Maximum distance of a time in the future. A later time is moved to this distance.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// One moment, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Seconds since the Unix epoch.
    pub(super) unix: f64,
    /// The same moment on the monotonic clock.
    pub(super) instant: Instant,
}

impl Now {
    pub(super) fn read() -> Now {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { unix: unix.as_secs_f64(), instant: Instant::now() }
    }

    /// Returns the instant at the Unix time `unix`. Returns `None` if that time is not in the future.
    pub(super) fn until(self, unix: f64) -> Option<Instant> {
        let left = unix - self.unix;
        (left > 0.0).then(|| self.instant + Duration::try_from_secs_f64(left).unwrap_or(FAR).min(FAR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn future_times_become_instants_and_past_times_do_not() {
        let now = Now { unix: 1000.0, instant: Instant::now() };
        let after = |time| Some(now.instant + time);
        for (unix, expected) in [
            (1000.5, after(Duration::from_millis(500))),
            (1060.0, after(Duration::from_secs(60))),
            (1e300, after(FAR)),
            (f64::INFINITY, after(FAR)),
            (1000.0, None),
            (999.0, None),
            (-1.0, None),
            (f64::NAN, None),
        ] {
            assert_eq!(now.until(unix), expected, "{unix}");
        }
    }
}
