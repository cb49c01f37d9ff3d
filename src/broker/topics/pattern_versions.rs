//! Versions that tell whether a pattern that might match a topic was added or removed.
//!
//! A pattern can only match topics that begin with the same segments as the pattern before its first wildcard. Each
//! change is counted at the prefix of up to two of these segments. A topic reads the counters of all prefixes at which
//! a pattern that matches it can have been counted:
//!
//! | pattern | prefix of its counter | topic | prefixes of the counters that it reads |
//! |---|---|---|---|
//! | `*.b`, `**` | none | `a` | none, `a` |
//! | `a.*` | `a` | `a.b` | none, `a`, `a.b` |
//! | `a.b.**`, `a.b.c.*` | `a.b` | `a.b.c` | none, `a`, `a.b` |
//!
//! All prefixes share a fixed number of counters. If two prefixes share one, a topic may match its patterns more often
//! than necessary.

use crate::destination::{Destination, Segment};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const SLOTS: usize = 1024;

/// The slots of the first segment and of the first two.
pub(crate) type PrefixSlots = [Option<usize>; 2];

/// Counters of changes. They only grow, so the sum of several counters changes whenever one of them does.
#[derive(Debug)]
pub(crate) struct PatternVersions {
    latest: AtomicU64,
    /// Changes of patterns that begin with a wildcard.
    wildcard_first: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl PatternVersions {
    pub(crate) fn new() -> PatternVersions {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        PatternVersions { latest: AtomicU64::new(0), wildcard_first: AtomicU64::new(0), slots }
    }

    /// Counts a change: a pattern was added or removed.
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
        // Last, so that a reader that sees this change sees the other one too.
        self.latest.fetch_add(1, Release);
    }

    /// Returns the version of all patterns, which changes with each change.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Acquire)
    }

    /// Returns the version of the patterns that might match a topic with these prefixes; 0 until the first such change.
    pub(crate) fn of_prefixes(&self, slots: PrefixSlots) -> u64 {
        let slots = slots.into_iter().flatten();
        slots.map(|slot| self.slots[slot].load(Relaxed)).sum::<u64>() + self.wildcard_first.load(Relaxed)
    }
}

/// Returns the slots that are read for `topic`.
pub(crate) fn prefix_slots(topic: &Destination) -> PrefixSlots {
    slots_of(topic.segments())
}

fn slots_of<'a>(segments: impl Iterator<Item = &'a str>) -> PrefixSlots {
    let mut slots = [None; 2];
    // FNV-1a. The byte 0xFF does not occur in UTF-8 text and marks the end of each segment.
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
