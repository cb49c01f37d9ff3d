//! One segment of a pattern.

/// A segment of a pattern. `T` is the type of the text of a literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment<T = Box<str>> {
    /// A segment with this text.
    Literal(T),
    /// Exactly one segment, with any text.
    One,
    /// Zero or more segments, with any texts.
    Many,
}

/// Returns the wildcard with this text. Returns `None` if the text is not a wildcard.
pub(super) fn wildcard(segment: &str) -> Option<Segment> {
    match segment {
        "*" => Some(Segment::One),
        "**" | "#" | ">" => Some(Segment::Many),
        _ => None,
    }
}
