//! Matching one name against the trie of patterns.
//!
//! The walk visits a node with a set of *positions*. The set contains `i` if the path to the node matches the first `i`
//! segments of the name. A name has few segments, so a set is an integer with one bit for each position. To follow an
//! edge to a child is one operation on this integer:
//!
//! | edge | positions of the child |
//! |---|---|
//! | a literal | `i + 1` for each position `i` of the parent at which the next segment of the name is this literal |
//! | `*` | `i + 1` for each position `i` of the parent |
//! | `**` | the lowest position of the parent, and all positions above it |
//!
//! A pattern matches if the set of its last node contains the number of segments of the name. Each node has one parent,
//! so the walk visits it at most once. The number of nodes therefore bounds the cost of matching a name.

use super::pattern_group::PatternGroup;
use super::trie::{NodeIndex, ROOT, Trie};
use crate::destination::Destination;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;

/// A set of positions in the name.
type Positions = u128;

/// Maximum number of segments of a name, so that every position has a bit. In a user's destination, the owner is a
/// segment too.
const SEGMENTS_MAX: usize = Positions::BITS as usize - 1;

/// Nodes to visit, each with its positions.
type PendingNodes = SmallVec<[(NodeIndex, Positions); 16]>;

/// One walk of a name through the trie.
pub(super) struct Walk<'a> {
    trie: &'a Trie,
    segments: SmallVec<[&'a str; 16]>,
    /// For each segment of the name, the positions at which it is the next one. Computed when first needed.
    positions_of_segment: HashMap<&'a str, Positions>,
    pending: PendingNodes,
    visits: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(trie: &'a Trie, name: &'a Destination) -> Walk<'a> {
        let segments: SmallVec<_> = name.segments().collect();
        debug_assert!(
            segments.len() <= SEGMENTS_MAX,
            "a parsed destination has at most SEGMENTS_MAX segments"
        );
        Walk {
            trie,
            segments,
            positions_of_segment: HashMap::new(),
            pending: SmallVec::from_iter([(ROOT, 1)]),
            visits: 0,
        }
    }

    /// Returns the groups of all patterns that match, and the number of visited nodes and edges.
    pub(super) fn groups(mut self) -> (Vec<Arc<PatternGroup>>, usize) {
        let end: Positions = 1 << self.segments.len();
        let all = end | (end - 1);
        let mut groups = Vec::new();
        while let Some((node_id, positions)) = self.pending.pop() {
            self.visits += 1;
            let node = &self.trie.nodes[node_id];
            if positions & end != 0
                && let Some(end) = &node.end
            {
                groups.push(end.group.clone());
            }
            if let Some(many) = node.many {
                self.add_pending(many, all & (positions & positions.wrapping_neg()).wrapping_neg());
            }
            // At the end of the name there is no next segment.
            let before_segment = positions & !end;
            if before_segment == 0 {
                continue;
            }
            if let Some(one) = node.one {
                self.add_pending(one, before_segment << 1);
            }
            self.follow_literals(node_id, before_segment);
        }
        (groups, self.visits)
    }

    /// Adds the children that `node_id` has for the next segments at `positions`. Iterates over the segments of the
    /// name or over the literals of the node, whichever are fewer.
    fn follow_literals(&mut self, node_id: NodeIndex, positions: Positions) {
        let literals = &self.trie.nodes[node_id].literals;
        if literals.is_empty() {
            return;
        }
        if positions.is_power_of_two() {
            self.visits += 1;
            let segment = self.segments[positions.trailing_zeros() as usize];
            if let Some(&child) = literals.get(segment) {
                self.add_pending(child, positions << 1);
            }
            return;
        }
        if self.positions_of_segment.is_empty() {
            for (position, segment) in self.segments.iter().enumerate() {
                *self.positions_of_segment.entry(segment).or_default() |= 1 << position;
            }
            self.visits += self.segments.len();
        }
        self.visits += literals.len().min(self.positions_of_segment.len());
        if literals.len() <= self.positions_of_segment.len() {
            for (literal, &child) in literals {
                let matched =
                    self.positions_of_segment.get(&**literal).map_or(0, |before| before & positions);
                add_pending(&mut self.pending, child, matched << 1);
            }
        } else {
            for (segment, before) in &self.positions_of_segment {
                if before & positions != 0
                    && let Some(&child) = literals.get(*segment)
                {
                    add_pending(&mut self.pending, child, (before & positions) << 1);
                }
            }
        }
    }

    fn add_pending(&mut self, node: NodeIndex, positions: Positions) {
        add_pending(&mut self.pending, node, positions);
    }
}

fn add_pending(pending: &mut PendingNodes, node: NodeIndex, positions: Positions) {
    if positions != 0 {
        pending.push((node, positions));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pattern, topic};
    use super::*;

    /// Returns the number of visited nodes and edges, the number of all nodes, and the number of patterns that match.
    fn cost(patterns: &[String], name: &str) -> (usize, usize, usize) {
        let mut trie = Trie::new();
        for text in patterns {
            trie.join(&pattern(text));
        }
        let (groups, visits) = Walk::new(&trie, &topic(name)).groups();
        (visits, trie.nodes.len(), groups.len())
    }

    fn literals(count: usize) -> String {
        "a.".repeat(count)
    }

    #[test]
    fn matching_visits_each_node_a_bounded_number_of_times() {
        // After each `**`, the next part of the pattern can begin at every segment of the name.
        let costly: Vec<String> = (1..58)
            .flat_map(|i| (1..58).map(move |j| (i, j)))
            .filter(|(i, j)| i + j < 59)
            .map(|(i, j)| format!("**.{}**.{}**.{}b", literals(i), literals(j), literals(59 - i - j)))
            .collect();
        assert_eq!(costly.len(), 1653);
        let (visits, nodes, matched) = cost(&costly, &format!("{}a", literals(63)));
        assert_eq!(matched, 0);
        assert!(nodes > 30_000 && visits <= 10 * nodes, "{visits} visits of {nodes} nodes");
        // The same, with `*` instead of literals.
        let wild: Vec<String> =
            (2..60).map(|n| format!("**.a.{}**.{}b", "*.".repeat(n), "*.".repeat(60 - n))).collect();
        let (visits, nodes, matched) = cost(&wild, &format!("{}a", literals(63)));
        assert_eq!(matched, 0);
        assert!(visits <= 10 * nodes, "{visits} visits of {nodes} nodes");
    }

    #[test]
    fn visits_do_not_grow_with_the_number_of_literal_children() {
        let children: Vec<String> = (0..10_000).map(|n| format!("**.x{n}.*")).collect();
        let (visits, _, matched) = cost(&children, "a.b.x77.c");
        assert_eq!(matched, 1);
        assert!(visits < 20, "{visits} visits");
    }

    #[test]
    fn names_with_the_most_segments_are_matched_completely() {
        let name = format!("{}z", literals(63));
        let whole = format!("{}*.z", literals(62));
        let (_, _, matched) = cost(&["**.z".into(), "**".into(), whole, "**.a".into()], &name);
        assert_eq!(matched, 3);
    }
}
