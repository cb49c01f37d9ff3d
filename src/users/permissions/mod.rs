//! What a principal may do. Pure: no clock, no lock, no log.
//!
//! The operator's [rules](Rule) are gone down in order, behind them those that something else brings along, last a
//! [`Preset`]'s. For one destination the first that matches decides. For a wildcard subscription a `deny` that has a
//! destination in common with it refuses, an `allow` that holds all of it grants, and an `allow` of a part is passed
//! over. The end refuses.
//!
//! Before any rule: services may do everything, and so may anybody with a temporary queue (the session has made sure
//! whose it is), in answering at a session's address, and in subscribing to one's own `/user/queue/errors`: no rule can
//! have a session refused without a word. Subscribing to another user's destinations is refused by the
//! session itself, whatever the rules say.

mod automaton;
mod preset;
mod rule;
mod target;
#[cfg(test)]
mod tests;

pub use preset::Preset;
pub use rule::{Group, Rule};

use super::Principal;
use crate::destination::{Kind, Owner, Segment, Selector};
use automaton::{Symbol, accepts, contains, intersects};
use rule::Effect;
use smallvec::SmallVec;
use std::sync::Arc;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// SEND.
    Send,
    /// SUBSCRIBE.
    Subscribe,
}

impl Verb {
    /// As rules say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Send => "send",
            Verb::Subscribe => "subscribe",
        }
    }
}

/// What the operator says of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// What holds behind the rules (`preset`); `None`: chosen by what else is configured.
    pub preset: Option<Preset>,
    /// The rules, in order (`permission`).
    pub rules: Vec<Rule>,
}

/// All rules, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    preset: Preset,
    lines: Arc<[Line]>,
    /// What the end says.
    end: Arc<str>,
}

/// A rule, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    rule: Rule,
    origin: &'static str,
}

/// Why something may not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The rule that says so, as the operator wrote it, for the log.
    pub rule: Arc<str>,
}

/// What is asked for, behind the prefix.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Exact(&'a [&'a str]),
    Wild(&'a [Symbol<'a>]),
}

/// Who asks.
#[derive(Clone, Copy)]
struct Client<'a> {
    who: &'a Principal,
    owner: &'a Owner,
}

impl Permissions {
    /// The operator's rules; behind them those of `extra`, each with what brings it along; then the preset's.
    pub fn new(preset: Preset, rules: Vec<Rule>, extra: Vec<(&'static str, Rule)>) -> Permissions {
        let own = rules.into_iter().map(|rule| Line { rule, origin: "permission" });
        let extra = extra.into_iter().map(|(origin, rule)| Line { rule, origin });
        let last = preset.parsed().map(|rule| Line { rule, origin: preset.origin() });
        let end = format!("no rule grants it (preset {preset})").into();
        Permissions { preset, lines: own.chain(extra).chain(last).collect(), end }
    }

    /// What holds behind the rules.
    pub fn preset(&self) -> Preset {
        self.preset
    }

    /// All rules in order, each with where it comes from, for the operator.
    pub fn lines(&self) -> Vec<String> {
        self.lines.iter().map(|line| format!("{} ({})", line.rule, line.origin)).collect()
    }

    /// Returns whether a rule allows `verb` to any client of the group with any destination of the family, without the
    /// rules from `origin`. Services need no rule.
    pub fn grant_to_any(&self, group: Group, verb: Verb, kind: Kind, origin: &str) -> bool {
        let mut lines = self.lines.iter().filter(|line| line.origin != origin);
        let first =
            lines.find(|line| line.rule.is_grant(group, verb, kind) || line.rule.is_end(group, verb, kind));
        first.is_some_and(|line| line.rule.effect() == Effect::Allow)
    }

    /// Whether `who`, whose own user destinations are those of `owner`, may do that.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn judge(&self, who: &Principal, owner: &Owner, verb: Verb, to: &Selector) -> Result<(), Denied> {
        let stands_before_rules = is_reply(verb, to) || is_own_errors(verb, to, owner);
        if who.is_service() || to.kind() == Kind::TempQueue || stands_before_rules {
            return Ok(());
        }
        let client = Client { who, owner };
        match to {
            Selector::Exact(destination) => {
                let segments: SmallVec<[&str; 16]> = destination.segments().collect();
                self.judge_all(client, verb, to.kind(), Asked::Exact(&segments))
            }
            Selector::Pattern(pattern) => {
                let symbols: SmallVec<[Symbol<'_>; 12]> = pattern.segments().iter().map(symbol).collect();
                self.judge_all(client, verb, to.kind(), Asked::Wild(&symbols))
            }
        }
    }

    /// Who may not read a topic may not see either who does, and who may not have a queue may not have its dead letters:
    /// a user called `dead` is not to have everybody's by a rule for `/queue/{user}.**`.
    fn judge_all(&self, client: Client<'_>, verb: Verb, kind: Kind, asked: Asked<'_>) -> Result<(), Denied> {
        self.go_down(client, verb, kind, asked)?;
        if let (Kind::Queue, Asked::Exact(["dead", origin @ ..])) = (kind, asked)
            && !origin.is_empty()
        {
            return self.judge_all(client, verb, kind, Asked::Exact(origin));
        }
        let Some(topic) = asked.topic().filter(|_| kind == Kind::Presence) else { return Ok(()) };
        self.go_down(client, Verb::Subscribe, Kind::Topic, topic)
    }

    fn go_down(&self, client: Client<'_>, verb: Verb, kind: Kind, asked: Asked<'_>) -> Result<(), Denied> {
        for Line { rule, .. } in self.lines.iter().filter(|line| line.rule.concerns(client.who, verb, kind)) {
            let Some(pattern) = rule.pattern(client.who, client.owner) else { continue };
            let matches = match (asked, rule.effect()) {
                (Asked::Exact(segments), _) => accepts(&pattern, segments),
                (Asked::Wild(wild), Effect::Deny) => intersects(&pattern, wild, length_min(kind)),
                (Asked::Wild(wild), Effect::Allow) => contains(&pattern, wild, length_min(kind)),
            };
            match (matches, rule.effect()) {
                (true, Effect::Allow) => return Ok(()),
                (true, Effect::Deny) => return Err(Denied { rule: Arc::clone(rule.text()) }),
                (false, _) => {}
            }
        }
        Err(Denied { rule: Arc::clone(&self.end) })
    }
}

impl Default for Permissions {
    fn default() -> Permissions {
        Permissions::new(Preset::Open, Vec::new(), Vec::new())
    }
}

impl<'a> Asked<'a> {
    /// Of presence: the topic whose it is; `None` for who is online.
    fn topic(self) -> Option<Asked<'a>> {
        match self {
            Asked::Exact(["users"]) => None,
            Asked::Exact(segments) => Some(Asked::Exact(segments.get(1..).unwrap_or_default())),
            Asked::Wild([Symbol::Literal(_), topic @ ..]) => Some(Asked::Wild(topic)),
            // Any topic could be meant.
            Asked::Wild(_) => Some(Asked::Wild(&[Symbol::Many])),
        }
    }
}

/// Whether it is a message to one session, whose address is told only to those who shall answer.
fn is_reply(verb: Verb, to: &Selector) -> bool {
    verb == Verb::Send
        && to.as_str().strip_prefix(Kind::User.prefix()).is_some_and(|name| name.starts_with('~'))
}

/// Whether it is where a session hears of what it is refused.
fn is_own_errors(verb: Verb, to: &Selector, owner: &Owner) -> bool {
    let Selector::Exact(to) = to else { return false };
    verb == Verb::Subscribe
        && to.kind() == Kind::User
        && to.segments().eq([owner.as_str(), "queue", "errors"])
}

/// How many segments the destinations of a family have at least; a user's: the owner, `queue` and a name.
fn length_min(kind: Kind) -> usize {
    if kind == Kind::User { 3 } else { 1 }
}

fn symbol(segment: &Segment) -> Symbol<'_> {
    match segment {
        Segment::Literal(text) => Symbol::Literal((&**text).into()),
        Segment::One => Symbol::One,
        Segment::Many => Symbol::Many,
    }
}
