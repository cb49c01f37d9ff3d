//! The result of parsing the destination of a SUBSCRIBE.

use super::destination::Destination;
use super::family::DestinationKind;
use super::pattern::Pattern;
#[cfg(test)]
use super::segment::Segment;

/// The destination or pattern that a SUBSCRIBE selects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// One destination, without wildcards.
    Exact(Destination),
    /// All destinations of one family that match a pattern.
    Pattern(Pattern),
}

impl Selector {
    /// Returns the family of the destination or pattern.
    pub fn kind(&self) -> DestinationKind {
        match self {
            Selector::Exact(destination) => destination.kind(),
            Selector::Pattern(pattern) => pattern.kind(),
        }
    }

    /// Returns the text of the destination or pattern. For a user destination, it contains the owner.
    pub fn as_str(&self) -> &str {
        match self {
            Selector::Exact(destination) => destination.as_str(),
            Selector::Pattern(pattern) => pattern.as_str(),
        }
    }

    /// Returns the segments of the destination or pattern.
    #[cfg(test)]
    pub fn segments(&self) -> Vec<Segment> {
        match self {
            Selector::Exact(destination) => {
                destination.segments().map(|segment| Segment::Literal(segment.into())).collect()
            }
            Selector::Pattern(pattern) => pattern.segments().to_vec(),
        }
    }
}
