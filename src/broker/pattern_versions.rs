//! Versions that tell whether a pattern that might match a topic was added or removed.
//!
//! A pattern can only match topics that begin with the same segments as the pattern before its first wildcard. Each
//! change is counted by the first two of these segments, and a topic reads the counters where a pattern that matches it
//! can have been counted:
//!
//! | pattern | counted at | topic | reads |
//! |---|---|---|---|
//! | `*.b`, `**` | nothing | `a` | nothing, `a` |
//! | `a.*` | `a` | `a.b` | nothing, `a`, `a.b` |
//! | `a.b.**`, `a.b.c.*` | `a.b` | `a.b.c` | nothing, `a`, `a.b` |
//!
//! All prefixes share a fixed number of counters. If two prefixes share one, a topic may match its patterns more often
//! than necessary.

use crate::destination::{Destination, Segment};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const SLOTS: usize = 1024;

/// The slots of the first segment and of the first two.
pub(super) type PrefixSlots = [Option<usize>; 2];

/// Counters of changes. They only grow, so the sum of several counters changes whenever one of them does.
#[derive(Debug)]
pub(super) struct PatternVersions {
    latest: AtomicU64,
    /// Changes of patterns that begin with a wildcard.
    nothing: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl PatternVersions {
    pub(super) fn new() -> PatternVersions {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        PatternVersions { latest: AtomicU64::new(0), nothing: AtomicU64::new(0), slots }
    }

    /// Counts a change: a pattern was added or removed.
    pub(super) fn change(&self, pattern: &[Segment]) {
        let literals = pattern.iter().map_while(|segment| match segment {
            Segment::Literal(literal) => Some(&**literal),
            Segment::One | Segment::Many => None,
        });
        let counter = match beginnings(literals) {
            [.., Some(two)] => &self.slots[two],
            [Some(one), None] => &self.slots[one],
            [None, None] => &self.nothing,
        };
        counter.fetch_add(1, Relaxed);
        // Last, so that a reader that sees this change sees the other one too.
        self.latest.fetch_add(1, Release);
    }

    /// Returns the version of all patterns, which changes with each change.
    pub(super) fn latest(&self) -> u64 {
        self.latest.load(Acquire)
    }

    /// Returns the version of the patterns that might match a topic with these prefixes; 0 until the first such change.
    pub(super) fn of(&self, begins: PrefixSlots) -> u64 {
        let slots = begins.into_iter().flatten();
        slots.map(|slot| self.slots[slot].load(Relaxed)).sum::<u64>() + self.nothing.load(Relaxed)
    }
}

/// Returns the slots that are read for `topic`.
pub(super) fn begins(topic: &Destination) -> PrefixSlots {
    beginnings(topic.segments())
}

fn beginnings<'a>(segments: impl Iterator<Item = &'a str>) -> PrefixSlots {
    let mut slots = [None; 2];
    // FNV-1a. The byte 0xFF occurs in no text and so ends each segment.
    let step = |hash: u64, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3);
    let mut hash = 0xCBF2_9CE4_8422_2325;
    for (slot, segment) in slots.iter_mut().zip(segments) {
        for octet in segment.bytes() {
            hash = step(hash, octet);
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
        for (name, change, concerned) in [
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
            versions.change(pattern(change).segments());
            assert_eq!(versions.of(begins(&topic)) > 0, concerned, "{name} {change}");
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
                versions.change(pattern.segments());
                prop_assert!(versions.of(begins(&topic)) > 0 || !pattern.matches(&topic));
            }
        }
    }
}
