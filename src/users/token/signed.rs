//! A token before it is believed: its parts, and what its header claims.

use super::Reason;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

/// Bytes of a token at most; longer ones are not read.
pub(super) const TOKEN_BYTES_MAX: usize = 16 << 10;

/// `HEADER.PAYLOAD.SIGNATURE`, each in base64url, of which the header is read.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    /// What the token says that it is signed with: a question to the keys, no answer.
    pub(super) algorithm: Algorithm,
    /// Which key the token says that it is signed with.
    pub(super) kid: Option<String>,
    /// What is signed: header and payload as they came.
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
    payload: &'a str,
}

impl<'a> Signed<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Signed<'a>, Reason> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err("malformed: longer than 16 KiB");
        }
        let (message, signature) = token.rsplit_once('.').ok_or("malformed: not three parts")?;
        let (header, payload) = message.split_once('.').ok_or("malformed: not three parts")?;
        if payload.contains('.') {
            return Err("malformed: not three parts");
        }
        let header = object(header).ok_or("malformed: the header is no JSON object in base64url")?;
        let algorithm =
            header.get("alg").and_then(Value::as_str).ok_or("malformed: the header has no alg")?;
        // Also "none", in any case: it is no algorithm that is known here.
        let algorithm =
            algorithm.parse().map_err(|_| "algorithm not allowed: none that this broker knows")?;
        // What a critical header changes would have to be understood, and none is.
        if header.contains_key("crit") {
            return Err("malformed: the header has critical parts that are not understood");
        }
        let kid = match header.get("kid") {
            None | Some(Value::Null) => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err("malformed: the kid is no text"),
        };
        Ok(Signed { algorithm, kid, message, signature, payload })
    }

    /// What the token says; to be asked when its signature is known to be good.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Reason> {
        object(self.payload).ok_or("malformed: the payload is no JSON object in base64url")
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
