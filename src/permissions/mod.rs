//! Permissions of a principal. Pure: no clock, no lock, no log.
//!
//! The operator's [rules](Rule) come first, then the rules that other options add, and last the rules of the
//! [`Preset`]. For a single destination, the first rule that matches decides. For a wildcard subscription, a `deny`
//! rule decides if it matches any part of the pattern. An `allow` rule decides only if it matches the whole pattern.
//! The first rule that decides is final. If no rule decides, the request is denied.
//!
//! Some requests need no rule:
//! - A service may make any request.
//! - A client may use temporary queues. The session checks that it subscribes only to its own.
//! - A client may send to the address of a session.
//! - A client may subscribe to its own `/user/queue/errors`. A rule therefore cannot hide the errors of a session.
//!
//! Regardless of the rules, the session denies subscriptions to the destinations of another user.

mod access_denied;
mod options;
mod preset;
mod rule;
mod target;
#[cfg(test)]
mod tests;
mod verb;

pub use access_denied::AccessDenied;
pub use options::Options;
pub use preset::Preset;
pub use rule::{ClientGroup, Rule};
pub use verb::Verb;

use crate::auth::Principal;
use crate::destination::matcher::{accepts, contains, intersects};
use crate::destination::{DestinationKind, Owner, Segment, Selector};
use rule::Effect;
use smallvec::SmallVec;
use std::sync::Arc;

/// The permission rules of the broker, in the order in which they are evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    preset: Preset,
    rules: Arc<[RuleWithOrigin]>,
    /// Reason for the denial if no rule matches.
    default_denial: Arc<str>,
}

/// A rule, and the option or preset that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RuleWithOrigin {
    rule: Rule,
    origin: &'static str,
}

/// The segments of the requested destination or pattern, without the prefix of its family.
#[derive(Clone, Copy)]
enum Requested<'a> {
    Exact(&'a [&'a str]),
    Wild(&'a [Segment]),
}

/// The client that makes the request.
#[derive(Clone, Copy)]
struct Client<'a> {
    principal: &'a Principal,
    owner: &'a Owner,
}

impl Permissions {
    /// Creates permissions. The operator's `rules` come first, then the rules in `extra` with their origins, and last
    /// the rules of the preset.
    pub fn new(preset: Preset, rules: Vec<Rule>, extra: Vec<(&'static str, Rule)>) -> Permissions {
        let own = rules.into_iter().map(|rule| RuleWithOrigin { rule, origin: "permission" });
        let extra = extra.into_iter().map(|(origin, rule)| RuleWithOrigin { rule, origin });
        let last = preset.parsed().map(|rule| RuleWithOrigin { rule, origin: preset.origin() });
        let default_denial = format!("no rule allows it (preset {preset})").into();
        Permissions { preset, rules: own.chain(extra).chain(last).collect(), default_denial }
    }

    /// Returns the preset whose rules follow the other rules.
    #[cfg(test)]
    pub fn preset(&self) -> Preset {
        self.preset
    }

    /// Returns the texts of all rules in order, each with its origin, for the operator.
    pub fn describe_rules(&self) -> Vec<String> {
        self.rules.iter().map(|entry| format!("{} ({})", entry.rule, entry.origin)).collect()
    }

    /// Returns whether the rules may allow `verb` to some clients of the group for some destinations of the family.
    /// Ignores the rules from `origin`. Ignores services, which need no rule.
    pub fn grants_to_any(&self, group: ClientGroup, verb: Verb, kind: DestinationKind, origin: &str) -> bool {
        let mut rules = self.rules.iter().filter(|entry| entry.origin != origin);
        let first = rules.find(|entry| {
            entry.rule.may_grant(group, verb, kind) || entry.rule.denies_all(group, verb, kind)
        });
        first.is_some_and(|entry| entry.rule.effect() == Effect::Allow)
    }

    /// Checks that `principal` may use `verb` with `to`. `owner` is the owner of the client's own user destinations.
    ///
    /// # Errors
    /// The error contains the rule that denies the request, or another reason if no rule allows it.
    pub fn check(
        &self,
        principal: &Principal,
        owner: &Owner,
        verb: Verb,
        to: &Selector,
    ) -> Result<(), AccessDenied> {
        let needs_no_rule = is_reply(verb, to) || is_own_errors(verb, to, owner);
        if principal.is_service() || to.kind() == DestinationKind::TempQueue || needs_no_rule {
            return Ok(());
        }
        let client = Client { principal, owner };
        match to {
            Selector::Exact(destination) => {
                let segments: SmallVec<[&str; 16]> = destination.segments().collect();
                self.check_rules(client, verb, to.kind(), Requested::Exact(&segments))
            }
            Selector::Pattern(pattern) => {
                self.check_rules(client, verb, to.kind(), Requested::Wild(pattern.segments()))
            }
        }
    }

    /// Evaluates the rules for a request and for the permissions on which it depends. A subscription to the presence of
    /// a topic also requires permission to subscribe to the topic. A dead letter queue also requires permission for its
    /// queue. Otherwise a rule for `/queue/{user}.**` would give all dead letters to a user called `dead`.
    fn check_rules(
        &self,
        client: Client<'_>,
        verb: Verb,
        kind: DestinationKind,
        requested: Requested<'_>,
    ) -> Result<(), AccessDenied> {
        self.evaluate(client, verb, kind, requested)?;
        if let (DestinationKind::Queue, Requested::Exact(["dead", origin @ ..])) = (kind, requested)
            && !origin.is_empty()
        {
            return self.check_rules(client, verb, kind, Requested::Exact(origin));
        }
        let Some(topic) = requested.topic().filter(|_| kind == DestinationKind::Presence) else {
            return Ok(());
        };
        self.evaluate(client, Verb::Subscribe, DestinationKind::Topic, topic)
    }

    fn evaluate(
        &self,
        client: Client<'_>,
        verb: Verb,
        kind: DestinationKind,
        requested: Requested<'_>,
    ) -> Result<(), AccessDenied> {
        for RuleWithOrigin { rule, .. } in
            self.rules.iter().filter(|entry| entry.rule.applies_to(client.principal, verb, kind))
        {
            let Some(pattern) = rule.pattern(client.principal, client.owner) else { continue };
            let matches = match (requested, rule.effect()) {
                (Requested::Exact(segments), _) => accepts(&pattern, segments),
                (Requested::Wild(wild), Effect::Deny) => intersects(&pattern, wild, segments_min(kind)),
                (Requested::Wild(wild), Effect::Allow) => contains(&pattern, wild, segments_min(kind)),
            };
            match (matches, rule.effect()) {
                (true, Effect::Allow) => return Ok(()),
                (true, Effect::Deny) => return Err(AccessDenied { rule: Arc::clone(rule.text()) }),
                (false, _) => {}
            }
        }
        Err(AccessDenied { rule: Arc::clone(&self.default_denial) })
    }
}

impl Default for Permissions {
    fn default() -> Permissions {
        Permissions::new(Preset::Open, Vec::new(), Vec::new())
    }
}

impl<'a> Requested<'a> {
    /// Returns the topic of a presence destination. Returns `None` for `/presence/users`.
    fn topic(self) -> Option<Requested<'a>> {
        match self {
            Requested::Exact(["users"]) => None,
            Requested::Exact(segments) => Some(Requested::Exact(segments.get(1..).unwrap_or_default())),
            Requested::Wild([Segment::Literal(_), topic @ ..]) => Some(Requested::Wild(topic)),
            // The pattern may match any topic.
            Requested::Wild(_) => Some(Requested::Wild(&[Segment::Many])),
        }
    }
}

/// Returns whether the request is a SEND to the address of a session. Only clients that may answer the session know
/// this address.
fn is_reply(verb: Verb, to: &Selector) -> bool {
    verb == Verb::Send
        && to.as_str().strip_prefix(DestinationKind::User.prefix()).is_some_and(|name| name.starts_with('~'))
}

/// Returns whether the request is a SUBSCRIBE to the client's own `/user/queue/errors`.
fn is_own_errors(verb: Verb, to: &Selector, owner: &Owner) -> bool {
    let Selector::Exact(to) = to else { return false };
    verb == Verb::Subscribe
        && to.kind() == DestinationKind::User
        && to.segments().eq([owner.as_str(), "queue", "errors"])
}

/// Returns the minimum number of segments of a destination of the family. A user destination has at least three: the
/// owner, `queue` or `topic`, and a name.
fn segments_min(kind: DestinationKind) -> usize {
    if kind == DestinationKind::User { 3 } else { 1 }
}
