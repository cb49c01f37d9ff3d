//! One segment of a pattern.

/// One segment of a pattern. `T` is the text of a literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment<T = Box<str>> {
    /// A segment with this text.
    Literal(T),
    /// Any one segment.
    One,
    /// Zero or more segments.
    Many,
}

/// Returns the wildcard that this text stands for, or `None` if it is not a wildcard.
pub(super) fn wildcard(segment: &str) -> Option<Segment> {
    match segment {
        "*" => Some(Segment::One),
        "**" | "#" | ">" => Some(Segment::Many),
        _ => None,
    }
}
