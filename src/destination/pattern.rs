//! Wildcard patterns.

use super::destination::Destination;
use super::error::{DestinationError, invalid};
use super::kind::DestinationKind;
use super::name::split;
use super::segment::{Segment, wildcard};
use std::sync::Arc;

/// Maximum number of wildcards for any number of segments in one pattern: the cost of matching grows with them.
pub(super) const MULTI_SEGMENT_MAX: usize = 4;

/// A wildcard pattern over the names of one family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    kind: DestinationKind,
    text: Arc<str>,
    segments: Arc<[Segment]>,
}

impl Pattern {
    /// Creates the pattern of `text`. `segments` are those after the prefix.
    pub(super) fn new(kind: DestinationKind, text: Arc<str>, segments: Arc<[Segment]>) -> Pattern {
        Pattern { kind, text, segments }
    }

    /// Returns the family of the names that the pattern matches.
    pub fn kind(&self) -> DestinationKind {
        self.kind
    }

    /// Returns the segments after the prefix. For a pattern over users' destinations the first one is the owner.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the whole text with the prefix.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether `destination` matches. The cost is at most the number of segments of the destination times that
    /// of the pattern.
    pub fn matches(&self, destination: &Destination) -> bool {
        if destination.kind() != self.kind {
            return false;
        }
        // live[i]: the first i segments of the pattern match the part of the destination that has been read.
        let mut reachable = vec![false; self.segments.len() + 1];
        reachable[0] = true;
        self.skip_multi_segment_wildcards(&mut reachable);
        for read in destination.segments() {
            for at in (0..self.segments.len()).rev() {
                let here = reachable[at];
                match &self.segments[at] {
                    Segment::Literal(literal) => reachable[at + 1] = here && **literal == *read,
                    Segment::One => reachable[at + 1] = here,
                    // A `**` that was entered stays entered: live[at + 1] keeps its value.
                    Segment::Many => reachable[at + 1] |= here,
                }
            }
            reachable[0] = false;
            self.skip_multi_segment_wildcards(&mut reachable);
        }
        reachable[self.segments.len()]
    }

    /// Lets each `**` match zero segments.
    fn skip_multi_segment_wildcards(&self, reachable: &mut [bool]) {
        for (at, segment) in self.segments.iter().enumerate() {
            reachable[at + 1] |= reachable[at] && *segment == Segment::Many;
        }
    }
}

/// Parses the segments of a name with wildcards.
pub(super) fn segments(text: &str, name: &str) -> Result<Vec<Segment>, DestinationError> {
    let many = split(name).filter(|segment| wildcard(segment) == Some(Segment::Many)).count();
    if many > MULTI_SEGMENT_MAX {
        return Err(invalid(format!(
            "{text:?} has {many} wildcards for any number of segments; expected at most {MULTI_SEGMENT_MAX}."
        )));
    }
    let segment = |text| wildcard(text).unwrap_or_else(|| Segment::Literal(text.into()));
    Ok(split(name).map(segment).collect())
}
