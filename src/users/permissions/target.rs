//! What a rule is over: a pattern of destinations, with places for what the client is.
//!
//! ```text
//! target   = "**"                                       ; everything
//!          | ( "/topic/" | "/queue/" | "/app/" ) path
//!          | "/user/" ( "queue" | "topic" ) "/" path    ; one's own
//!          | "/user/" segment [ "/" path ]              ; that user's; percent-encoded
//!          | "/presence/" path                          ; "users", or "topic" and the topic's name
//! path     = segment *( ( "/" | "." ) segment )
//! segment  = "*" | "**" | "#" | ">" | variable | literal
//! variable = "{user}" | "{claim." NAME "}"              ; NAME may have "." and "/"
//! ```
//!
//! A variable is one literal segment whatever it contains: what a token says cannot widen a rule. Right after `/user/`
//! it stands for the user of that name. Elsewhere `.`, `/` and `%` in it are percent-encoded: as two segments,
//! `john.doe` would be among the destinations of the user `john`.

use super::automaton::{STATES_MAX, Symbol, intersects};
use crate::destination::{Kind, Owner, SEGMENTS_MAX, percent_decode};
use crate::users::Principal;
use smallvec::SmallVec;
use std::borrow::Cow;

const EVERYTHING: &str = "**";
const CLAIM: &str = "claim.";
/// A name's segments, and before them the owner and `queue` of a user's destination.
const STEPS_MAX: usize = SEGMENTS_MAX + 2;
const _: () = assert!(STEPS_MAX < STATES_MAX);

/// The families that rules are about.
const FAMILIES: [Kind; 5] = [Kind::Topic, Kind::Queue, Kind::User, Kind::Presence, Kind::App];
/// What looks like a destination and needs no rule.
const NO_TARGETS: [(&str, &str); 3] = [
    ("/users/", "each user that the header to names is judged as /user/NAME/…, so write the rule for that"),
    ("/temp-queue/", "a session's own are always allowed and others' never"),
    ("/auth/", "renewing one's own token is always allowed"),
];

/// A rule's pattern with what the client is put in; few rules are longer.
pub(super) type Symbols<'a> = SmallVec<[Symbol<'a>; 12]>;

/// What a rule is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// `None`: every family.
    kind: Option<Kind>,
    steps: Box<[Step]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// In the owner's place: as an [`Owner`] writes it.
    Literal(Box<str>),
    One,
    Many,
    /// The client's own place behind `/user/`.
    Own,
    User,
    Claim(Box<str>),
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Target, String> {
        if text == EVERYTHING {
            return Ok(Target { kind: None, steps: [Step::Many].into() });
        }
        if let Some((_, why)) = NO_TARGETS.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            return Err(format!("{text:?} needs no rule: {why}"));
        }
        let Some(kind) = FAMILIES.into_iter().find(|kind| text.starts_with(kind.prefix())) else {
            let known = FAMILIES.map(Kind::prefix).join(", ");
            return Err(format!(
                "{text:?} is no pattern; expected one that begins with {known}, or {EVERYTHING} alone"
            ));
        };
        let name = &text[kind.prefix().len()..];
        let mut steps = if kind == Kind::User { of_a_user(name)? } else { path(name)? };
        // One `**` behind another adds nothing.
        steps.dedup_by(|step, before| *step == Step::Many && *before == Step::Many);
        if steps.len() > STEPS_MAX {
            return Err(format!("{text:?} has {} segments; a pattern has {STEPS_MAX} at most", steps.len()));
        }
        let target = Target { kind: Some(kind), steps: steps.into() };
        target.check_shape(kind, text)?;
        Ok(target)
    }

    /// A rule that could never match is a mistake, and a `deny` of that kind a dangerous one.
    fn check_shape(&self, kind: Kind, text: &str) -> Result<(), String> {
        let literal = |text: &'static str| Symbol::Literal(text.into());
        let below = |first: &[Symbol<'static>]| [first, &[Symbol::One, Symbol::Many]].concat();
        let (shapes, expected) = match kind {
            Kind::User => (
                ["queue", "topic"].map(|path| below(&[Symbol::One, literal(path)])).to_vec(),
                "/user/queue/x, /user/NAME/queue/x, /user/NAME/**, or topic for queue",
            ),
            Kind::Presence => (
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

    /// Whether it is over destinations of this family.
    pub(super) fn is_over(&self, kind: Kind) -> bool {
        self.kind.is_none_or(|own| own == kind)
    }

    /// Returns whether the target covers every destination of the family.
    pub(super) fn is_over_all_of(&self, kind: Kind) -> bool {
        self.is_over(kind) && *self.steps == [Step::Many]
    }

    /// The pattern for this client. What it has not (a name, a claim) becomes `missing`; `None` makes that nothing.
    pub(super) fn bind<'a>(
        &'a self,
        who: &'a Principal,
        owner: &'a Owner,
        missing: Option<Symbol<'a>>,
    ) -> Option<Symbols<'a>> {
        let is_owner = |at| at == 0 && self.kind == Some(Kind::User);
        let variable = |at, value: Option<&'a str>| match value {
            // No segment is empty.
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
    /// All that it could ever match.
    fn loosest(&self) -> Symbol<'_> {
        match self {
            Step::Literal(text) => Symbol::Literal((&**text).into()),
            Step::Many => Symbol::Many,
            Step::One | Step::Own | Step::User | Step::Claim(_) => Symbol::One,
        }
    }
}

/// Returns the name or claim as one segment, percent-encoded.
fn as_segment(text: &str) -> Cow<'_, str> {
    if !text.contains(['.', '/', '%']) {
        return text.into();
    }
    text.replace('%', "%25").replace('.', "%2E").replace('/', "%2F").into()
}

/// What stands behind `/user/`.
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

/// Behind `**` it could not be told whether a name is meant, which is percent-encoded, or a segment, which is not.
fn after_many() -> String {
    "behind /user/** stands queue, topic or nothing; expected * for any one user, as in /user/*/queue/**"
        .to_owned()
}

/// The segment behind `/user/`: a name, percent-encoded.
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

/// Splits at separators, but not inside of braces.
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
