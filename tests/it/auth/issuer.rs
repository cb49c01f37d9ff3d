//! Somebody who makes tokens, and keys to make them with.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const SECRET: &str = "a-shared-secret-of-more-than-32-octets";
/// The issuer and the audience of tokens that say them.
pub(super) const ISSUER: &str = "https://id.example.com";
pub(super) const AUDIENCE: &str = "chat";

/// Seconds since the Unix epoch.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is right").as_secs_f64()
}

/// What a good token says of this user, for an hour.
pub(super) fn claims(user: &str) -> Value {
    claims_for(user, 3600.0)
}

/// The same for so many seconds.
pub(super) fn claims_for(user: &str, seconds: f64) -> Value {
    json!({"sub": user, "exp": now() + seconds, "iss": ISSUER, "aud": AUDIENCE})
}

pub(super) struct Issuer {
    algorithm: Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// The public key; none of a secret.
    pub(super) pem: String,
    kid: Option<&'static str>,
}

impl Issuer {
    pub(super) fn new(algorithm: Algorithm) -> Issuer {
        install_provider();
        let made = |kind| {
            let pair = KeyPair::generate_for(kind).expect("a key");
            (pair.serialize_pem(), pair.public_key_pem())
        };
        let (encoding, decoding, pem) = match algorithm {
            Algorithm::HS256 => return Issuer::of_secret(SECRET),
            Algorithm::ES256 => {
                let (private, public) = made(&PKCS_ECDSA_P256_SHA256);
                let decoding = DecodingKey::from_ec_pem(public.as_bytes());
                (EncodingKey::from_ec_pem(private.as_bytes()), decoding, public)
            }
            Algorithm::EdDSA => {
                let (private, public) = made(&PKCS_ED25519);
                let decoding = DecodingKey::from_ed_pem(public.as_bytes());
                (EncodingKey::from_ed_pem(private.as_bytes()), decoding, public)
            }
            _ => {
                let (private, public) = made(&PKCS_RSA_SHA256);
                let decoding = DecodingKey::from_rsa_pem(public.as_bytes());
                (EncodingKey::from_rsa_pem(private.as_bytes()), decoding, public)
            }
        };
        let (encoding, decoding) = (encoding.expect("a private key"), decoding.expect("a public key"));
        Issuer { algorithm, encoding, decoding, pem, kid: None }
    }

    /// One that signs with HS256.
    pub(super) fn of_secret(secret: &str) -> Issuer {
        install_provider();
        let secret = secret.as_bytes();
        let (encoding, decoding) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Issuer { algorithm: Algorithm::HS256, encoding, decoding, pem: String::new(), kid: None }
    }

    /// One whose key has a name.
    pub(super) fn called(algorithm: Algorithm, kid: &'static str) -> Issuer {
        Issuer { kid: Some(kid), ..Issuer::new(algorithm) }
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        let header = Header { kid: self.kid.map(str::to_owned), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("a token")
    }

    /// A good token.
    pub(super) fn good(&self, user: &str) -> String {
        self.token(&claims(user))
    }

    fn jwk(&self) -> Value {
        let jwk = Jwk::from_decoding_key(&self.decoding, None).expect("a public key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(self.kid);
        jwk
    }
}

/// The key set of these issuers.
pub(super) fn key_set(issuers: &[&Issuer]) -> String {
    json!({"keys": issuers.iter().map(|issuer| issuer.jwk()).collect::<Vec<_>>()}).to_string()
}

fn install_provider() {
    // That it was installed before is no error.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
