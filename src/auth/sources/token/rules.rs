//! Checks the claims of a verified token, and reads the user from them.

use super::options::Options;
use super::reason::RejectReason;
use crate::auth::now::Now;
use crate::auth::principal::Principal;
use crate::auth::sources::kind::SourceKind;
use crate::auth::{claims, name};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;

/// Claims that describe the token, not the user. Permission rules cannot refer to these claims.
const TOKEN_CLAIMS: &[&str] = &["exp", "nbf", "iat", "jti"];

/// Checks the claims, and returns the principal that they describe. The token is valid in this time:
///
/// ```text
///  nbf - leeway          exp + leeway
///  ─────┼──────────────────────┼─────►
///       │ valid from here      │ expired from here
/// ```
pub(super) fn check(
    options: &Options,
    map: &Map<String, Value>,
    now: Now,
) -> Result<Principal, RejectReason> {
    let expires = expiry(options, map, now)?;
    let start = number(map, "nbf", "malformed: nbf is not a number")?;
    if start.is_some_and(|start| now.unix < start - options.leeway.as_secs_f64()) {
        return Err("not yet valid");
    }
    check_issuer(options, map)?;
    check_audience(options, map)?;
    Ok(Principal {
        name: Some(user_name(claims::at(map, &options.name_claim))?),
        roles: claims::roles(claims::at(map, &options.roles_claim))?,
        claims: Arc::new(claims::flat(map, TOKEN_CLAIMS)),
        expires,
        source: SourceKind::Token.as_str(),
        version: 0,
    })
}

fn expiry(options: &Options, map: &Map<String, Value>, now: Now) -> Result<Option<Instant>, RejectReason> {
    match number(map, "exp", "malformed: exp is not a number")? {
        Some(end) => now.until(end + options.leeway.as_secs_f64()).map(Some).ok_or("expired"),
        None if options.require_exp => Err("no expiry time: the claim exp is missing (jwt-require-exp)"),
        None => Ok(None),
    }
}

fn check_issuer(options: &Options, map: &Map<String, Value>) -> Result<(), RejectReason> {
    if options.issuers.is_empty() {
        return Ok(());
    }
    match map.get("iss") {
        None => Err("wrong issuer: the claim iss is missing"),
        Some(Value::String(issuer)) if options.issuers.contains(issuer) => Ok(()),
        Some(_) => Err("wrong issuer"),
    }
}

fn check_audience(options: &Options, map: &Map<String, Value>) -> Result<(), RejectReason> {
    if options.audiences.is_empty() {
        return Ok(());
    }
    let is_ours =
        |value: &Value| value.as_str().is_some_and(|one| options.audiences.iter().any(|own| own == one));
    let is_for_us = match map.get("aud") {
        None => return Err("wrong audience: the claim aud is missing"),
        Some(Value::Array(list)) => list.iter().any(is_ours),
        Some(value) => is_ours(value),
    };
    if is_for_us { Ok(()) } else { Err("wrong audience") }
}

fn user_name(value: Option<&Value>) -> Result<Arc<str>, RejectReason> {
    match value {
        Some(Value::String(text)) => name::checked(text),
        Some(Value::Number(number)) => name::checked(&number.to_string()),
        None => Err("no user name: the claim for user names (jwt-name-claim) is missing"),
        Some(_) => Err("no user name: the claim for user names (jwt-name-claim) is not a string or a number"),
    }
}

fn number(map: &Map<String, Value>, claim: &str, error: RejectReason) -> Result<Option<f64>, RejectReason> {
    match map.get(claim) {
        None => Ok(None),
        Some(value) => value.as_f64().filter(|number| number.is_finite()).map(Some).ok_or(error),
    }
}
