//! Statistics of deliveries.

use crate::bench::traffic::sequence::Arrival;
use crate::bench::traffic::stamp::Stamp;
use hdrhistogram::Histogram;

/// Number of significant digits of recorded latencies, which are in nanoseconds.
const DIGITS: u8 = 3;
/// Maximum recorded latency in nanoseconds: one hour. A longer latency is recorded as one hour.
const LATENCY_MAX: u64 = 3600 * 1_000_000_000;

/// Start and end of the measurement, in nanoseconds since the run began. The end is exclusive.
pub(in crate::bench) type Interval = (u64, u64);

/// Counts of deliveries, for several receivers together.
#[derive(Clone, Debug)]
pub(in crate::bench) struct DeliveryStats {
    /// Messages that arrived for the first time.
    pub(in crate::bench) delivered: u64,
    /// Messages that arrived for the first time during the measurement.
    pub(in crate::bench) measured: u64,
    pub(in crate::bench) duplicated: u64,
    pub(in crate::bench) reordered: u64,
    pub(in crate::bench) corrupt: u64,
    pub(in crate::bench) foreign: u64,
    /// Time from the due time of a message until the receiver read it. Only messages that were due during the
    /// measurement count.
    pub(in crate::bench) latency: Histogram<u64>,
}

impl Default for DeliveryStats {
    fn default() -> DeliveryStats {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS).expect("the bounds are valid");
        DeliveryStats {
            delivered: 0,
            measured: 0,
            duplicated: 0,
            reordered: 0,
            corrupt: 0,
            foreign: 0,
            latency,
        }
    }
}

impl DeliveryStats {
    /// Records the arrival of a message of this run at time `now`. Returns whether the message has arrived for the
    /// first time.
    pub(in crate::bench) fn record(
        &mut self,
        stamp: &Stamp,
        arrival: Arrival,
        now: u64,
        (from, until): Interval,
    ) -> bool {
        match arrival {
            Arrival::Again => {
                self.duplicated += 1;
                return false;
            }
            Arrival::Late => self.reordered += 1,
            Arrival::InOrder => {}
        }
        self.delivered += 1;
        self.measured += u64::from(from <= now && now < until);
        if from <= stamp.due && stamp.due < until {
            self.latency.saturating_record(now.saturating_sub(stamp.due).max(1));
        }
        true
    }

    /// Adds the counts of `other`.
    pub(in crate::bench) fn add(&mut self, other: &DeliveryStats) {
        self.delivered += other.delivered;
        self.measured += other.measured;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
        self.foreign += other.foreign;
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_counted_by_arrival_and_latencies_by_due_time() {
        let mut stats = DeliveryStats::default();
        let interval = (100, 200);
        for (due, now) in [(90, 99), (99, 100), (100, 150), (199, 199), (199, 5000), (200, 201)] {
            let stamp = Stamp { publisher: 0, number: 0, due };
            assert!(stats.record(&stamp, Arrival::InOrder, now, interval));
        }
        assert_eq!((stats.delivered, stats.measured, stats.latency.len()), (6, 3, 3));
        assert!((4795..4810).contains(&stats.latency.max()));
    }

    #[test]
    fn faults_are_counted_and_summed() {
        let stamp = Stamp { publisher: 0, number: 0, due: 0 };
        let mut stats = DeliveryStats::default();
        assert!(!stats.record(&stamp, Arrival::Again, 5, (0, 10)));
        assert!(stats.record(&stamp, Arrival::Late, 5, (0, 10)));
        let mut sum = DeliveryStats { corrupt: 1, foreign: 2, ..DeliveryStats::default() };
        sum.add(&stats);
        sum.add(&stats);
        assert_eq!((sum.delivered, sum.measured, sum.duplicated, sum.reordered), (2, 2, 2, 2));
        assert_eq!((sum.corrupt, sum.foreign, sum.latency.len()), (1, 2, 2));
    }
}
