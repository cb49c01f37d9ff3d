//! One permission rule.
//!
//! ```text
//! rule   = effect what who target                 ; separated by blanks
//! effect = "allow" | "deny"
//! what   = "send" | "subscribe" | "all"
//! who    = "anyone" | "users" | "anonymous"       ; users: every authenticated user
//!        | "user:" NAME | "role:" NAME            ; percent-encoded
//! ```

use super::Verb;
use super::automaton::Symbol;
use super::target::{RuleTarget, Symbols};
use crate::destination::{DestinationKind, Owner, percent_decode};
use crate::users::{Principal, SERVICE};
use std::fmt;
use std::sync::Arc;

/// The expected form of a rule, for error texts.
const EXPECTED: &str = "expected four words: allow|deny, send|subscribe|all, \
                        anyone|users|anonymous|user:NAME|role:NAME, and a pattern such as /topic/news.**";

/// One rule. `Display` shows the rule as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: Arc<str>,
    effect: Effect,
    /// The action; `None` for all.
    verb: Option<Verb>,
    who: RuleSubject,
    target: RuleTarget,
}

/// The effect of a matching rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// The clients that a broker may have, for checks of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Clients with a name.
    Users,
    /// Clients without a name.
    Anonymous,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RuleSubject {
    Anyone,
    Users,
    Anonymous,
    User(Box<str>),
    Role(Box<str>),
}

impl Rule {
    /// Parses a rule.
    ///
    /// # Errors
    /// What was wrong and what was expected, for the operator.
    pub fn parse(text: &str) -> Result<Rule, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [effect, what, who, target] = words[..] else {
            return Err(format!("{text:?} has {} words; {EXPECTED}", words.len()));
        };
        let effect = match effect {
            "allow" => Effect::Allow,
            "deny" => Effect::Deny,
            _ => return Err(format!("{effect:?} is neither allow nor deny; {EXPECTED}")),
        };
        let verb = match what {
            "send" => Some(Verb::Send),
            "subscribe" => Some(Verb::Subscribe),
            "all" => None,
            _ => return Err(format!("{what:?} is none of send, subscribe and all; {EXPECTED}")),
        };
        let who = RuleSubject::parse(who)?;
        if effect == Effect::Deny && who == RuleSubject::Role(SERVICE.into()) {
            return Err(format!("the role {SERVICE} may do everything; expected another role behind deny"));
        }
        // The text as it was written, with single blanks, so that it is one line in the log.
        Ok(Rule { text: words.join(" ").into(), effect, verb, who, target: RuleTarget::parse(target)? })
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Returns the name of the user if the rule applies to a single user.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.who {
            RuleSubject::User(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns whether the rule allows this, with some destinations of the family, to some user, or to anonymous
    /// clients.
    pub(super) fn is_grant(&self, group: Group, verb: Verb, kind: DestinationKind) -> bool {
        self.effect == Effect::Allow
            && self.who.may_be_in(group)
            && self.verb.is_none_or(|own| own == verb)
            && self.target.is_over(kind)
    }

    /// Returns whether the rule denies this, with any destination of the family, to the whole group. Later rules then do
    /// not count.
    pub(super) fn is_end(&self, group: Group, verb: Verb, kind: DestinationKind) -> bool {
        self.effect == Effect::Deny
            && (self.who == RuleSubject::Anyone || self.who == group.who())
            && self.verb.is_none_or(|own| own == verb)
            && self.target.is_over_all_of(kind)
    }

    /// Returns whether the rule applies to this client, action and family of destinations.
    pub(super) fn concerns(&self, who: &Principal, verb: Verb, kind: DestinationKind) -> bool {
        self.verb.is_none_or(|own| own == verb) && self.target.is_over(kind) && self.who.includes(who)
    }

    /// Returns the pattern of the rule for this client. If the client lacks the name or a claim that a variable refers
    /// to, an `allow` rule has no pattern, and in a `deny` rule the variable becomes `*`.
    pub(super) fn pattern<'a>(&'a self, who: &'a Principal, owner: &'a Owner) -> Option<Symbols<'a>> {
        let missing = (self.effect == Effect::Deny).then_some(Symbol::One);
        self.target.bind(who, owner, missing)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Group {
    fn who(self) -> RuleSubject {
        match self {
            Group::Users => RuleSubject::Users,
            Group::Anonymous => RuleSubject::Anonymous,
        }
    }
}

impl RuleSubject {
    /// Returns whether a client of the group can be meant.
    fn may_be_in(&self, group: Group) -> bool {
        match group {
            Group::Users => *self != RuleSubject::Anonymous,
            Group::Anonymous => matches!(self, RuleSubject::Anyone | RuleSubject::Anonymous),
        }
    }

    fn parse(text: &str) -> Result<RuleSubject, String> {
        let who = match text {
            "anyone" => RuleSubject::Anyone,
            "users" => RuleSubject::Users,
            "anonymous" => RuleSubject::Anonymous,
            _ => match text.split_once(':') {
                Some(("user", encoded)) => RuleSubject::User(name(text, encoded)?),
                Some(("role", encoded)) => RuleSubject::Role(name(text, encoded)?),
                _ => return Err(format!("{text:?} is nobody; {EXPECTED}")),
            },
        };
        Ok(who)
    }

    fn includes(&self, who: &Principal) -> bool {
        match self {
            RuleSubject::Anyone => true,
            RuleSubject::Users => who.name.is_some(),
            RuleSubject::Anonymous => who.name.is_none(),
            RuleSubject::User(name) => who.name.as_deref() == Some(name),
            RuleSubject::Role(role) => who.has_role(role),
        }
    }
}

/// Decodes the name in `text`, of which `encoded` is the percent-encoded part.
fn name(text: &str, encoded: &str) -> Result<Box<str>, String> {
    // The author of `user:*` means every user, but the rule would apply to none.
    if encoded.is_empty() || encoded.contains(['*', '{', '}']) {
        return Err(format!(
            "{text:?} names nobody; expected one name behind the colon, with %2A, %7B and %7D for *, {{ and }}, or users \
             for everybody signed in"
        ));
    }
    percent_decode(encoded).map(Into::into).map_err(|error| error.to_string())
}
