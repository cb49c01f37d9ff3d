//! The target of a rule: a pattern of destinations, with variables for properties of the client.
//!
//! ```text
//! target   = "**"                                       ; everything
//!          | ( "/topic/" | "/queue/" | "/app/" ) path
//!          | "/user/" ( "queue" | "topic" ) "/" path    ; the client's own destinations
//!          | "/user/" segment [ "/" path ]              ; destinations of a user, whose name is percent-encoded
//!          | "/presence/" path                          ; "users", or "topic" and the topic's name
//! path     = segment *( ( "/" | "." ) segment )
//! segment  = "*" | "**" | "#" | ">" | variable | literal
//! variable = "{user}" | "{claim." NAME "}"              ; NAME may have "." and "/"
//! ```
//!
//! The value of a variable becomes one literal segment. A claim of a token therefore cannot widen a rule. As the owner
//! in `/user/…`, the value is the name of a user. Elsewhere, `.`, `/` and `%` in the value are percent-encoded.
//! Otherwise the value `john.doe` would become two segments. The destinations of the user `john.doe` would then be
//! among those of the user `john`.

use crate::auth::Principal;
use crate::destination::matcher::{PATTERN_SEGMENTS_MAX, intersects};
use crate::destination::{DestinationKind, Owner, Segment, percent_decode};
use smallvec::SmallVec;
use std::borrow::Cow;

const EVERYTHING: &str = "**";
const CLAIM: &str = "claim.";

/// Prefixes of destinations for which a rule is invalid, each with the reason.
const NO_TARGETS: [(&str, &str); 3] = [
    (
        "/users/",
        "the broker checks /user/NAME/… for each user in the header `to`. Write a rule for /user/NAME/…",
    ),
    ("/temp-queue/", "a session may always use its own temporary queues, and no others"),
    ("/auth/", "a client may always renew its token"),
];

/// A segment of the pattern of a rule, with the variables replaced by properties of one client.
pub(super) type BoundSegment<'a> = Segment<Cow<'a, str>>;
/// The pattern of a rule for one client. Most rules fit inline.
pub(super) type BoundPattern<'a> = SmallVec<[BoundSegment<'a>; 12]>;

/// The destinations that a rule covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleTarget {
    /// The family, or `None` for every family.
    kind: Option<DestinationKind>,
    segments: Box<[TargetSegment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TargetSegment {
    /// A literal text. After `/user/`, it has the form of an [`Owner`].
    Literal(Box<str>),
    One,
    Many,
    /// The owner that is the client itself, in the patterns `/user/queue/…` and `/user/topic/…`.
    Own,
    User,
    Claim(Box<str>),
}

impl RuleTarget {
    pub(super) fn parse(text: &str) -> Result<RuleTarget, String> {
        if text == EVERYTHING {
            return Ok(RuleTarget { kind: None, segments: [TargetSegment::Many].into() });
        }
        if let Some((_, reason)) = NO_TARGETS.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            return Err(format!("invalid pattern {text:?}: it needs no rule, because {reason}"));
        }
        let families = DestinationKind::all().filter(|kind| kind.has_rules());
        let Some(kind) = families.clone().find(|kind| text.starts_with(kind.prefix())) else {
            let known: Vec<_> = families.map(DestinationKind::prefix).collect();
            let known = known.join(", ");
            return Err(format!(
                "invalid pattern {text:?}: expected a pattern that begins with {known}, or {EVERYTHING} alone"
            ));
        };
        let name = &text[kind.prefix().len()..];
        let mut segments =
            if kind == DestinationKind::User { parse_user_path(name)? } else { parse_path(name)? };
        // `**` twice in a row matches the same as `**` once.
        segments
            .dedup_by(|segment, before| *segment == TargetSegment::Many && *before == TargetSegment::Many);
        if segments.len() > PATTERN_SEGMENTS_MAX {
            return Err(format!(
                "invalid pattern {text:?} with {} segments: expected at most {PATTERN_SEGMENTS_MAX}",
                segments.len()
            ));
        }
        let target = RuleTarget { kind: Some(kind), segments: segments.into() };
        target.check_shape(kind, text)?;
        Ok(target)
    }

    /// Rejects a pattern that matches no possible destination. A `deny` rule with such a pattern would silently deny
    /// nothing.
    fn check_shape(&self, kind: DestinationKind, text: &str) -> Result<(), String> {
        let literal = |text: &'static str| Segment::Literal(text.into());
        let below = |first: &[BoundSegment<'static>]| [first, &[Segment::One, Segment::Many]].concat();
        let (shapes, expected) = match kind {
            DestinationKind::User => (
                ["queue", "topic"].map(|path| below(&[Segment::One, literal(path)])).to_vec(),
                "/user/queue/x, /user/NAME/queue/x, /user/NAME/**, or topic in place of queue",
            ),
            DestinationKind::Presence => (
                vec![vec![literal("users")], below(&[literal("topic")])],
                "/presence/users, /presence/topic/NAME or /presence/**",
            ),
            _ => return Ok(()),
        };
        let loosest: BoundPattern<'_> = self.segments.iter().map(TargetSegment::loosest).collect();
        if !shapes.iter().any(|shape| intersects(&loosest, shape, 0)) {
            return Err(format!(
                "invalid pattern {text:?}: it matches no possible destination; expected {expected}"
            ));
        }
        Ok(())
    }

    /// Returns whether the target covers destinations of this family.
    pub(super) fn covers(&self, kind: DestinationKind) -> bool {
        self.kind.is_none_or(|own| own == kind)
    }

    /// Returns whether the target covers every destination of the family.
    pub(super) fn covers_all(&self, kind: DestinationKind) -> bool {
        self.covers(kind) && *self.segments == [TargetSegment::Many]
    }

    /// Returns the pattern for this client. A variable becomes `missing` if the client lacks the name or the claim. If
    /// `missing` is `None`, the result is `None`, and the rule does not match.
    pub(super) fn bind<'a>(
        &'a self,
        principal: &'a Principal,
        owner: &'a Owner,
        missing: Option<BoundSegment<'a>>,
    ) -> Option<BoundPattern<'a>> {
        let is_owner = |at| at == 0 && self.kind == Some(DestinationKind::User);
        let variable = |at, value: Option<&'a str>| match value {
            // An empty value counts as missing, because a segment cannot be empty.
            None | Some("") => missing.clone(),
            Some(name) if is_owner(at) => {
                Some(Segment::Literal(Cow::Owned(Owner::user(name).as_str().to_owned())))
            }
            Some(text) => Some(Segment::Literal(as_segment(text))),
        };
        let bound = |(at, segment): (usize, &'a TargetSegment)| match segment {
            TargetSegment::Own => Some(Segment::Literal(owner.as_str().into())),
            TargetSegment::User => variable(at, principal.name.as_deref()),
            TargetSegment::Claim(name) => variable(at, principal.claim(name)),
            segment => Some(segment.loosest()),
        };
        self.segments.iter().enumerate().map(bound).collect()
    }
}

impl TargetSegment {
    /// Returns a segment that matches every text that this segment can match for any client.
    fn loosest(&self) -> BoundSegment<'_> {
        match self {
            TargetSegment::Literal(text) => Segment::Literal((&**text).into()),
            TargetSegment::Many => Segment::Many,
            TargetSegment::One | TargetSegment::Own | TargetSegment::User | TargetSegment::Claim(_) => {
                Segment::One
            }
        }
    }
}

/// Returns the literal segment for a name or a claim.
fn as_segment(text: &str) -> Cow<'_, str> {
    if !text.contains(['.', '/', '%']) {
        return text.into();
    }
    text.replace('%', "%25").replace('.', "%2E").replace('/', "%2F").into()
}

/// Parses the text after `/user/`.
fn parse_user_path(name: &str) -> Result<Vec<TargetSegment>, String> {
    if name.starts_with("queue/") || name.starts_with("topic/") {
        let mut segments = vec![TargetSegment::Own];
        segments.extend(parse_path(name)?);
        return Ok(segments);
    }
    let end = split(name, |character| character == '/').next().unwrap_or(name);
    let mut segments = vec![parse_owner(end)?];
    if let Some(rest) = name[end.len()..].strip_prefix('/') {
        segments.extend(parse_path(rest)?);
    }
    let named = segments.iter().find(|segment| **segment != TargetSegment::Many);
    let is_path = |text: &str| matches!(text, "queue" | "topic");
    match (&segments[0], named) {
        (TargetSegment::Many, Some(TargetSegment::User | TargetSegment::Claim(_))) => Err(name_after_many()),
        (TargetSegment::Many, Some(TargetSegment::Literal(text))) if !is_path(text) => Err(name_after_many()),
        _ => Ok(segments),
    }
}

/// Returns the error for a name after `/user/**`. The name could be a user name, which is percent-encoded. Or it could
/// be a segment of the path, which is not.
fn name_after_many() -> String {
    "invalid pattern: expected queue, topic or nothing after /user/**. To match any one user, write *, as in \
     /user/*/queue/**"
        .to_owned()
}

/// Parses the owner after `/user/`: a percent-encoded name, a wildcard or a variable.
fn parse_owner(text: &str) -> Result<TargetSegment, String> {
    if text.starts_with('~') {
        return Err(format!(
            "invalid user {text:?}: expected the name of a user. For a name that begins with ~, write %7E. A text \
             that begins with ~ is the address of a session, which needs no rule"
        ));
    }
    match parse_segment(text)? {
        TargetSegment::Literal(text) => {
            let name = percent_decode(&text).map_err(|error| error.to_string())?;
            Ok(TargetSegment::Literal(Owner::user(&name).as_str().into()))
        }
        segment => Ok(segment),
    }
}

fn parse_path(text: &str) -> Result<Vec<TargetSegment>, String> {
    split(text, |character| matches!(character, '/' | '.')).map(parse_segment).collect()
}

fn parse_segment(text: &str) -> Result<TargetSegment, String> {
    match text {
        "" => Err("empty segment: expected text before and after each / and .".to_owned()),
        "*" => Ok(TargetSegment::One),
        "**" | "#" | ">" => Ok(TargetSegment::Many),
        "{user}" => Ok(TargetSegment::User),
        _ if text.contains(['{', '}']) => parse_claim(text).ok_or_else(|| {
            format!("invalid variable {text:?}: expected {{user}} or {{claim.NAME}} as a whole segment")
        }),
        _ if text.contains('*') => Err(format!(
            "invalid segment {text:?}: expected * and ** as whole segments, and %2A for a * in a user's name"
        )),
        _ => Ok(TargetSegment::Literal(text.into())),
    }
}

fn parse_claim(text: &str) -> Option<TargetSegment> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?.strip_prefix(CLAIM)?;
    let is_name = !name.is_empty() && !name.contains(['{', '}']);
    is_name.then(|| TargetSegment::Claim(name.into()))
}

/// Splits the text at separators outside of braces.
fn split(text: &str, is_separator: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |character| {
        match character {
            '{' => inside = true,
            '}' => inside = false,
            _ => {}
        }
        !inside && is_separator(character)
    })
}
