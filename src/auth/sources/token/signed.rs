//! A token that is not verified yet: its parts and its header.

use super::reason::RejectReason;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

/// Maximum length of a token, in bytes. Longer tokens are rejected.
pub(super) const TOKEN_BYTES_MAX: usize = 16 << 10;

/// A token `HEADER.PAYLOAD.SIGNATURE`, each part in base64url, with its header parsed.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    /// The algorithm that the token claims to be signed with. Do not trust it: the key decides which algorithms are
    /// allowed.
    pub(super) algorithm: Algorithm,
    /// The ID of the key that the token claims to be signed with.
    pub(super) kid: Option<String>,
    /// The signed part: header and payload as received.
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
    payload: &'a str,
}

impl<'a> Signed<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Signed<'a>, RejectReason> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err("malformed: longer than 16 KiB");
        }
        let (message, signature) = token.rsplit_once('.').ok_or("malformed: expected three parts")?;
        let (header, payload) = message.split_once('.').ok_or("malformed: expected three parts")?;
        if payload.contains('.') {
            return Err("malformed: expected three parts");
        }
        let header = object(header).ok_or("malformed: the header is not a JSON object in base64url")?;
        let algorithm =
            header.get("alg").and_then(Value::as_str).ok_or("malformed: the header has no alg")?;
        // This also rejects `none` in upper and lower case, because it is not a known algorithm.
        let algorithm = algorithm.parse().map_err(|_| "algorithm not allowed: unknown algorithm")?;
        // RFC 7515, section 4.1.11: reject a token with critical parameters that are not supported. The broker supports
        // none.
        if header.contains_key("crit") {
            return Err("malformed: the header has unsupported critical parameters (crit)");
        }
        let kid = match header.get("kid") {
            None | Some(Value::Null) => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err("malformed: kid is not a string"),
        };
        Ok(Signed { algorithm, kid, message, signature, payload })
    }

    /// Returns the claims in the payload. Call this only after the signature is verified.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, RejectReason> {
        object(self.payload).ok_or("malformed: the payload is not a JSON object in base64url")
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
