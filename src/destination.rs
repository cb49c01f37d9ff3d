//! Destination names and wildcard patterns, parsed once (DESIGN §2 "Names").
use std::sync::Arc;

/// The three families of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `/topic/…`: broadcast.
    Topic,
    /// `/queue/…`: work queue.
    Queue,
    /// `/temp-queue/…`: a session's own queue.
    TempQueue,
}

/// Why a text is no destination; `Display` is one or two sentences for a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DestinationError {
    /// What was wrong and what was expected.
    pub detail: String,
    /// The option of the limit, if one was exceeded.
    pub limit: Option<&'static str>,
}

/// One destination that messages can be sent to. Byte-distinct.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    kind: Kind,
    text: Arc<str>,
}

impl Destination {
    /// Parses the `destination` of a SEND: a known prefix, no empty segment, no wildcard segment.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Destination, DestinationError> { let _ = (text, bytes_max); unimplemented!() }
    /// Its family.
    pub fn kind(&self) -> Kind { self.kind }
    /// The whole text, prefix included.
    pub fn as_str(&self) -> &str { &self.text }
    /// What stands behind the prefix.
    pub fn name(&self) -> &str { unimplemented!() }
    /// The segments of the name, split at `/` and `.`.
    pub fn segments(&self) -> impl Iterator<Item = &str> { self.name().split(['/', '.']) }
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Segment { Literal(Box<str>), One, Many }

/// A wildcard pattern over topics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern { text: Arc<str>, segments: Arc<[Segment]> }
impl Pattern {
    /// The segments behind the prefix.
    pub fn segments(&self) -> &[Segment] { &self.segments }
    /// The whole text.
    pub fn as_str(&self) -> &str { &self.text }
    /// Whether `topic` matches.
    pub fn matches(&self, topic: &Destination) -> bool { let _ = topic; unimplemented!() }
}

/// What a SUBSCRIBE names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// One destination.
    Exact(Destination),
    /// All topics that match.
    Pattern(Pattern),
}
impl Selector {
    /// Parses the `destination` of a SUBSCRIBE.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Selector, DestinationError> { let _ = (text, bytes_max); unimplemented!() }
    /// The text as subscribed.
    pub fn as_str(&self) -> &str { match self { Selector::Exact(d) => d.as_str(), Selector::Pattern(p) => p.as_str() } }
}
