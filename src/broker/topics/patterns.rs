//! Wildcard subscriptions: a trie over segments, with one group of subscribers for each pattern.
//!
//! ```text
//!   root ──"a"── o ──*── o  group of /topic/a.*
//!     │          └───**─ o  group of /topic/a.**
//!     └────**─── o ──"z"─ o  group of /topic/**.z
//! ```
//!
//! Matching visits each node at most once, whatever the name and however many times `**` leads there: see [`walk`].
//!
//! A topic caches the groups that match it, together with the versions that [`PatternVersions`] returned for them. It
//! matches again when a group that might match it was added or removed. Members are added and removed under the lock of
//! their group, which a publisher holds while it pushes. Nothing is therefore pushed to a subscription after it was
//! dropped, and a group that a topic still caches may be empty but holds no outbound queue of a former member.

use super::pattern_versions::{PatternVersions, prefix_slots};
use super::subscriber_list::{SubscriberList, SubscriberSlot};
use crate::broker::subscriber::Subscriber;
use crate::budget::{Budget, Charge, allocation, shared_allocation, table_allocation};
use crate::destination::{Destination, Pattern, Segment};
use crate::work;
use parking_lot::RwLock;
use slab::Slab;
use std::collections::HashMap;
use std::sync::Arc;
use walk::Walk;

mod walk;

/// The subscribers of one pattern.
#[derive(Debug)]
pub(crate) struct PatternGroup {
    /// The pattern, shared with all its subscribers.
    pattern: Pattern,
    pub(crate) subscribers: RwLock<SubscriberList>,
}

/// The groups that match a topic, as of a version. The default is the state before any pattern was added.
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

    /// Returns the bytes of a pattern that shares no node with others, and of its first subscriber.
    pub(crate) fn bytes(pattern: &Pattern) -> usize {
        let nodes = pattern.segments().iter().map(|segment| match segment {
            Segment::Literal(literal) => {
                NODE_BYTES + table_allocation(1, LITERAL_BYTES) + allocation(literal.len())
            }
            Segment::One | Segment::Many => NODE_BYTES,
        });
        nodes.sum::<usize>() + PatternGroup::bytes(pattern) + SubscriberList::first_bytes()
    }

    /// Adds a subscriber. Every message that is published after the return reaches it.
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

    /// Removes a subscriber. Nothing is pushed to it after the return.
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

    /// Updates `matched`, which belongs to this topic or is new: it then contains every pattern that was subscribed to
    /// before.
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
        matched.groups = trie.matching(topic);
    }

    /// Returns the number of patterns that have a subscriber.
    pub(crate) fn len(&self) -> usize {
        self.trie.read().groups
    }
}

type NodeId = usize;
const ROOT: NodeId = 0;

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, NodeId>,
    one: Option<NodeId>,
    many: Option<NodeId>,
    end: Option<PatternEnd>,
    /// Bytes of the table of literals.
    table_bytes: usize,
}

/// The pattern that ends at a node.
#[derive(Debug)]
struct PatternEnd {
    group: Arc<PatternGroup>,
    members: usize,
}

#[derive(Debug)]
struct Trie {
    nodes: Slab<Node>,
    groups: usize,
    /// Bytes of groups, literals and the tables of nodes.
    texts_bytes: usize,
    memory: Option<Charge>,
}

/// Bytes of a slab entry.
const NODE_BYTES: usize = size_of::<Node>() + size_of::<usize>();
/// Bytes of an entry in a node's table of literals.
const LITERAL_BYTES: usize = size_of::<(Box<str>, NodeId)>();
/// Largest number of nodes whose capacity the slab keeps even when it is nearly empty.
const IDLE_NODES: usize = 256;

impl PatternGroup {
    /// Returns the bytes of the group of a pattern, without its subscriber list.
    fn bytes(pattern: &Pattern) -> usize {
        let literals = pattern.segments().iter().map(|segment| match segment {
            Segment::Literal(literal) => allocation(literal.len()),
            Segment::One | Segment::Many => 0,
        });
        shared_allocation(size_of::<PatternGroup>())
            + shared_allocation(pattern.as_str().len())
            + shared_allocation(size_of_val(pattern.segments()))
            + literals.sum::<usize>()
    }
}

impl Trie {
    fn new() -> Trie {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Trie { nodes, groups: 0, texts_bytes: 0, memory: None }
    }

    /// Returns the bytes of the whole index.
    fn bytes(&self) -> usize {
        allocation(self.nodes.capacity() * NODE_BYTES) + self.texts_bytes
    }

    /// Adjusts the charge to the current size.
    fn charge(&mut self, share: Option<&Arc<Budget>>) {
        let bytes = self.bytes();
        match (&mut self.memory, share) {
            (Some(memory), _) if self.groups > 0 => memory.resize(bytes),
            (memory @ None, Some(share)) if self.groups > 0 => *memory = Some(share.charge(bytes)),
            (memory, _) => *memory = None,
        }
    }

    /// Adds one member to the group of a pattern. Returns the group, and whether it is new.
    fn join(&mut self, pattern: &Pattern) -> (Arc<PatternGroup>, bool) {
        let mut node_id = ROOT;
        for segment in pattern.segments() {
            node_id = match self.child(node_id, segment) {
                Some(child) => child,
                None => self.add_child(node_id, segment),
            };
        }
        if let Some(end) = &mut self.nodes[node_id].end {
            end.members += 1;
            return (end.group.clone(), false);
        }
        self.texts_bytes += PatternGroup::bytes(pattern);
        let group = Arc::new(PatternGroup { pattern: pattern.clone(), subscribers: RwLock::default() });
        self.nodes[node_id].end = Some(PatternEnd { group: group.clone(), members: 1 });
        self.groups += 1;
        (group, true)
    }

    /// Removes one member from the group of a pattern. If the group has no members left, removes it with the nodes that
    /// no other pattern uses, and returns `true`.
    fn leave(&mut self, pattern: &Pattern) -> bool {
        let mut path = vec![ROOT];
        for segment in pattern.segments() {
            let node_id = path[path.len() - 1];
            path.push(
                self.child(node_id, segment).expect("the trie contains the nodes of a member's pattern"),
            );
        }
        let end = self.nodes[path[path.len() - 1]]
            .end
            .as_mut()
            .expect("the trie contains the group of a member's pattern");
        end.members -= 1;
        if end.members > 0 {
            return false;
        }
        self.nodes[path[path.len() - 1]].end = None;
        self.groups -= 1;
        self.texts_bytes -= PatternGroup::bytes(pattern);
        for (segment, step) in pattern.segments().iter().zip(path.windows(2)).rev() {
            if !self.nodes[step[1]].is_unused() {
                break;
            }
            self.texts_bytes -= self.nodes.remove(step[1]).table_bytes;
            self.texts_bytes -= self.nodes[step[0]].remove_child(segment);
        }
        if self.groups == 0 {
            *self = Trie::new();
        } else if self.nodes.capacity() > IDLE_NODES && self.nodes.len() < self.nodes.capacity() / 4 {
            self.compact();
        }
        true
    }

    /// Frees the memory of removed nodes: moves the remaining nodes together and keeps their order.
    fn compact(&mut self) {
        let nodes = std::mem::take(&mut self.nodes);
        let mut moved = HashMap::with_capacity(nodes.len());
        moved.extend(nodes.iter().enumerate().map(|(new, (old, _))| (old, new)));
        self.nodes = Slab::with_capacity(nodes.len());
        for (_, mut node) in nodes {
            self.texts_bytes -= node.table_bytes;
            node.literals = node.literals.into_iter().map(|(literal, old)| (literal, moved[&old])).collect();
            node.table_bytes = table_allocation(node.literals.capacity(), LITERAL_BYTES);
            self.texts_bytes += node.table_bytes;
            node.one = node.one.map(|old| moved[&old]);
            node.many = node.many.map(|old| moved[&old]);
            self.nodes.insert(node);
        }
    }

    /// Returns the groups whose patterns match, and reports the nodes visited as work.
    fn matching(&self, topic: &Destination) -> Vec<Arc<PatternGroup>> {
        if self.groups == 0 {
            return Vec::new();
        }
        let (groups, visits) = Walk::new(self, topic).groups();
        work::add_visits(visits);
        groups
    }

    fn child(&self, node_id: NodeId, segment: &Segment) -> Option<NodeId> {
        let node = &self.nodes[node_id];
        match segment {
            Segment::Literal(literal) => node.literals.get(literal).copied(),
            Segment::One => node.one,
            Segment::Many => node.many,
        }
    }

    fn add_child(&mut self, node_id: NodeId, segment: &Segment) -> NodeId {
        let child = self.nodes.insert(Node::default());
        let node = &mut self.nodes[node_id];
        match segment {
            Segment::Literal(literal) => {
                node.literals.insert(literal.clone(), child);
                let table_bytes =
                    table_allocation(node.literals.capacity(), LITERAL_BYTES).max(node.table_bytes);
                self.texts_bytes += allocation(literal.len()) + table_bytes - node.table_bytes;
                node.table_bytes = table_bytes;
            }
            Segment::One => node.one = Some(child),
            Segment::Many => node.many = Some(child),
        }
        child
    }
}

impl Node {
    fn is_unused(&self) -> bool {
        self.end.is_none() && self.one.is_none() && self.many.is_none() && self.literals.is_empty()
    }

    /// Removes a child and returns the bytes of its literal.
    fn remove_child(&mut self, segment: &Segment) -> usize {
        match segment {
            Segment::Literal(literal) => {
                return self.literals.remove(literal).map_or(0, |_| allocation(literal.len()));
            }
            Segment::One => self.one = None,
            Segment::Many => self.many = None,
        }
        0
    }
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

    /// Returns the keys of all members that match, sorted.
    fn keys(patterns: &Patterns, topic: &Destination) -> Vec<u32> {
        keys_of(&patterns.trie.read().matching(topic))
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

    /// Returns the keys of the groups that a topic has cached, after an update.
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
