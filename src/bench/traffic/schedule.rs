//! The schedule of an open loop: the time at which each message is due, regardless of the broker.
//!
//! If a message is sent late, its latency still counts from its due time. A broker that delays publishers therefore
//! does not appear fast. This avoids coordinated omission.

const SECOND: u128 = 1_000_000_000;

/// The schedule of one publisher. All publishers share one total rate, and send in round robin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) struct Schedule {
    start: u64,
    rate: u128,
    publisher: u128,
    publishers: u128,
}

impl Schedule {
    /// Creates the schedule of one publisher. All `publishers` together send `rate` messages per second, the first at
    /// `start` (in nanoseconds).
    pub(in crate::bench) fn new(start: u64, rate: u32, publisher: usize, publishers: usize) -> Schedule {
        let rate = u128::from(rate.max(1));
        Schedule { start, rate, publisher: publisher as u128, publishers: publishers as u128 }
    }

    /// Returns the time at which this publisher's message `number` is due, in nanoseconds.
    pub(in crate::bench) fn due(&self, number: u64) -> u64 {
        let position = u128::from(number) * self.publishers + self.publisher;
        self.start + (position * SECOND / self.rate) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_alternate_at_the_common_rate() {
        let all: Vec<_> = (0..3).map(|publisher| Schedule::new(500, 1000, publisher, 3)).collect();
        for step in 0..100 {
            let schedule = all[step % 3];
            assert_eq!(schedule.due((step / 3) as u64), 500 + step as u64 * 1_000_000);
        }
    }

    #[test]
    fn rate_is_exact_over_long_times() {
        let schedule = Schedule::new(0, 7, 0, 1);
        assert_eq!(schedule.due(7 * 3600 * 24), 3600 * 24 * 1_000_000_000);
        assert_eq!((schedule.due(1), schedule.due(2)), (142_857_142, 285_714_285));
        let fast = Schedule::new(0, u32::MAX, 0, 1);
        assert_eq!(fast.due(u64::from(u32::MAX) * 1000), 1000 * 1_000_000_000);
    }
}
