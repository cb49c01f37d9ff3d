//! Patterns with wildcards, for subscriptions.

use super::error::invalid;
use super::family::DestinationKind;
use super::name::split;
use super::segment::{Segment, wildcard};
#[cfg(test)]
use super::{destination::Destination, matcher::accepts};
use crate::rejection::Rejection;
use std::sync::Arc;

/// Maximum number of the wildcards `**`, `#` and `>` in one pattern. The cost of matching grows with it.
pub(super) const MULTI_SEGMENT_MAX: usize = 4;

/// A pattern with wildcards for destinations of one family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    kind: DestinationKind,
    text: Arc<str>,
    segments: Arc<[Segment]>,
}

impl Pattern {
    /// Creates the pattern of `text`. `segments` are the segments after the prefix.
    pub(super) fn new(kind: DestinationKind, text: Arc<str>, segments: Arc<[Segment]>) -> Pattern {
        Pattern { kind, text, segments }
    }

    /// Returns the family of the names that the pattern matches.
    pub fn kind(&self) -> DestinationKind {
        self.kind
    }

    /// Returns the segments after the prefix. The first segment of a pattern for user destinations is the owner.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the whole text with the prefix.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the pattern matches `destination`. For tests only: the broker matches all patterns at once, in a
    /// trie.
    #[cfg(test)]
    pub(crate) fn matches(&self, destination: &Destination) -> bool {
        destination.kind() == self.kind
            && accepts(&self.segments, &destination.segments().collect::<Vec<_>>())
    }
}

/// Parses the segments of a name with wildcards.
pub(super) fn segments(text: &str, name: &str) -> Result<Vec<Segment>, Rejection> {
    let many = split(name).filter(|segment| wildcard(segment) == Some(Segment::Many)).count();
    if many > MULTI_SEGMENT_MAX {
        return Err(invalid(format!(
            "{text:?} has {many} wildcards '**', '#' or '>'; expected at most {MULTI_SEGMENT_MAX} of them."
        )));
    }
    let segment = |text| wildcard(text).unwrap_or_else(|| Segment::Literal(text.into()));
    Ok(split(name).map(segment).collect())
}
