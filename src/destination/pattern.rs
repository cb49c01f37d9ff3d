//! Wildcards, and what a SUBSCRIBE comes to.

use super::{Address, Destination, DestinationError, Kind, split, wrong};
use std::sync::Arc;

/// Wildcards for any number of segments in one pattern at most: what matching costs grows with them.
pub(super) const MANY_MAX: usize = 4;

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text.
    Literal(Box<str>),
    /// Any one segment.
    One,
    /// Zero or more segments.
    Many,
}

/// A wildcard pattern over the names of one family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    kind: Kind,
    text: Arc<str>,
    segments: Arc<[Segment]>,
}

impl Pattern {
    /// The pattern of `text`, whose segments behind the prefix these are.
    pub(super) fn new(kind: Kind, text: Arc<str>, segments: Arc<[Segment]>) -> Pattern {
        Pattern { kind, text, segments }
    }

    /// Over which family.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The segments behind the prefix; of a user's destinations the owner first.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `destination` matches. Takes segments of the destination times segments of the pattern, never more.
    pub fn matches(&self, destination: &Destination) -> bool {
        if destination.kind() != self.kind {
            return false;
        }
        // live[i]: the first i segments of the pattern match what has been read of the destination.
        let mut live = vec![false; self.segments.len() + 1];
        live[0] = true;
        self.skip_many(&mut live);
        for read in destination.segments() {
            for at in (0..self.segments.len()).rev() {
                let here = live[at];
                match &self.segments[at] {
                    Segment::Literal(literal) => live[at + 1] = here && **literal == *read,
                    Segment::One => live[at + 1] = here,
                    // A `**` that was entered stays entered: live[at + 1] keeps what it was.
                    Segment::Many => live[at + 1] |= here,
                }
            }
            live[0] = false;
            self.skip_many(&mut live);
        }
        live[self.segments.len()]
    }

    /// `**` also matches nothing.
    fn skip_many(&self, live: &mut [bool]) {
        for (at, segment) in self.segments.iter().enumerate() {
            live[at + 1] |= live[at] && *segment == Segment::Many;
        }
    }
}

/// What a SUBSCRIBE comes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// One destination.
    Exact(Destination),
    /// All destinations of a family that match.
    Pattern(Pattern),
}

impl Selector {
    /// Parses what needs nobody to ask: as for SEND, and wildcard segments where a SUBSCRIBE may have them.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Selector, DestinationError> {
        match Address::parse_subscribe(text, bytes_max)? {
            Address::Plain(selector) => Ok(selector),
            address => address.routed().map(Selector::Exact).ok_or_else(|| {
                wrong(format!(
                    "{text:?} is nobody's without a user. Expected the name of one, as in /user/NAME/queue/x."
                ))
            }),
        }
    }

    /// Over which family.
    pub fn kind(&self) -> Kind {
        match self {
            Selector::Exact(destination) => destination.kind(),
            Selector::Pattern(pattern) => pattern.kind(),
        }
    }

    /// The text as subscribed; of a user's destination with its owner.
    pub fn as_str(&self) -> &str {
        match self {
            Selector::Exact(destination) => destination.as_str(),
            Selector::Pattern(pattern) => pattern.as_str(),
        }
    }

    /// The segments as those of a pattern.
    pub fn segments(&self) -> Vec<Segment> {
        match self {
            Selector::Exact(destination) => {
                destination.segments().map(|segment| Segment::Literal(segment.into())).collect()
            }
            Selector::Pattern(pattern) => pattern.segments().to_vec(),
        }
    }
}

/// The segments of a name with wildcards.
pub(super) fn segments(text: &str, name: &str) -> Result<Vec<Segment>, DestinationError> {
    let many = split(name).filter(|segment| wildcard(segment) == Some(Segment::Many)).count();
    if many > MANY_MAX {
        return Err(wrong(format!(
            "{text:?} has {many} wildcards for any number of segments; a pattern has {MANY_MAX} at most."
        )));
    }
    let segment = |text| wildcard(text).unwrap_or_else(|| Segment::Literal(text.into()));
    Ok(split(name).map(segment).collect())
}

/// The wildcard that a whole segment is.
pub(super) fn wildcard(segment: &str) -> Option<Segment> {
    match segment {
        "*" => Some(Segment::One),
        "**" | "#" | ">" => Some(Segment::Many),
        _ => None,
    }
}
