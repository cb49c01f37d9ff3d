//! Matching one name against the trie of patterns.
//!
//! A node is visited with the set of *positions* at which it can be reached: the set contains `i` if the path to the
//! node matches the first `i` segments of the name. A name has few segments, so a set is one word of bits, and a step
//! along an edge is one operation on it:
//!
//! | edge | positions behind it |
//! |---|---|
//! | a literal | those before which that segment stands, plus one |
//! | `*` | all, plus one |
//! | `**` | the lowest, and all above it |
//!
//! A pattern matches if the position behind the last segment is in the set of its last node. Each node has one parent,
//! so it is visited at most once: the cost of a name is at most the number of nodes.

use super::{NodeId, PatternGroup, ROOT, Trie};
use crate::destination::Destination;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;

/// A set of positions in the name.
type Positions = u128;

/// Maximum number of segments of a name, the owner of a user's destination included, so that every position has a bit.
const SEGMENTS_MAX: usize = Positions::BITS as usize - 1;

/// Nodes to visit, each with its positions.
type Open = SmallVec<[(NodeId, Positions); 16]>;

/// One walk of a name through the trie.
pub(super) struct Walk<'a> {
    trie: &'a Trie,
    segments: SmallVec<[&'a str; 16]>,
    /// The positions before each segment, computed when first needed.
    places: HashMap<&'a str, Positions>,
    open: Open,
    visits: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(trie: &'a Trie, name: &'a Destination) -> Walk<'a> {
        let segments: SmallVec<_> = name.segments().collect();
        debug_assert!(segments.len() <= SEGMENTS_MAX, "a destination is parsed with fewer segments");
        Walk { trie, segments, places: HashMap::new(), open: SmallVec::from_iter([(ROOT, 1)]), visits: 0 }
    }

    /// Returns the groups of all patterns that match, and the number of nodes and edges visited.
    pub(super) fn groups(mut self) -> (Vec<Arc<PatternGroup>>, usize) {
        let end: Positions = 1 << self.segments.len();
        let all = end | (end - 1);
        let mut groups = Vec::new();
        while let Some((at, positions)) = self.open.pop() {
            self.visits += 1;
            let node = &self.trie.nodes[at];
            if positions & end != 0
                && let Some(end) = &node.end
            {
                groups.push(end.group.clone());
            }
            if let Some(many) = node.many {
                self.enter(many, all & (positions & positions.wrapping_neg()).wrapping_neg());
            }
            // No segment follows the last one.
            let before = positions & !end;
            if before == 0 {
                continue;
            }
            if let Some(one) = node.one {
                self.enter(one, before << 1);
            }
            self.follow_literals(at, before);
        }
        (groups, self.visits)
    }

    /// Enters the children that the literals at `at` lead to. Iterates over the segments at these positions or over the
    /// literals, whichever are fewer.
    fn follow_literals(&mut self, at: NodeId, positions: Positions) {
        let literals = &self.trie.nodes[at].literals;
        if literals.is_empty() {
            return;
        }
        if positions.is_power_of_two() {
            self.visits += 1;
            let segment = self.segments[positions.trailing_zeros() as usize];
            if let Some(&child) = literals.get(segment) {
                self.enter(child, positions << 1);
            }
            return;
        }
        if self.places.is_empty() {
            for (position, segment) in self.segments.iter().enumerate() {
                *self.places.entry(segment).or_default() |= 1 << position;
            }
            self.visits += self.segments.len();
        }
        self.visits += literals.len().min(self.places.len());
        if literals.len() <= self.places.len() {
            for (literal, &child) in literals {
                let matched = self.places.get(&**literal).map_or(0, |places| places & positions);
                enter(&mut self.open, child, matched << 1);
            }
        } else {
            for (segment, places) in &self.places {
                if places & positions != 0
                    && let Some(&child) = literals.get(*segment)
                {
                    enter(&mut self.open, child, (places & positions) << 1);
                }
            }
        }
    }

    fn enter(&mut self, node: NodeId, positions: Positions) {
        enter(&mut self.open, node, positions);
    }
}

fn enter(open: &mut Open, node: NodeId, positions: Positions) {
    if positions != 0 {
        open.push((node, positions));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pattern, topic};
    use super::*;

    /// Returns the number of nodes and edges visited, and of patterns that match.
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
        // Each segment of the name can begin the part behind each `**`.
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
