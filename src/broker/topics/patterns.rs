//! Wildcard subscriptions: a trie over segments, with one group of subscribers for each pattern.
//!
//! ```text
//!   root ──"a"── o ──*── o  group of /topic/a.*
//!     │          └───**─ o  group of /topic/a.**
//!     └────**─── o ──"z"─ o  group of /topic/**.z
//! ```
//!
//! Matching a name visits each node at most once, even if `**` can match in many ways, see [`walk`].
//!
//! A topic caches the groups that match it, together with their versions ([`PatternVersions`]). The topic is matched
//! again after a group that might match it was added or removed. Members are added and removed under the lock of their
//! group, and a publisher holds this lock while it pushes. Nothing is therefore pushed to a subscription after it was
//! dropped. A topic may still cache a group that was removed. Such a group is empty, and keeps no outbound queue alive.

mod pattern_group;
mod trie;
mod walk;

use self::pattern_group::PatternGroup;
use self::trie::Trie;
use self::walk::Walk;
use super::pattern_versions::{PatternVersions, prefix_slots};
use super::subscriber_list::{SubscriberList, SubscriberSlot};
use crate::broker::subscriber::Subscriber;
use crate::budget::{Budget, allocation};
use crate::destination::{Destination, Pattern};
use crate::work;
use parking_lot::RwLock;
use std::sync::Arc;

/// The groups that match a topic, at a certain version. The default is the state before any pattern was added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matched {
    /// The version of all patterns.
    latest: u64,
    /// The version of the patterns that might match the topic.
    version: u64,
    pub(crate) groups: Vec<Arc<PatternGroup>>,
}

impl Matched {
    /// Returns the bytes of the list.
    pub(crate) fn bytes(&self) -> usize {
        allocation(self.groups.capacity() * size_of::<Arc<PatternGroup>>())
    }
}

/// The pattern subscriptions of one family.
#[derive(Debug)]
pub(crate) struct Patterns {
    trie: RwLock<Trie>,
    /// The versions, which change under the trie's write lock.
    versions: PatternVersions,
    /// The budget to which the patterns are charged.
    share: Option<Arc<Budget>>,
}

/// A member of a pattern's group.
#[derive(Debug)]
pub(crate) struct Membership {
    group: Arc<PatternGroup>,
    slot: SubscriberSlot,
}

impl Membership {
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.group.pattern
    }
}

impl Patterns {
    pub(crate) fn new() -> Patterns {
        Patterns { trie: RwLock::new(Trie::new()), versions: PatternVersions::new(), share: None }
    }

    /// Creates an empty index whose memory is charged to `share`.
    pub(crate) fn charged_to(share: &Arc<Budget>) -> Patterns {
        Patterns { share: Some(share.clone()), ..Patterns::new() }
    }

    /// Returns the bytes of a pattern that shares no node with other patterns, and of its first subscriber.
    pub(crate) fn bytes(pattern: &Pattern) -> usize {
        Trie::nodes_bytes(pattern) + PatternGroup::bytes(pattern) + SubscriberList::first_bytes()
    }

    /// Adds a subscriber. Every message that is published after this function returns reaches it.
    pub(crate) fn subscribe(&self, pattern: &Pattern, subscriber: Subscriber) -> Membership {
        work::add(pattern.segments().len());
        let group = {
            let mut trie = self.trie.write();
            let (group, is_new) = trie.join(pattern);
            if is_new {
                self.versions.record_change(pattern.segments());
                trie.charge(self.share.as_ref());
            }
            group
        };
        let mut subscribers = group.subscribers.write();
        let slot = subscribers.add(subscriber, 0);
        if let Some(share) = &self.share {
            subscribers.charge_to(share);
        }
        drop(subscribers);
        Membership { group, slot }
    }

    /// Removes a subscriber. Nothing is pushed to it after this function returns.
    pub(crate) fn leave(&self, membership: &Membership) {
        work::add(membership.pattern().segments().len());
        let removed = membership.group.subscribers.write().remove(membership.slot);
        let mut trie = self.trie.write();
        if trie.leave(membership.pattern()) {
            self.versions.record_change(membership.pattern().segments());
            trie.charge(self.share.as_ref());
        }
        drop(trie);
        drop(removed);
    }

    /// Updates `matched`, which is the cache of `topic` or empty. Afterwards it contains every matching pattern that
    /// was subscribed to before this call.
    pub(crate) fn update(&self, matched: &mut Matched, topic: &Destination) {
        let latest = self.versions.latest();
        if matched.latest == latest {
            return;
        }
        let prefix_slots = prefix_slots(topic);
        if matched.version == self.versions.of_prefixes(prefix_slots) {
            matched.latest = latest;
            return;
        }
        let trie = self.trie.read();
        matched.latest = self.versions.latest();
        matched.version = self.versions.of_prefixes(prefix_slots);
        matched.groups = matching(&trie, topic);
    }

    /// Returns the number of patterns that have a subscriber.
    pub(crate) fn len(&self) -> usize {
        self.trie.read().groups
    }
}

/// Returns the groups whose patterns match `topic`, and reports the visited nodes as work.
fn matching(trie: &Trie, topic: &Destination) -> Vec<Arc<PatternGroup>> {
    if trie.groups == 0 {
        return Vec::new();
    }
    let (groups, visits) = Walk::new(trie, topic).groups();
    work::add_visits(visits);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::tests::fixture::Fixture;
    use crate::destination::Selector;
    use proptest::prelude::*;

    pub(super) fn pattern(name: &str) -> Pattern {
        match Selector::parse(&format!("/topic/{name}"), usize::MAX).unwrap() {
            Selector::Pattern(pattern) => pattern,
            Selector::Exact(destination) => panic!("{destination:?} is not a pattern"),
        }
    }

    pub(super) fn topic(name: &str) -> Destination {
        Destination::parse(&format!("/topic/{name}"), usize::MAX).unwrap()
    }

    /// Returns the keys of all members whose patterns match, sorted.
    fn keys(patterns: &Patterns, topic: &Destination) -> Vec<u32> {
        keys_of(&matching(&patterns.trie.read(), topic))
    }

    fn keys_of(groups: &[Arc<PatternGroup>]) -> Vec<u32> {
        let mut keys: Vec<u32> = groups
            .iter()
            .flat_map(|group| {
                group.subscribers.read().members().iter().map(|member| member.key).collect::<Vec<_>>()
            })
            .collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn version_changes_with_groups_and_not_with_members_of_a_group() {
        let fixture = Fixture::new();
        let outbound_queue = fixture.outbound_queue();
        let patterns = Patterns::new();
        let member = |key| Subscriber { outbound_queue: outbound_queue.clone(), key };
        let start = patterns.versions.latest();
        let first = patterns.subscribe(&pattern("a.*"), member(1));
        let one = patterns.versions.latest();
        assert_ne!(start, one);
        let second = patterns.subscribe(&pattern("a/*"), member(2));
        assert_eq!(patterns.versions.latest(), one, "the same segments are the same group");
        patterns.leave(&first);
        assert_eq!(patterns.versions.latest(), one);
        assert_eq!(keys(&patterns, &topic("a.b")), [2]);
        patterns.leave(&second);
        assert_ne!(patterns.versions.latest(), one);
        assert_eq!(patterns.len(), 0);
    }

    #[test]
    fn memory_charge_follows_the_patterns_and_returns_to_zero() {
        let fixture = Fixture::new();
        let outbound_queue = fixture.outbound_queue();
        let patterns = Patterns::charged_to(&fixture.budget);
        let member = |key| Subscriber { outbound_queue: outbound_queue.clone(), key };
        let deep = |number: u32| pattern(&format!("{}*", format!("{number}.").repeat(63)));
        let mut joined: Vec<_> = (0..200).map(|key| patterns.subscribe(&deep(key), member(key))).collect();
        let used = fixture.budget.used();
        let estimates: usize = (0..200).map(|key| Patterns::bytes(&deep(key))).sum();
        assert!(used * 10 > estimates * 10 && used * 10 < estimates * 15, "{used}, estimated {estimates}");
        let shared = patterns.subscribe(&deep(7), member(200));
        assert!(fixture.budget.used() - used < 200, "a second subscriber shares the nodes of the first");
        patterns.leave(&shared);
        joined.split_off(3).iter().for_each(|one| patterns.leave(one));
        assert!(fixture.budget.used() < used / 30, "{} of {used}", fixture.budget.used());
        for key in 0..3 {
            let name = format!("{}x", format!("{key}.").repeat(63));
            assert_eq!(
                keys(&patterns, &topic(&name)),
                [key],
                "still matched after the other patterns were removed"
            );
        }
        joined.iter().for_each(|one| patterns.leave(one));
        assert_eq!(fixture.budget.used(), 0);
    }

    #[test]
    fn nodes_without_groups_are_removed() {
        let fixture = Fixture::new();
        let outbound_queue = fixture.outbound_queue();
        let patterns = Patterns::new();
        let member = |key| Subscriber { outbound_queue: outbound_queue.clone(), key };
        let long = patterns.subscribe(&pattern("a.b.**.c.*"), member(1));
        let short = patterns.subscribe(&pattern("a.b.**"), member(2));
        assert_eq!(patterns.trie.read().nodes.len(), 6);
        patterns.leave(&long);
        assert_eq!(patterns.trie.read().nodes.len(), 4);
        assert_eq!(keys(&patterns, &topic("a.b.x.c.d")), [2]);
        patterns.leave(&short);
        assert_eq!(patterns.trie.read().nodes.len(), 1);
    }

    #[test]
    fn member_is_matched_once_when_several_paths_lead_to_its_node() {
        let fixture = Fixture::new();
        let outbound_queue = fixture.outbound_queue();
        let patterns = Patterns::new();
        let wild = pattern(&["**.a"; 4].join("."));
        patterns.subscribe(&wild, Subscriber { outbound_queue: outbound_queue.clone(), key: 7 });
        patterns.subscribe(&pattern("**.#.>"), Subscriber { outbound_queue, key: 8 });
        assert_eq!(keys(&patterns, &topic(&["a"; 64].join("."))), [7, 8]);
        assert_eq!(keys(&patterns, &topic(&["a"; 3].join("."))), [8]);
    }

    /// Updates the cached groups of a topic. Returns the keys of their members, sorted.
    fn cached_keys(patterns: &Patterns, matched: &mut Matched, topic: &Destination) -> Vec<u32> {
        patterns.update(matched, topic);
        keys_of(&matched.groups)
    }

    proptest! {
        #[test]
        fn cached_groups_of_topics_follow_every_change(
            changes in prop::collection::vec(
                (prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "*", "**"]), 0..4), any::<u8>()),
                1..40,
            ),
        ) {
            let fixture = Fixture::new();
            let outbound_queue = fixture.outbound_queue();
            let patterns = Patterns::new();
            let names = ["a", "b", "a.b", "a.c", "b.a", "a.b.c", "a.b.a", "c.c.c.c"];
            let mut topics: Vec<_> = names.map(|name| (topic(name), Matched::default())).into();
            let mut joined: Vec<Membership> = Vec::new();
            for (key, (wild, choice)) in (0u32..).zip(&changes) {
                if choice % 3 == 0 && !joined.is_empty() {
                    patterns.leave(&joined.swap_remove(usize::from(*choice) % joined.len()));
                } else {
                    let wild = pattern(&[&wild[..], &["*"]].concat().join("."));
                    joined.push(patterns.subscribe(&wild, Subscriber { outbound_queue: outbound_queue.clone(), key }));
                }
                // Some topics are not updated in every step.
                for (number, (topic, matched)) in topics.iter_mut().enumerate() {
                    if (usize::from(*choice) + number) % 4 > 0 {
                        prop_assert_eq!(cached_keys(&patterns, matched, topic), keys(&patterns, topic));
                    }
                }
            }
        }

        #[test]
        fn trie_matches_the_same_topics_as_its_patterns(
            wilds in prop::collection::vec(
                (prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 0..4), any::<bool>()),
                1..20,
            ),
            names in prop::collection::vec(
                prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..6), 1..10,
            ),
        ) {
            let fixture = Fixture::new();
            let outbound_queue = fixture.outbound_queue();
            let patterns = Patterns::new();
            let mut joined = Vec::new();
            for (key, (wild, leaves)) in (0u32..).zip(&wilds) {
                let last = if key % 2 == 0 { "**" } else { "*" };
                let wild = pattern(&[&wild[..], &[last]].concat().join("."));
                let membership = patterns.subscribe(&wild, Subscriber { outbound_queue: outbound_queue.clone(), key });
                if *leaves {
                    patterns.leave(&membership);
                } else {
                    joined.push((key, wild, membership));
                }
            }
            for name in names {
                let topic = topic(&name.join("/"));
                let expected: Vec<u32> =
                    joined.iter().filter(|(_, wild, _)| wild.matches(&topic)).map(|(key, ..)| *key).collect();
                prop_assert_eq!(keys(&patterns, &topic), expected);
            }
            for (_, _, membership) in &joined {
                patterns.leave(membership);
            }
            prop_assert_eq!(patterns.len(), 0);
            prop_assert_eq!(patterns.trie.read().nodes.len(), 1);
        }
    }
}
