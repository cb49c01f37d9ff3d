//! A permission rule and its grammar.
//!
//! ```text
//! rule    = effect action subject target           ; separated by spaces
//! effect  = "allow" | "deny"
//! action  = "send" | "subscribe" | "all"
//! subject = "anyone" | "users" | "anonymous"       ; users: every authenticated user
//!         | "user:" NAME | "role:" NAME            ; percent-encoded
//! ```

use super::target::{BoundPattern, RuleTarget};
use super::verb::Verb;
use crate::auth::{Principal, SERVICE};
use crate::destination::{DestinationKind, Owner, Segment, percent_decode};
use std::fmt;
use std::sync::Arc;

/// The expected form of a rule, for error texts.
const EXPECTED: &str = "expected four words: allow|deny, send|subscribe|all, \
                        anyone|users|anonymous|user:NAME|role:NAME, and a pattern such as /topic/news.**";

/// A permission rule. `Display` shows the text that the operator wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: Arc<str>,
    effect: Effect,
    /// The action, or `None` for all actions.
    verb: Option<Verb>,
    subject: RuleSubject,
    target: RuleTarget,
}

/// The effect of a matching rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A group of clients, for checks of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientGroup {
    /// Clients with a user name.
    Users,
    /// Clients without a user name.
    Anonymous,
}

/// The clients to which a rule applies.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RuleSubject {
    Anyone,
    Users,
    Anonymous,
    User(Box<str>),
    Role(Box<str>),
}

impl Rule {
    /// Parses a rule in the grammar of this module.
    ///
    /// # Errors
    /// The text says what was wrong and what was expected, for the operator.
    pub fn parse(text: &str) -> Result<Rule, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [effect, action, subject, target] = words[..] else {
            return Err(format!("invalid rule {text:?} with {} words: {EXPECTED}", words.len()));
        };
        let effect = match effect {
            "allow" => Effect::Allow,
            "deny" => Effect::Deny,
            _ => return Err(format!("invalid effect {effect:?}: {EXPECTED}")),
        };
        let verb = match action {
            "send" => Some(Verb::Send),
            "subscribe" => Some(Verb::Subscribe),
            "all" => None,
            _ => return Err(format!("invalid action {action:?}: {EXPECTED}")),
        };
        let subject = RuleSubject::parse(subject)?;
        if effect == Effect::Deny && subject == RuleSubject::Role(SERVICE.into()) {
            return Err(format!(
                "invalid subject \"role:{SERVICE}\" after deny: expected another role. No rule can deny \
                 requests of the role {SERVICE}"
            ));
        }
        // Join the words with single spaces, so that the rule is one line in the log.
        Ok(Rule { text: words.join(" ").into(), effect, verb, subject, target: RuleTarget::parse(target)? })
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Returns the name of the user if the rule is for a single user.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.subject {
            RuleSubject::User(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns whether the rule allows `verb` to some clients of the group for some destinations of the family.
    pub(super) fn may_grant(&self, group: ClientGroup, verb: Verb, kind: DestinationKind) -> bool {
        self.effect == Effect::Allow
            && self.subject.may_apply_to(group)
            && self.verb.is_none_or(|own| own == verb)
            && self.target.covers(kind)
    }

    /// Returns whether the rule denies `verb` to all clients of the group for all destinations of the family. Later
    /// rules then have no effect on such requests.
    pub(super) fn denies_all(&self, group: ClientGroup, verb: Verb, kind: DestinationKind) -> bool {
        self.effect == Effect::Deny
            && (self.subject == RuleSubject::Anyone || self.subject == group.subject())
            && self.verb.is_none_or(|own| own == verb)
            && self.target.covers_all(kind)
    }

    /// Returns whether the rule applies to this client, action and family of destinations.
    pub(super) fn applies_to(&self, principal: &Principal, verb: Verb, kind: DestinationKind) -> bool {
        self.verb.is_none_or(|own| own == verb)
            && self.target.covers(kind)
            && self.subject.includes(principal)
    }

    /// Returns the pattern of the rule for this client. The client may lack the name or the claim of a variable. An
    /// `allow` rule then has no pattern. In a `deny` rule, the variable becomes `*`.
    pub(super) fn pattern<'a>(
        &'a self,
        principal: &'a Principal,
        owner: &'a Owner,
    ) -> Option<BoundPattern<'a>> {
        let missing = (self.effect == Effect::Deny).then_some(Segment::One);
        self.target.bind(principal, owner, missing)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ClientGroup {
    fn subject(self) -> RuleSubject {
        match self {
            ClientGroup::Users => RuleSubject::Users,
            ClientGroup::Anonymous => RuleSubject::Anonymous,
        }
    }
}

impl RuleSubject {
    /// Returns whether the subject can include a client of the group.
    fn may_apply_to(&self, group: ClientGroup) -> bool {
        match group {
            ClientGroup::Users => *self != RuleSubject::Anonymous,
            ClientGroup::Anonymous => matches!(self, RuleSubject::Anyone | RuleSubject::Anonymous),
        }
    }

    fn parse(text: &str) -> Result<RuleSubject, String> {
        let subject = match text {
            "anyone" => RuleSubject::Anyone,
            "users" => RuleSubject::Users,
            "anonymous" => RuleSubject::Anonymous,
            _ => match text.split_once(':') {
                Some(("user", encoded)) => RuleSubject::User(name(text, encoded)?),
                Some(("role", encoded)) => RuleSubject::Role(name(text, encoded)?),
                _ => return Err(format!("invalid subject {text:?}: {EXPECTED}")),
            },
        };
        Ok(subject)
    }

    fn includes(&self, principal: &Principal) -> bool {
        match self {
            RuleSubject::Anyone => true,
            RuleSubject::Users => principal.name.is_some(),
            RuleSubject::Anonymous => principal.name.is_none(),
            RuleSubject::User(name) => principal.name.as_deref() == Some(name),
            RuleSubject::Role(role) => principal.has_role(role),
        }
    }
}

/// Decodes `encoded`, which is the percent-encoded name in the subject `text`.
fn name(text: &str, encoded: &str) -> Result<Box<str>, String> {
    // `user:*` is probably meant for all users, but it would apply only to a user called `*`.
    if encoded.is_empty() || encoded.contains(['*', '{', '}']) {
        return Err(format!(
            "invalid subject {text:?}: expected one name after the colon. In a name, write *, {{ and }} as \
             %2A, %7B and %7D. For all authenticated clients, write users"
        ));
    }
    percent_decode(encoded).map(Into::into).map_err(|error| error.to_string())
}
