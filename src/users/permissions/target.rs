//! The target of a rule: a pattern of destinations, with variables for properties of the client.
//!
//! ```text
//! target   = "**"                                       ; everything
//!          | ( "/topic/" | "/queue/" | "/app/" ) path
//!          | "/user/" ( "queue" | "topic" ) "/" path    ; the client's own
//!          | "/user/" segment [ "/" path ]              ; those of that user; percent-encoded
//!          | "/presence/" path                          ; "users", or "topic" and the topic's name
//! path     = segment *( ( "/" | "." ) segment )
//! segment  = "*" | "**" | "#" | ">" | variable | literal
//! variable = "{user}" | "{claim." NAME "}"              ; NAME may have "." and "/"
//! ```
//!
//! A variable becomes one literal segment, whatever its value contains, so a claim of a token cannot widen a rule. As
//! the owner in `/user/…` it is the user with that name. Elsewhere `.`, `/` and `%` in the value are percent-encoded,
//! since `john.doe` as two segments would be among the destinations of the user `john`.

use super::automaton::{STATES_MAX, Symbol, intersects};
use crate::destination::{DestinationKind, Owner, SEGMENTS_MAX, percent_decode};
use crate::users::Principal;
use smallvec::SmallVec;
use std::borrow::Cow;

const EVERYTHING: &str = "**";
const CLAIM: &str = "claim.";
/// Limit on the segments of a pattern: those of a name, preceded by the owner and `queue` of a user's destination.
const STEPS_MAX: usize = SEGMENTS_MAX + 2;
const _: () = assert!(STEPS_MAX < STATES_MAX);

/// The families of destinations that rules can cover.
const FAMILIES: [DestinationKind; 5] = [
    DestinationKind::Topic,
    DestinationKind::Queue,
    DestinationKind::User,
    DestinationKind::Presence,
    DestinationKind::App,
];
/// Prefixes that look like destinations but need no rule, with the reason.
const NO_TARGETS: [(&str, &str); 3] = [
    ("/users/", "each user that the header to names is judged as /user/NAME/…, so write the rule for that"),
    ("/temp-queue/", "a session's own are always allowed and others' never"),
    ("/auth/", "renewing one's own token is always allowed"),
];

/// The pattern of a rule for one client. Most rules fit inline.
pub(super) type Symbols<'a> = SmallVec<[Symbol<'a>; 12]>;

/// The destinations that a rule covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleTarget {
    /// The family; `None` for every family.
    kind: Option<DestinationKind>,
    steps: Box<[Step]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// As the owner, in the form of an [`Owner`].
    Literal(Box<str>),
    One,
    Many,
    /// The owner of the client's own destinations after `/user/`.
    Own,
    User,
    Claim(Box<str>),
}

impl RuleTarget {
    pub(super) fn parse(text: &str) -> Result<RuleTarget, String> {
        if text == EVERYTHING {
            return Ok(RuleTarget { kind: None, steps: [Step::Many].into() });
        }
        if let Some((_, why)) = NO_TARGETS.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            return Err(format!("{text:?} needs no rule: {why}"));
        }
        let Some(kind) = FAMILIES.into_iter().find(|kind| text.starts_with(kind.prefix())) else {
            let known = FAMILIES.map(DestinationKind::prefix).join(", ");
            return Err(format!(
                "{text:?} is no pattern; expected one that begins with {known}, or {EVERYTHING} alone"
            ));
        };
        let name = &text[kind.prefix().len()..];
        let mut steps = if kind == DestinationKind::User { of_a_user(name)? } else { path(name)? };
        // A repeated `**` adds nothing.
        steps.dedup_by(|step, before| *step == Step::Many && *before == Step::Many);
        if steps.len() > STEPS_MAX {
            return Err(format!("{text:?} has {} segments; a pattern has {STEPS_MAX} at most", steps.len()));
        }
        let target = RuleTarget { kind: Some(kind), steps: steps.into() };
        target.check_shape(kind, text)?;
        Ok(target)
    }

    /// Rejects a rule that can never match. It is a mistake, and for a `deny` rule a dangerous one.
    fn check_shape(&self, kind: DestinationKind, text: &str) -> Result<(), String> {
        let literal = |text: &'static str| Symbol::Literal(text.into());
        let below = |first: &[Symbol<'static>]| [first, &[Symbol::One, Symbol::Many]].concat();
        let (shapes, expected) = match kind {
            DestinationKind::User => (
                ["queue", "topic"].map(|path| below(&[Symbol::One, literal(path)])).to_vec(),
                "/user/queue/x, /user/NAME/queue/x, /user/NAME/**, or topic for queue",
            ),
            DestinationKind::Presence => (
                vec![vec![literal("users")], below(&[literal("topic")])],
                "/presence/users, /presence/topic/NAME or /presence/**",
            ),
            _ => return Ok(()),
        };
        let loosest: Symbols<'_> = self.steps.iter().map(Step::loosest).collect();
        if !shapes.iter().any(|shape| intersects(&loosest, shape, 0)) {
            return Err(format!("{text:?} matches no destination that there could be; expected {expected}"));
        }
        Ok(())
    }

    /// Returns whether the target covers destinations of this family.
    pub(super) fn is_over(&self, kind: DestinationKind) -> bool {
        self.kind.is_none_or(|own| own == kind)
    }

    /// Returns whether the target covers every destination of the family.
    pub(super) fn is_over_all_of(&self, kind: DestinationKind) -> bool {
        self.is_over(kind) && *self.steps == [Step::Many]
    }

    /// Returns the pattern for this client. A variable without a value (no name, no such claim) becomes `missing`; if
    /// `missing` is `None`, the rule does not match.
    pub(super) fn bind<'a>(
        &'a self,
        who: &'a Principal,
        owner: &'a Owner,
        missing: Option<Symbol<'a>>,
    ) -> Option<Symbols<'a>> {
        let is_owner = |at| at == 0 && self.kind == Some(DestinationKind::User);
        let variable = |at, value: Option<&'a str>| match value {
            // A segment cannot be empty.
            None | Some("") => missing.clone(),
            Some(name) if is_owner(at) => {
                Some(Symbol::Literal(Cow::Owned(Owner::user(name).as_str().to_owned())))
            }
            Some(text) => Some(Symbol::Literal(as_segment(text))),
        };
        let symbol = |(at, step): (usize, &'a Step)| match step {
            Step::Own => Some(Symbol::Literal(owner.as_str().into())),
            Step::User => variable(at, who.name.as_deref()),
            Step::Claim(name) => variable(at, who.claim(name)),
            step => Some(step.loosest()),
        };
        self.steps.iter().enumerate().map(symbol).collect()
    }
}

impl Step {
    /// Returns the symbol that matches everything that the step can match for any client.
    fn loosest(&self) -> Symbol<'_> {
        match self {
            Step::Literal(text) => Symbol::Literal((&**text).into()),
            Step::Many => Symbol::Many,
            Step::One | Step::Own | Step::User | Step::Claim(_) => Symbol::One,
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
fn of_a_user(name: &str) -> Result<Vec<Step>, String> {
    if name.starts_with("queue/") || name.starts_with("topic/") {
        let mut steps = vec![Step::Own];
        steps.extend(path(name)?);
        return Ok(steps);
    }
    let end = split(name, |character| character == '/').next().unwrap_or(name);
    let mut steps = vec![owner(end)?];
    if let Some(rest) = name[end.len()..].strip_prefix('/') {
        steps.extend(path(rest)?);
    }
    let named = steps.iter().find(|step| **step != Step::Many);
    let is_path = |text: &str| matches!(text, "queue" | "topic");
    match (&steps[0], named) {
        (Step::Many, Some(Step::User | Step::Claim(_))) => Err(after_many()),
        (Step::Many, Some(Step::Literal(text))) if !is_path(text) => Err(after_many()),
        _ => Ok(steps),
    }
}

/// Returns the error for a name after `**`: the parser could not tell a user name, which is percent-encoded, from a
/// segment, which is not.
fn after_many() -> String {
    "behind /user/** stands queue, topic or nothing; expected * for any one user, as in /user/*/queue/**"
        .to_owned()
}

/// Parses the owner after `/user/`: a percent-encoded name.
fn owner(text: &str) -> Result<Step, String> {
    if text.starts_with('~') {
        return Err(format!(
            "{text:?} is a session, whose address is open to whoever knows it; expected a user, whose name is written \
             with %7E if it begins with ~"
        ));
    }
    match step(text)? {
        Step::Literal(text) => {
            let name = percent_decode(&text).map_err(|error| error.to_string())?;
            Ok(Step::Literal(Owner::user(&name).as_str().into()))
        }
        step => Ok(step),
    }
}

fn path(text: &str) -> Result<Vec<Step>, String> {
    split(text, |character| matches!(character, '/' | '.')).map(step).collect()
}

fn step(text: &str) -> Result<Step, String> {
    match text {
        "" => Err("a segment is empty; expected something before, between and behind each / and .".to_owned()),
        "*" => Ok(Step::One),
        "**" | "#" | ">" => Ok(Step::Many),
        "{user}" => Ok(Step::User),
        _ if text.contains(['{', '}']) => claim(text).ok_or_else(|| {
            format!("{text:?} is no variable; expected {{user}} or {{claim.NAME}}, which stand alone as whole segments")
        }),
        _ if text.contains('*') => Err(format!(
            "{text:?} has * inside a segment; expected * and ** to stand alone as whole segments, and %2A for a * in a \
             user's name"
        )),
        _ => Ok(Step::Literal(text.into())),
    }
}

fn claim(text: &str) -> Option<Step> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?.strip_prefix(CLAIM)?;
    let is_name = !name.is_empty() && !name.contains(['{', '}']);
    is_name.then(|| Step::Claim(name.into()))
}

/// Splits at separators outside of braces.
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
