//! Destination names and wildcard patterns, parsed once.
//!
//! ```text
//! destination = prefix name                      prefix  = "/topic/" | "/queue/" | "/temp-queue/"
//! name        = segment *( ( "/" | "." ) segment )
//! segment     = 1*octet, without "/" and "."     ; control characters are octets like any other
//! wildcard    = "*"                              ; one segment
//!             | "**" | "#" | ">"                 ; zero or more segments
//! ```
//!
//! Names are byte-distinct (`/topic/a.b` and `/topic/a/b` are two topics); for matching, `/` and `.` both
//! separate segments. A wildcard is a whole segment of a SUBSCRIBE to `/topic/…`, and stands nowhere else;
//! `*` is part of no longer segment, so that `a*` cannot look like a pattern and be none.

use std::sync::Arc;

/// The option behind the length limit.
const BYTES_MAX: &str = "destination-bytes-max";

/// Every prefix and its family.
const PREFIXES: [(&str, Kind); 3] =
    [("/topic/", Kind::Topic), ("/queue/", Kind::Queue), ("/temp-queue/", Kind::TempQueue)];

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

impl Kind {
    /// What names of this family start with, both slashes included.
    pub fn prefix(self) -> &'static str {
        match self {
            Kind::Topic => PREFIXES[0].0,
            Kind::Queue => PREFIXES[1].0,
            Kind::TempQueue => PREFIXES[2].0,
        }
    }
}

/// Segments of a name or a pattern at most: what matching costs grows with them.
const SEGMENTS_MAX: usize = 64;
/// Wildcards for any number of segments in one pattern at most, for the same reason.
const MANY_MAX: usize = 4;

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
    pub fn parse(text: &str, bytes_max: usize) -> Result<Destination, DestinationError> {
        let (kind, wild) = inspect(text, bytes_max)?;
        if let Some(segment) = wild {
            return Err(wrong(format!(
                "{text:?} has the wildcard {segment:?}. A message is sent to one destination; \
                 wildcards are for SUBSCRIBE to /topic/."
            )));
        }
        Ok(Destination { kind, text: text.into() })
    }

    /// Its family.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole text, prefix included.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole text, shared.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// What stands behind the prefix.
    pub fn name(&self) -> &str {
        &self.text[self.kind.prefix().len()..]
    }

    /// The segments of the name, split at `/` and `.`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        split(self.name())
    }
}

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

/// A wildcard pattern over topics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Arc<str>,
    segments: Arc<[Segment]>,
}

impl Pattern {
    /// The segments behind the prefix.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `topic` matches. Takes segments of the topic times segments of the pattern, never more.
    pub fn matches(&self, topic: &Destination) -> bool {
        if topic.kind() != Kind::Topic {
            return false;
        }
        // live[i]: the first i segments of the pattern match what has been read of the topic.
        let mut live = vec![false; self.segments.len() + 1];
        live[0] = true;
        self.skip_many(&mut live);
        for read in topic.segments() {
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

/// What a SUBSCRIBE names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// One destination.
    Exact(Destination),
    /// All topics that match.
    Pattern(Pattern),
}

impl Selector {
    /// Parses the `destination` of a SUBSCRIBE: as for SEND, and wildcard segments in `/topic/…`.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Selector, DestinationError> {
        let (kind, wild) = inspect(text, bytes_max)?;
        let Some(wild) = wild else {
            return Ok(Selector::Exact(Destination { kind, text: text.into() }));
        };
        if kind != Kind::Topic {
            return Err(wrong(format!(
                "{text:?} has the wildcard {wild:?}. Wildcards are for /topic/ only; \
                 a queue is subscribed to by its whole name."
            )));
        }
        let name = &text[kind.prefix().len()..];
        let many = split(name).filter(|segment| wildcard(segment) == Some(Segment::Many)).count();
        if many > MANY_MAX {
            return Err(wrong(format!(
                "{text:?} has {many} wildcards for any number of segments; a pattern has {MANY_MAX} at most."
            )));
        }
        let segments = split(name)
            .map(|segment| wildcard(segment).unwrap_or_else(|| Segment::Literal(segment.into())))
            .collect();
        Ok(Selector::Pattern(Pattern { text: text.into(), segments }))
    }

    /// The text as subscribed.
    pub fn as_str(&self) -> &str {
        match self {
            Selector::Exact(destination) => destination.as_str(),
            Selector::Pattern(pattern) => pattern.as_str(),
        }
    }
}

/// What SEND and SUBSCRIBE ask of a name alike; tells the first wildcard segment.
fn inspect(text: &str, bytes_max: usize) -> Result<(Kind, Option<&str>), DestinationError> {
    if text.len() > bytes_max {
        let detail = format!("The destination has {} octets; {BYTES_MAX} allows {bytes_max}.", text.len());
        return Err(DestinationError { detail, limit: Some(BYTES_MAX) });
    }
    let Some((prefix, kind)) = PREFIXES.into_iter().find(|(prefix, _)| text.starts_with(prefix)) else {
        let known = PREFIXES.map(|(prefix, _)| prefix).join(", ");
        return Err(wrong(format!("{text:?} is no destination. Destinations start with one of: {known}.")));
    };
    let mut wild = None;
    let segments = split(&text[prefix.len()..]).count();
    if segments > SEGMENTS_MAX {
        return Err(wrong(format!(
            "The destination has {segments} segments ('/' and '.' separate them); {SEGMENTS_MAX} are the most."
        )));
    }
    for segment in split(&text[prefix.len()..]) {
        if segment.is_empty() {
            return Err(wrong(format!(
                "{text:?} has an empty segment. Something must stand between, before and behind each '/' and '.'."
            )));
        }
        if wildcard(segment).is_some() {
            wild = wild.or(Some(segment));
        } else if segment.contains('*') {
            return Err(wrong(format!(
                "{text:?} has '*' inside the segment {segment:?}. '*' and '**' stand alone, as whole segments, \
                 and only in SUBSCRIBE to /topic/; in SEND and SUBSCRIBE alike no longer segment contains '*'."
            )));
        }
    }
    Ok((kind, wild))
}

fn wrong(detail: String) -> DestinationError {
    DestinationError { detail, limit: None }
}

fn split(name: &str) -> impl Iterator<Item = &str> {
    name.split(['/', '.'])
}

fn wildcard(segment: &str) -> Option<Segment> {
    match segment {
        "*" => Some(Segment::One),
        "**" | "#" | ">" => Some(Segment::Many),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: usize = 1024;

    fn topic(name: &str) -> Destination {
        Destination::parse(&format!("/topic/{name}"), ROOM).unwrap()
    }

    fn pattern(name: &str) -> Pattern {
        match Selector::parse(&format!("/topic/{name}"), ROOM).unwrap() {
            Selector::Pattern(pattern) => pattern,
            Selector::Exact(destination) => panic!("{destination:?} is no pattern"),
        }
    }

    #[test]
    fn a_name_is_its_family_and_what_stands_behind_the_prefix() {
        for (text, kind, name, segments) in [
            ("/topic/a", Kind::Topic, "a", vec!["a"]),
            ("/topic/a.b/c", Kind::Topic, "a.b/c", vec!["a", "b", "c"]),
            ("/topic/topic/a", Kind::Topic, "topic/a", vec!["topic", "a"]),
            ("/queue/orders", Kind::Queue, "orders", vec!["orders"]),
            ("/queue/dead.orders", Kind::Queue, "dead.orders", vec!["dead", "orders"]),
            ("/temp-queue/~x", Kind::TempQueue, "~x", vec!["~x"]),
            ("/topic/ \t\n\0\u{7f}", Kind::Topic, " \t\n\0\u{7f}", vec![" \t\n\0\u{7f}"]),
            ("/topic/größe.名", Kind::Topic, "größe.名", vec!["größe", "名"]),
            ("/topic/c#", Kind::Topic, "c#", vec!["c#"]),
            ("/topic/a>b.>c", Kind::Topic, "a>b.>c", vec!["a>b", ">c"]),
        ] {
            let destination = Destination::parse(text, ROOM).unwrap();
            assert_eq!(destination.kind(), kind, "{text:?}");
            assert_eq!(destination.name(), name, "{text:?}");
            assert_eq!(destination.as_str(), text);
            assert_eq!(destination.segments().collect::<Vec<_>>(), segments, "{text:?}");
            assert_eq!(Selector::parse(text, ROOM), Ok(Selector::Exact(destination)), "{text:?}");
        }
    }

    #[test]
    fn names_are_byte_distinct() {
        assert_ne!(topic("a.b"), topic("a/b"));
        assert_ne!(topic("a"), topic("A"));
    }

    #[test]
    fn what_neither_send_nor_subscribe_may_name() {
        for (text, says) in [
            ("", "/topic/, /queue/, /temp-queue/"),
            ("topic/a", "/topic/, /queue/, /temp-queue/"),
            ("/topic", "/topic/, /queue/, /temp-queue/"),
            ("/Topic/a", "/topic/, /queue/, /temp-queue/"),
            ("/exchange/a", "/topic/, /queue/, /temp-queue/"),
            ("/topics/a", "/topic/, /queue/, /temp-queue/"),
            ("/topic/", "empty segment"),
            ("/queue//a", "empty segment"),
            ("/topic/a/", "empty segment"),
            ("/topic/a.", "empty segment"),
            ("/topic/.a", "empty segment"),
            ("/topic/a..b", "empty segment"),
            ("/topic/a./b", "empty segment"),
            ("/topic/*./b", "empty segment"),
            ("/topic/a*", "inside the segment \"a*\""),
            ("/topic/*a.b", "inside the segment \"*a\""),
            ("/topic/x.***", "inside the segment \"***\""),
            ("/topic/*.a*", "inside the segment \"a*\""),
            ("/queue/a*", "inside the segment \"a*\""),
            ("/queue/*", "wildcard"),
            ("/queue/a.#", "wildcard"),
            ("/queue/>", "wildcard"),
            ("/temp-queue/**", "wildcard"),
        ] {
            for error in [Destination::parse(text, ROOM).err(), Selector::parse(text, ROOM).err()] {
                let error = error.unwrap_or_else(|| panic!("{text:?} was taken"));
                assert!(error.to_string().contains(says), "{text:?}: {error}");
                assert_eq!(error.limit, None);
            }
        }
    }

    #[test]
    fn a_wildcard_segment_is_for_subscribe_alone() {
        for name in ["*", "**", "#", ">", "a.*", "a/#/b", "*.>"] {
            let error = Destination::parse(&format!("/topic/{name}"), ROOM).unwrap_err();
            assert!(error.detail.contains("wildcard"), "{name}: {error}");
            assert_eq!(pattern(name).as_str(), format!("/topic/{name}"));
        }
        let literal = |text: &str| Segment::Literal(text.into());
        assert_eq!(pattern("a/*.#").segments(), [literal("a"), Segment::One, Segment::Many]);
        assert_eq!(pattern("**.>.b").segments(), [Segment::Many, Segment::Many, literal("b")]);
    }

    #[test]
    fn a_name_of_the_longest_length_is_taken_and_one_octet_more_is_not() {
        assert!(Destination::parse("/topic/aé", 10).is_ok());
        for error in
            [Destination::parse("/topic/aé", 9).unwrap_err(), Selector::parse("/topic/a.*", 9).unwrap_err()]
        {
            assert_eq!(error.limit, Some("destination-bytes-max"));
            assert!(error.detail.contains("10 octets"), "{error}");
        }
    }

    #[test]
    fn wildcards_match_whole_segments() {
        for (wild, matching, other) in [
            ("*", &["a", "b"][..], &["a.b", "a/b"][..]),
            ("a.*", &["a.b", "a/b"], &["a", "b.a", "a.b.c", "ab"]),
            ("*.b", &["a.b", "b/b"], &["b", "a.a.b"]),
            ("**", &["a", "a.b", "a/b.c"], &[]),
            ("a.**", &["a", "a.b", "a.b.c"], &["b", "b.a", "ab"]),
            ("a.#", &["a", "a.b", "a.b.c"], &["b"]),
            ("a.>", &["a", "a.b", "a.b.c"], &["b"]),
            ("**.z", &["z", "a.z", "z.z", "a.b.z"], &["z.a", "a"]),
            ("a.**.z", &["a.z", "a.b.z", "a.a.z.z"], &["a", "z", "a.b"]),
            ("*.**", &["a", "a.b"], &[]),
            ("**.*", &["a", "a.b"], &[]),
            ("*.**.*", &["a.b", "a.b.c"], &["a"]),
            ("**.a.**.a.**", &["a.a", "b.a.b.a.b"], &["a", "b.a.b"]),
        ] {
            let wild = pattern(wild);
            for name in matching {
                assert!(wild.matches(&topic(name)), "{} {name}", wild.as_str());
            }
            for name in other {
                assert!(!wild.matches(&topic(name)), "{} {name}", wild.as_str());
            }
        }
        let queue = Destination::parse("/queue/a", ROOM).unwrap();
        assert!(!pattern("**").matches(&queue), "patterns are over topics");
    }

    #[test]
    fn many_wildcards_take_no_exponential_time() {
        let wild = pattern(&["**.a"; MANY_MAX].join("."));
        assert!(!wild.matches(&topic(&["a"; MANY_MAX - 1].join("."))));
        assert!(wild.matches(&topic(&["a"; SEGMENTS_MAX].join("."))));
        assert!(!wild.matches(&topic(&format!("{}.b", ["a"; SEGMENTS_MAX - 1].join(".")))));
    }

    #[test]
    fn what_matching_costs_is_bounded() {
        let long = "a.".repeat(SEGMENTS_MAX) + "a";
        for text in [format!("/topic/{long}"), format!("/queue/{long}")] {
            let error = Destination::parse(&text, ROOM).expect_err("65 segments").to_string();
            assert!(error.contains("65 segments") && error.contains("64"), "{error}");
        }
        let error = Selector::parse("/topic/**.a.#.b.>.c.**.d.**", ROOM).expect_err("five").to_string();
        assert!(error.contains("5 wildcards for any number of segments"), "{error}");
        assert!(Selector::parse("/topic/**.a.#.b.>.c.**.d.*", ROOM).is_ok());
    }

    /// The definition, word by word; exponential.
    fn by_definition(pattern: &[Segment], topic: &[&str]) -> bool {
        match pattern {
            [] => topic.is_empty(),
            [Segment::Many, rest @ ..] => (0..=topic.len()).any(|n| by_definition(rest, &topic[n..])),
            [Segment::One, rest @ ..] => !topic.is_empty() && by_definition(rest, &topic[1..]),
            [Segment::Literal(literal), rest @ ..] => {
                topic.first() == Some(&&**literal) && by_definition(rest, &topic[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn matches_is_the_definition(
            wild in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**", "#"]), 0..5),
            name in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..7),
        ) {
            let wild = pattern(&[&wild[..], &["*"]].concat().join("."));
            let topic = topic(&name.join("/"));
            let segments: Vec<&str> = topic.segments().collect();
            prop_assert_eq!(wild.matches(&topic), by_definition(wild.segments(), &segments));
        }

        #[test]
        fn no_text_panics(text in "(/topic/|/queue/|/temp-queue/|)[ab*#>./\u{0}é]{0,12}", room in 0usize..30) {
            let send = Destination::parse(&text, room);
            let subscribe = Selector::parse(&text, room);
            // Whatever can be sent to can be subscribed to by the same name.
            if let Ok(destination) = send {
                prop_assert_eq!(subscribe, Ok(Selector::Exact(destination)));
            }
        }
    }
}
