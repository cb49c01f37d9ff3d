//! Versions that change when a pattern that might match a topic is added or removed.
//!
//! A pattern matches only topics that begin with the segments before its first wildcard. The first two of these
//! segments are the *prefix* of the pattern. If there are fewer than two, the prefix is shorter. Each prefix has a
//! counter of the patterns that were added or removed. A topic reads the counters of all prefixes that a matching
//! pattern can have:
//!
//! | pattern | prefix | topic | prefixes whose counters the topic reads |
//! |---|---|---|---|
//! | `*.b`, `**` | none | `a` | none, `a` |
//! | `a.*` | `a` | `a.b` | none, `a`, `a.b` |
//! | `a.b.**`, `a.b.c.*` | `a.b` | `a.b.c` | none, `a`, `a.b` |
//!
//! The number of counters is fixed, and the hash of a prefix selects its counter. If two prefixes have the same
//! counter, the patterns of a topic may be matched more often than necessary.

use crate::destination::{Destination, Segment};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const SLOTS: usize = 1024;

/// The indexes of two counters: that of a topic's first segment, and that of its first two segments. The second one is
/// `None` if the topic has only one segment.
pub(crate) type PrefixSlots = [Option<usize>; 2];

/// Counters of changes. They only grow, so the sum of several counters changes whenever one of them does.
#[derive(Debug)]
pub(crate) struct PatternVersions {
    latest: AtomicU64,
    /// The counter for patterns that begin with a wildcard.
    wildcard_first: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl PatternVersions {
    pub(crate) fn new() -> PatternVersions {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        PatternVersions { latest: AtomicU64::new(0), wildcard_first: AtomicU64::new(0), slots }
    }

    /// Records that a pattern was added or removed.
    pub(crate) fn record_change(&self, pattern: &[Segment]) {
        let literals = pattern.iter().map_while(|segment| match segment {
            Segment::Literal(literal) => Some(&**literal),
            Segment::One | Segment::Many => None,
        });
        let counter = match slots_of(literals) {
            [.., Some(two)] => &self.slots[two],
            [Some(one), None] => &self.slots[one],
            [None, None] => &self.wildcard_first,
        };
        counter.fetch_add(1, Relaxed);
        // Incremented last: a reader that sees the new value of `latest` also sees the new value of `counter`.
        self.latest.fetch_add(1, Release);
    }

    /// Returns the version of all patterns, which changes whenever a pattern is added or removed.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Acquire)
    }

    /// Returns the version of the patterns that might match a topic with these slots. It is 0 until such a pattern is
    /// added.
    pub(crate) fn of_prefixes(&self, slots: PrefixSlots) -> u64 {
        let slots = slots.into_iter().flatten();
        slots.map(|slot| self.slots[slot].load(Relaxed)).sum::<u64>() + self.wildcard_first.load(Relaxed)
    }
}

/// Returns the counters to read for `topic`: those of its first segment and of its first two segments.
pub(crate) fn prefix_slots(topic: &Destination) -> PrefixSlots {
    slots_of(topic.segments())
}

fn slots_of<'a>(segments: impl Iterator<Item = &'a str>) -> PrefixSlots {
    let mut slots = [None; 2];
    // The hash is FNV-1a. The byte 0xFF does not occur in UTF-8 text, and marks the end of each segment.
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let mut hash = 0xCBF2_9CE4_8422_2325;
    for (slot, segment) in slots.iter_mut().zip(segments) {
        for byte in segment.bytes() {
            hash = step(hash, byte);
        }
        hash = step(hash, 0xFF);
        *slot = Some((hash ^ (hash >> 32)) as usize % SLOTS);
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::{Pattern, Selector};
    use proptest::prelude::*;

    fn pattern(name: &str) -> Pattern {
        match Selector::parse(&format!("/topic/{name}"), usize::MAX).expect("a pattern") {
            Selector::Pattern(pattern) => pattern,
            Selector::Exact(destination) => panic!("{destination:?} is not a pattern"),
        }
    }

    fn topic(name: &str) -> Destination {
        Destination::parse(&format!("/topic/{name}"), usize::MAX).expect("a topic")
    }

    #[test]
    fn only_patterns_with_a_common_prefix_change_the_version_of_a_topic() {
        for (name, change, is_affected) in [
            ("a", "a.*", true),
            ("a.b", "a.**", true),
            ("a.b", "a/b/**", true),
            ("a.b", "a.c.*", false),
            ("a", "a.b.*", false),
            ("a.b", "b.*", false),
            ("ab.c", "a.bc.*", false),
            ("a.b", "*.c", true),
            ("a.b.c", "a.b.d.*", true),
        ] {
            let versions = PatternVersions::new();
            let topic = topic(name);
            versions.record_change(pattern(change).segments());
            assert_eq!(versions.of_prefixes(prefix_slots(&topic)) > 0, is_affected, "{name} {change}");
            assert_eq!(versions.latest(), 1);
        }
    }

    proptest! {
        #[test]
        fn matching_pattern_changes_the_version_of_its_topic(
            wild in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 0..4),
            name in prop::collection::vec(prop::sample::select(vec!["a", "b"]), 1..5),
        ) {
            for last in ["*", "**"] {
                let (pattern, topic) = (pattern(&[&wild[..], &[last]].concat().join(".")), topic(&name.join("/")));
                let versions = PatternVersions::new();
                versions.record_change(pattern.segments());
                prop_assert!(versions.of_prefixes(prefix_slots(&topic)) > 0 || !pattern.matches(&topic));
            }
        }
    }
}
