//! The trie of patterns. Each node stands for the segments on the path from the root to the node.

use super::pattern_group::PatternGroup;
use crate::budget::{Budget, Charge, allocation, table_allocation};
use crate::destination::{Pattern, Segment};
use parking_lot::RwLock;
use slab::Slab;
use std::collections::HashMap;
use std::sync::Arc;

/// The index of a node in the slab.
pub(super) type NodeIndex = usize;

/// The node at which all patterns begin.
pub(super) const ROOT: NodeIndex = 0;

/// A node of the trie. Its children are the nodes that one more segment leads to: a literal, `*` or `**`.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) literals: HashMap<Box<str>, NodeIndex>,
    pub(super) one: Option<NodeIndex>,
    pub(super) many: Option<NodeIndex>,
    pub(super) end: Option<PatternEnd>,
    /// Bytes of the table of literals.
    table_bytes: usize,
}

/// The pattern that ends at a node.
#[derive(Debug)]
pub(super) struct PatternEnd {
    pub(super) group: Arc<PatternGroup>,
    members: usize,
}

/// The patterns of one family of destinations, by their segments.
#[derive(Debug)]
pub(super) struct Trie {
    pub(super) nodes: Slab<Node>,
    /// Number of patterns that have a subscriber.
    pub(super) groups: usize,
    /// Bytes of the groups, of the literals, and of the nodes' tables.
    texts_bytes: usize,
    memory: Option<Charge>,
}

/// Bytes of a slab entry.
const NODE_BYTES: usize = size_of::<Node>() + size_of::<usize>();
/// Bytes of an entry in a node's table of literals.
const LITERAL_BYTES: usize = size_of::<(Box<str>, NodeIndex)>();
/// Largest capacity, in nodes, that the slab keeps even if it is nearly empty.
const IDLE_NODES: usize = 256;

impl Trie {
    pub(super) fn new() -> Trie {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Trie { nodes, groups: 0, texts_bytes: 0, memory: None }
    }

    /// Returns the bytes of the nodes of a pattern that shares no node with other patterns.
    pub(super) fn nodes_bytes(pattern: &Pattern) -> usize {
        let nodes = pattern.segments().iter().map(|segment| match segment {
            Segment::Literal(literal) => {
                NODE_BYTES + table_allocation(1, LITERAL_BYTES) + allocation(literal.len())
            }
            Segment::One | Segment::Many => NODE_BYTES,
        });
        nodes.sum()
    }

    /// Returns the bytes of the whole index.
    fn bytes(&self) -> usize {
        allocation(self.nodes.capacity() * NODE_BYTES) + self.texts_bytes
    }

    /// Adjusts the charge to the current size.
    pub(super) fn charge(&mut self, share: Option<&Arc<Budget>>) {
        let bytes = self.bytes();
        match (&mut self.memory, share) {
            (Some(memory), _) if self.groups > 0 => memory.resize(bytes),
            (memory @ None, Some(share)) if self.groups > 0 => *memory = Some(share.charge(bytes)),
            (memory, _) => *memory = None,
        }
    }

    /// Adds one member to the group of a pattern. Returns the group, and whether it is new.
    pub(super) fn join(&mut self, pattern: &Pattern) -> (Arc<PatternGroup>, bool) {
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

    /// Removes one member from the group of a pattern. If the group has no members left, removes it and the nodes that
    /// no other pattern uses, and returns `true`.
    pub(super) fn leave(&mut self, pattern: &Pattern) -> bool {
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

    fn child(&self, node_id: NodeIndex, segment: &Segment) -> Option<NodeIndex> {
        let node = &self.nodes[node_id];
        match segment {
            Segment::Literal(literal) => node.literals.get(literal).copied(),
            Segment::One => node.one,
            Segment::Many => node.many,
        }
    }

    fn add_child(&mut self, node_id: NodeIndex, segment: &Segment) -> NodeIndex {
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
