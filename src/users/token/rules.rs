//! Checks the claims of a token whose signature is valid, and reads the user from them.

use super::{Options, Reason};
use crate::users::now::Now;
use crate::users::{Principal, claims, name};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;

/// Claims about the token, not about the user.
const OF_THE_TOKEN: &[&str] = &["exp", "nbf", "iat", "jti"];
/// Returns the principal of these claims.
///
/// ```text
///  nbf - leeway          exp + leeway
///  ─────┼──────────────────────┼─────►
///       │ good from here       │ expired from here
/// ```
pub(super) fn check(options: &Options, map: &Map<String, Value>, now: Now) -> Result<Principal, Reason> {
    let expires = expiry(options, map, now)?;
    let start = number(map, "nbf", "malformed: nbf is no number")?;
    if start.is_some_and(|start| now.unix < start - options.leeway.as_secs_f64()) {
        return Err("not yet valid");
    }
    issued_by(options, map)?;
    meant_for(options, map)?;
    Ok(Principal {
        name: Some(named(claims::at(map, &options.name_claim))?),
        roles: claims::roles(claims::at(map, &options.roles_claim))?,
        claims: Arc::new(claims::flat(map, OF_THE_TOKEN)),
        expires,
        source: super::NAME,
        stamp: 0,
    })
}

fn expiry(options: &Options, map: &Map<String, Value>, now: Now) -> Result<Option<Instant>, Reason> {
    match number(map, "exp", "malformed: exp is no number")? {
        Some(end) => now.until(end + options.leeway.as_secs_f64()).map(Some).ok_or("expired"),
        None if options.require_exp => Err("the token never expires: it has no exp (jwt-require-exp)"),
        None => Ok(None),
    }
}

fn issued_by(options: &Options, map: &Map<String, Value>) -> Result<(), Reason> {
    if options.issuers.is_empty() {
        return Ok(());
    }
    match map.get("iss") {
        None => Err("wrong issuer: the token names none"),
        Some(Value::String(issuer)) if options.issuers.contains(issuer) => Ok(()),
        Some(_) => Err("wrong issuer"),
    }
}

fn meant_for(options: &Options, map: &Map<String, Value>) -> Result<(), Reason> {
    if options.audiences.is_empty() {
        return Ok(());
    }
    let is_ours =
        |value: &Value| value.as_str().is_some_and(|one| options.audiences.iter().any(|own| own == one));
    let meant = match map.get("aud") {
        None => return Err("wrong audience: the token names none"),
        Some(Value::Array(list)) => list.iter().any(is_ours),
        Some(value) => is_ours(value),
    };
    if meant { Ok(()) } else { Err("wrong audience") }
}

fn named(value: Option<&Value>) -> Result<Arc<str>, Reason> {
    match value {
        Some(Value::String(text)) => name::checked(text),
        Some(Value::Number(number)) => name::checked(&number.to_string()),
        None => Err("no name: the claim that has it is missing (jwt-name-claim)"),
        Some(_) => Err("no name: the claim that has it is neither a text nor a number (jwt-name-claim)"),
    }
}

fn number(map: &Map<String, Value>, claim: &str, odd: Reason) -> Result<Option<f64>, Reason> {
    match map.get(claim) {
        None => Ok(None),
        Some(value) => value.as_f64().filter(|number| number.is_finite()).map(Some).ok_or(odd),
    }
}
