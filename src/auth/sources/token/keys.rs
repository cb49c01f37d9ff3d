//! Keys that verify signatures. The key determines the permitted algorithms, not the token.

use super::signed::Signed;
use crate::auth::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::Value;
use std::sync::Arc;

/// Minimum length of a shared secret, in bytes. It is the length of the hash that HS256 uses.
const SECRET_BYTES_MIN: usize = 32;
/// The lengths of an RSA modulus that aws-lc supports, in bytes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// Maximum number of keys in one set. If a token has no key ID, all keys of a set may have to be tried.
const SET_KEYS_MAX: usize = 100;

const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const ED25519: &[Algorithm] = &[Algorithm::EdDSA];

/// A key that verifies signatures. `Debug` shows no secret.
#[derive(Debug)]
pub(super) struct VerificationKey {
    kid: Option<Box<str>>,
    algorithms: Box<[Algorithm]>,
    decoding: DecodingKey,
}

/// The result of trying keys on a token. The order of the variants is from the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// No key has the token's key ID (`kid`).
    NoKey,
    /// No key with the token's key ID is for its algorithm.
    NoAlgorithm,
    /// No key with the token's key ID and algorithm verifies its signature.
    NoMatch,
    /// One key verifies the signature.
    Match,
}

impl Fit {
    /// Returns the best result of `keys`. Ignores key IDs.
    pub(super) fn of<'a>(keys: impl Iterator<Item = &'a VerificationKey>, signed: &Signed<'_>) -> Fit {
        let mut fit = Fit::NoKey;
        for key in keys {
            fit = fit.max(key.fit(signed));
            if fit == Fit::Match {
                break;
            }
        }
        fit
    }

    /// Returns the best result of the keys of a set. If the token has a key ID, tries only keys with this ID.
    pub(super) fn of_set(keys: &[VerificationKey], signed: &Signed<'_>) -> Fit {
        let kid = signed.kid.as_deref();
        Fit::of(keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid), signed)
    }
}

impl VerificationKey {
    /// Creates a key from a shared secret.
    pub(super) fn from_secret(secret: &Secret) -> Result<VerificationKey, String> {
        let secret = secret.reveal();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "jwt-secret: the secret is too short: expected at least {SECRET_BYTES_MIN} bytes"
            ));
        }
        // A public key must not serve as a shared secret. Everyone who knows the public key could sign tokens.
        if secret.contains("-----BEGIN ") {
            return Err(
                "jwt-secret: the value is a key in PEM: expected a shared secret. For a public key, \
                 use jwt-key-file."
                    .into(),
            );
        }
        Ok(VerificationKey::new(None, HMAC, DecodingKey::from_secret(secret.as_bytes())))
    }

    /// Parses all public keys of a PEM file.
    pub(super) fn from_pem(text: &str) -> Result<Vec<VerificationKey>, String> {
        let starts: Vec<usize> = text.match_indices("-----BEGIN ").map(|(at, _)| at).collect();
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let keys: Result<Vec<VerificationKey>, _> = starts
            .iter()
            .zip(ends)
            .map(|(start, end)| VerificationKey::from_block(&text[*start..end]))
            .collect();
        match keys {
            Ok(keys) if keys.is_empty() => Err("no key found: expected a public key in PEM".to_owned()),
            keys => keys.map_err(str::to_owned),
        }
    }

    fn from_block(block: &str) -> Result<VerificationKey, &'static str> {
        let label = block.trim_start_matches("-----BEGIN ").split("-----").next().unwrap_or_default();
        match label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
            private if private.contains("PRIVATE") => {
                return Err("the key is a private key: expected the public key");
            }
            _ => return Err("unsupported PEM block: expected PUBLIC KEY"),
        }
        let block = block.as_bytes();
        let decoding = DecodingKey::from_ed_pem(block)
            .or_else(|_| DecodingKey::from_ec_pem(block))
            .or_else(|_| DecodingKey::from_rsa_pem(block))
            .map_err(|_| "unsupported key: expected an RSA, EC or Ed25519 key")?;
        let jwk = Jwk::from_decoding_key(&decoding, None).map_err(|_| "unsupported key")?;
        let algorithms = algorithms(&jwk)?;
        if algorithms == HMAC {
            return Err("the key is not a public key");
        }
        Ok(VerificationKey::new(None, algorithms, decoding))
    }

    /// Parses a key of a set.
    fn from_jwk(json: &Value) -> Result<VerificationKey, &'static str> {
        let jwk: Jwk = serde_json::from_value(json.clone()).map_err(|_| "malformed")?;
        let common = &jwk.common;
        if matches!(&common.public_key_use, Some(other) if *other != PublicKeyUse::Signature) {
            return Err("the key is not for signatures");
        }
        if common.key_operations.as_ref().is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
            return Err("the key is not for verifying signatures");
        }
        let mut algorithms = algorithms(&jwk)?.to_vec();
        if let Some(only) = common.key_algorithm {
            algorithms.retain(|algorithm| only == (*algorithm).into());
        }
        if algorithms.is_empty() {
            return Err("alg does not match the type of the key");
        }
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| "malformed")?;
        Ok(VerificationKey::new(common.key_id.as_deref(), &algorithms, decoding))
    }

    fn new(kid: Option<&str>, algorithms: &[Algorithm], decoding: DecodingKey) -> VerificationKey {
        VerificationKey { kid: kid.map(Box::from), algorithms: algorithms.into(), decoding }
    }

    fn fit(&self, signed: &Signed<'_>) -> Fit {
        if !self.algorithms.contains(&signed.algorithm) {
            return Fit::NoAlgorithm;
        }
        match crypto::verify(signed.signature, signed.message.as_bytes(), &self.decoding, signed.algorithm) {
            Ok(true) => Fit::Match,
            Ok(false) | Err(_) => Fit::NoMatch,
        }
    }
}

/// Parses a key set (RFC 7517). Ignores keys that cannot verify tokens, because a set may contain keys for other
/// purposes.
pub(super) fn parse_set(json: &[u8]) -> Result<Arc<[VerificationKey]>, String> {
    let set: Value =
        serde_json::from_slice(json).map_err(|_| "invalid JSON: expected a key set (JWKS)".to_owned())?;
    let list = set
        .get("keys")
        .and_then(Value::as_array)
        .ok_or("invalid key set: expected a JSON object with a list `keys`")?;
    if list.len() > SET_KEYS_MAX {
        return Err(format!("too many keys: expected at most {SET_KEYS_MAX}"));
    }
    let mut keys = Vec::new();
    for json in list {
        match VerificationKey::from_jwk(json) {
            Ok(key) => keys.push(key),
            Err(reason) => tracing::debug!(reason, "ignored a key of a key set"),
        }
    }
    Ok(keys.into())
}

/// Checks a key. Returns the algorithms for which it can be used.
fn algorithms(jwk: &Jwk) -> Result<&'static [Algorithm], &'static str> {
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| "malformed");
    match &jwk.algorithm {
        AlgorithmParameters::RSA(key) => {
            let modulus = decoded(&key.n)?;
            let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
            let fits = MODULUS_BYTES.contains(&(modulus.len() - zeros));
            if fits { Ok(RSA) } else { Err("unsupported RSA key size: expected 2048 to 8192 bits") }
        }
        AlgorithmParameters::EllipticCurve(key) => {
            match (&key.curve, decoded(&key.x)?.len(), decoded(&key.y)?.len()) {
                (EllipticCurve::P256, 32, 32) => Ok(P256),
                (EllipticCurve::P384, 48, 48) => Ok(P384),
                _ => Err("unsupported EC curve: expected P-256 or P-384"),
            }
        }
        AlgorithmParameters::OctetKeyPair(key) => match (&key.curve, decoded(&key.x)?.len()) {
            (EllipticCurve::Ed25519, 32) => Ok(ED25519),
            _ => Err("unsupported OKP curve: expected Ed25519"),
        },
        AlgorithmParameters::OctetKey(key) => {
            let fits = decoded(&key.value)?.len() >= SECRET_BYTES_MIN;
            if fits { Ok(HMAC) } else { Err("the secret is too short: expected at least 32 bytes") }
        }
        _ => Err("unsupported key type"),
    }
}
