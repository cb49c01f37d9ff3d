//! An issuer of tokens, with keys of every algorithm.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const SECRET: &str = "a-shared-secret-of-more-than-32-bytes";
/// Issuer and audience in the tokens of these tests.
pub(super) const ISSUER: &str = "https://id.example.com";
pub(super) const AUDIENCE: &str = "chat";

/// Returns the time in seconds since the Unix epoch.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs_f64()
}

/// Returns the claims of a valid token for this user that expires in an hour.
pub(super) fn claims(user: &str) -> Value {
    claims_for(user, 3600.0)
}

/// Returns the claims of a valid token that expires after this number of seconds.
pub(super) fn claims_for(user: &str, seconds: f64) -> Value {
    json!({"sub": user, "exp": now() + seconds, "iss": ISSUER, "aud": AUDIENCE})
}

pub(super) struct Issuer {
    algorithm: Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// The public key; empty for a shared secret.
    pub(super) pem: String,
    kid: Option<&'static str>,
}

impl Issuer {
    pub(super) fn new(algorithm: Algorithm) -> Issuer {
        install_provider();
        let generate = |kind| {
            let pair = KeyPair::generate_for(kind).expect("a key");
            (pair.serialize_pem(), pair.public_key_pem())
        };
        let (encoding, decoding, pem) = match algorithm {
            Algorithm::HS256 => return Issuer::of_secret(SECRET),
            Algorithm::ES256 => {
                let (private, public) = generate(&PKCS_ECDSA_P256_SHA256);
                let decoding = DecodingKey::from_ec_pem(public.as_bytes());
                (EncodingKey::from_ec_pem(private.as_bytes()), decoding, public)
            }
            Algorithm::EdDSA => {
                let (private, public) = generate(&PKCS_ED25519);
                let decoding = DecodingKey::from_ed_pem(public.as_bytes());
                (EncodingKey::from_ed_pem(private.as_bytes()), decoding, public)
            }
            _ => {
                let (private, public) = generate(&PKCS_RSA_SHA256);
                let decoding = DecodingKey::from_rsa_pem(public.as_bytes());
                (EncodingKey::from_rsa_pem(private.as_bytes()), decoding, public)
            }
        };
        let (encoding, decoding) = (encoding.expect("a private key"), decoding.expect("a public key"));
        Issuer { algorithm, encoding, decoding, pem, kid: None }
    }

    /// Returns an issuer that signs with HS256.
    pub(super) fn of_secret(secret: &str) -> Issuer {
        install_provider();
        let secret = secret.as_bytes();
        let (encoding, decoding) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Issuer { algorithm: Algorithm::HS256, encoding, decoding, pem: String::new(), kid: None }
    }

    /// Returns an issuer whose key has the id `kid`.
    pub(super) fn with_kid(algorithm: Algorithm, kid: &'static str) -> Issuer {
        Issuer { kid: Some(kid), ..Issuer::new(algorithm) }
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        let header = Header { kid: self.kid.map(str::to_owned), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("a token")
    }

    /// Returns a valid token.
    pub(super) fn valid_token(&self, user: &str) -> String {
        self.token(&claims(user))
    }

    fn jwk(&self) -> Value {
        let jwk = Jwk::from_decoding_key(&self.decoding, None).expect("a public key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(self.kid);
        jwk
    }
}

/// Returns the JSON Web Key Set of these issuers.
pub(super) fn key_set(issuers: &[&Issuer]) -> String {
    json!({"keys": issuers.iter().map(|issuer| issuer.jwk()).collect::<Vec<_>>()}).to_string()
}

fn install_provider() {
    // An error means that the provider is installed already.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
