//! Tests of the grammar of rules, and of their evaluation.

mod destinations;
mod grammar;
mod presets;
mod variables;
mod wildcards;

use super::*;
use crate::destination::{Address, AddressOwner};
use proptest::prelude::*;
use std::collections::BTreeMap;

const BYTES_MAX: usize = 1024;
/// The session in these tests.
const SESSION: &str = "s1";

fn rule(text: &str) -> Rule {
    Rule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Creates permissions with only these rules. Everything else is denied.
fn only(rules: &[&str]) -> Permissions {
    let mut rules: Vec<Rule> = rules.iter().map(|text| rule(text)).collect();
    rules.push(rule("deny all anyone **"));
    Permissions::new(Preset::Open, rules, Vec::new())
}

fn preset(preset: Preset) -> Permissions {
    Permissions::new(preset, Vec::new(), Vec::new())
}

fn alice() -> Principal {
    Principal::named("alice", "test")
}

fn with_claims(name: &str, claims: &[(&str, &str)]) -> Principal {
    let claims: BTreeMap<Box<str>, Box<str>> =
        claims.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Principal { claims: claims.into(), ..Principal::named(name, "test") }
}

fn with_roles(roles: &[&str]) -> Principal {
    Principal { roles: roles.iter().map(|role| (*role).into()).collect(), ..alice() }
}

fn owner(principal: &Principal) -> Owner {
    principal.name.as_deref().map_or_else(|| Owner::session(SESSION), Owner::user)
}

/// Parses a destination as a session does, or returns `None` if it is invalid.
fn selector(principal: &Principal, verb: Verb, text: &str) -> Option<Selector> {
    let address = match verb {
        Verb::Send => Address::parse_send(text, BYTES_MAX),
        Verb::Subscribe => Address::parse_subscribe(text, BYTES_MAX),
    };
    match address.ok()? {
        Address::Plain(selector) => Some(selector),
        Address::User(whose, path) => {
            let owner = match whose {
                AddressOwner::Own => owner(principal),
                AddressOwner::Named(name) => Owner::user(&name),
                AddressOwner::Session(id) => Owner::session(&id),
            };
            path.selector(&owner).ok()
        }
        Address::Users(_) | Address::Refresh => None,
    }
}

fn check(permissions: &Permissions, principal: &Principal, verb: Verb, text: &str) -> Result<(), String> {
    let to = selector(principal, verb, text).unwrap_or_else(|| panic!("{text:?} is not a destination"));
    permissions.check(principal, &owner(principal), verb, &to).map_err(|denied| denied.rule.to_string())
}

fn may_send(permissions: &Permissions, principal: &Principal, text: &str) -> bool {
    check(permissions, principal, Verb::Send, text).is_ok()
}

fn may_subscribe(permissions: &Permissions, principal: &Principal, text: &str) -> bool {
    check(permissions, principal, Verb::Subscribe, text).is_ok()
}
