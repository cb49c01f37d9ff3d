//! Records which messages of one publisher have arrived.

use std::collections::BTreeMap;

/// Maximum number of recorded gaps. If there are more, the messages in the oldest gap count as lost.
const GAPS_MAX: usize = 16_384;

/// The kind of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Arrival {
    /// First arrival, and no later message has arrived yet.
    InOrder,
    /// First arrival, after a later message.
    Late,
    /// Repeated arrival, or first arrival in a gap that is no longer recorded.
    Again,
}

/// The messages of one publisher that one receiver, or one group of competing consumers, has received. Their numbers
/// begin with 0.
#[derive(Debug, Default)]
pub(in crate::bench) struct Sequence {
    next: u64,
    /// Missing numbers below `next`: maps the start of each gap to its exclusive end. Usually empty.
    gaps: BTreeMap<u64, u64>,
}

impl Sequence {
    /// Records the arrival of message `number`.
    pub(in crate::bench) fn arrive(&mut self, number: u64) -> Arrival {
        if number < self.next {
            return self.arrive_late(number);
        }
        if number > self.next {
            self.gaps.insert(self.next, number);
            if self.gaps.len() > GAPS_MAX {
                self.gaps.pop_first();
            }
        }
        self.next = number + 1;
        Arrival::InOrder
    }

    fn arrive_late(&mut self, number: u64) -> Arrival {
        let gaps = &mut self.gaps;
        let Some((&from, &to)) = gaps.range(..=number).next_back() else { return Arrival::Again };
        if number >= to {
            return Arrival::Again;
        }
        match number == from {
            true => gaps.remove(&from),
            false => gaps.insert(from, number),
        };
        if number + 1 < to {
            gaps.insert(number + 1, to);
        }
        Arrival::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn order_gaps_and_repeats_are_distinguished() {
        use Arrival::{Again, InOrder, Late};
        let mut sequence = Sequence::default();
        let arrivals = [
            (0, InOrder),
            (1, InOrder),
            (1, Again),
            (6, InOrder),
            (3, Late),
            (3, Again),
            (2, Late),
            (5, Late),
            (4, Late),
            (4, Again),
            (0, Again),
            (7, InOrder),
            (6, Again),
        ];
        for (number, expected) in arrivals {
            assert_eq!(sequence.arrive(number), expected, "{number}");
        }
        assert!(sequence.gaps.is_empty(), "a complete sequence holds no gaps");
    }

    #[test]
    fn memory_is_limited_for_any_number_of_missing_messages() {
        let mut sequence = Sequence::default();
        for number in 0..100_000 {
            assert_eq!(sequence.arrive(number * 2 + 1), Arrival::InOrder);
        }
        assert_eq!(sequence.gaps.len(), GAPS_MAX);
        assert_eq!(sequence.arrive(199_998), Arrival::Late);
        assert_eq!(sequence.arrive(0), Arrival::Again, "the oldest gaps are dropped");
    }

    proptest! {
        #[test]
        fn sequence_behaves_like_a_set_with_a_maximum(numbers in prop::collection::vec(0u64..60, 0..200)) {
            let (mut sequence, mut seen) = (Sequence::default(), BTreeSet::new());
            for number in numbers {
                let is_highest = seen.last().is_none_or(|highest| number > *highest);
                let expected = match (seen.insert(number), is_highest) {
                    (false, _) => Arrival::Again,
                    (true, true) => Arrival::InOrder,
                    (true, false) => Arrival::Late,
                };
                prop_assert_eq!(sequence.arrive(number), expected);
            }
        }
    }
}
