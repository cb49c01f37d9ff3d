//! Tests with valid and invalid tokens of every kind, with keys generated here.

mod key_url;

use super::rules::check;
use super::*;
use crate::auth::secret::Secret;
use crate::auth::sources::test_server::{Reply, TestServer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use parking_lot::Mutex;
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

const SECRET: &str = "a secret of thirty-two octets...";
const ALL: [Algorithm; 12] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// An issuer of tokens, with its key.
struct Issuer {
    algorithm: Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// The public key. Empty for a shared secret.
    pem: String,
    kid: Option<String>,
}

impl Issuer {
    fn new(algorithm: Algorithm) -> Issuer {
        install_provider();
        let made =
            |kind| KeyPair::generate_for(kind).map(|pair| (pair.serialize_pem(), pair.public_key_pem()));
        let (encoding, decoding, pem) = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                let secret = SECRET.as_bytes();
                (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret), String::new())
            }
            Algorithm::ES256 | Algorithm::ES384 => {
                let is_short = algorithm == Algorithm::ES256;
                let kind = if is_short { &PKCS_ECDSA_P256_SHA256 } else { &PKCS_ECDSA_P384_SHA384 };
                let (private, public) = made(kind).unwrap();
                let decoding = DecodingKey::from_ec_pem(public.as_bytes()).unwrap();
                (EncodingKey::from_ec_pem(private.as_bytes()).unwrap(), decoding, public)
            }
            Algorithm::EdDSA => {
                let (private, public) = made(&PKCS_ED25519).unwrap();
                let decoding = DecodingKey::from_ed_pem(public.as_bytes()).unwrap();
                (EncodingKey::from_ed_pem(private.as_bytes()).unwrap(), decoding, public)
            }
            _ => {
                let (private, public) = made(&PKCS_RSA_SHA256).unwrap();
                let decoding = DecodingKey::from_rsa_pem(public.as_bytes()).unwrap();
                (EncodingKey::from_rsa_pem(private.as_bytes()).unwrap(), decoding, public)
            }
        };
        Issuer { algorithm, encoding, decoding, pem, kid: None }
    }

    fn called(algorithm: Algorithm, kid: &str) -> Issuer {
        Issuer { kid: Some(kid.to_owned()), ..Issuer::new(algorithm) }
    }

    fn token(&self, claims: &Value) -> String {
        let header = Header { kid: self.kid.clone(), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.encoding).unwrap()
    }

    fn good(&self) -> String {
        self.token(&json!({"sub": "alice", "exp": in_an_hour()}))
    }

    /// Returns the key as in a key set, with additional members.
    fn jwk(&self, others: Value) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_decoding_key(&self.decoding, None).unwrap()).unwrap();
        let members = jwk.as_object_mut().unwrap();
        if let Some(kid) = &self.kid {
            members.insert("kid".to_owned(), json!(kid));
        }
        members.extend(others.as_object().unwrap().clone());
        jwk
    }
}

fn in_an_hour() -> f64 {
    (Now::read().unix + 3600.0).floor()
}

fn set(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

/// A file that is removed when this value is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new(text: &str) -> Temporary {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("stompbox-token-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Temporary(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn with_secret() -> Options {
    Options { secrets: vec![Secret::new(SECRET)], ..Options::default() }
}

fn with_set(text: &str) -> (Temporary, Options) {
    let file = Temporary::new(text);
    let options = Options { jwks: vec![Jwks::File(file.0.clone())], ..Options::default() };
    (file, options)
}

#[tokio::test]
async fn signature_checks_are_limited_and_yield_to_the_runtime_first() {
    let issuer = Issuer::new(Algorithm::HS256);
    let mut tokens = open(with_secret());
    tokens.permits = Semaphore::new(1);
    let token = issuer.good();
    let mut checks: VecDeque<_> = (0..3).map(|_| Box::pin(tokens.decide(&token))).collect();
    for round in 0..4 {
        let before = checks.len();
        for mut check in std::mem::take(&mut checks) {
            match poll_fn(|cx| Poll::Ready(check.as_mut().poll(cx))).await {
                Poll::Ready(decision) => assert!(matches!(decision, Decision::Known(_))),
                Poll::Pending => checks.push_back(check),
            }
        }
        assert_eq!(before - checks.len(), usize::from(round > 0), "round {round}");
    }
}

fn open(options: Options) -> Tokens {
    Tokens::new(options, HttpClient::new()).unwrap()
}

async fn decide(tokens: &Tokens, token: &str) -> Decision {
    let credentials = Credentials {
        authorization: Some(Secret::new(&format!("Bearer {token}"))),
        ..Credentials::default()
    };
    let decision = tokens.check(&credentials).await;
    if let Decision::Rejected(reason) | Decision::Unavailable(reason) = &decision {
        let parts = token.split('.').filter(|part| part.len() > 8);
        assert!(
            parts.into_iter().all(|part| !reason.contains(part)),
            "the reason has a part of the token: {reason}"
        );
    }
    decision
}

/// Returns the decision as a short text: the name, or a character for the kind of decision and the reason.
async fn short_decision(tokens: &Tokens, token: &str) -> String {
    match decide(tokens, token).await {
        Decision::Known(principal) => principal.name.unwrap().to_string(),
        Decision::Unknown => "-".to_owned(),
        Decision::Rejected(reason) => format!("!{reason}"),
        Decision::Unavailable(reason) => format!("?{reason}"),
    }
}

#[tokio::test]
async fn every_algorithm_works_with_every_kind_of_key() {
    for algorithm in ALL {
        let issuer = Issuer::new(algorithm);
        let options = if issuer.pem.is_empty() {
            with_secret()
        } else {
            let file = Temporary::new(&issuer.pem);
            let tokens = open(Options { key_files: vec![file.0.clone()], ..Options::default() });
            assert_eq!(short_decision(&tokens, &issuer.good()).await, "alice", "{algorithm:?} by a PEM");
            let (_file, options) = with_set(&set(&[issuer.jwk(json!({"use": "sig"}))]));
            let tokens = open(options);
            assert_eq!(short_decision(&tokens, &issuer.good()).await, "alice", "{algorithm:?} by a set");
            continue;
        };
        assert_eq!(short_decision(&open(options), &issuer.good()).await, "alice", "{algorithm:?}");
        let (_file, options) = with_set(&set(&[issuer.jwk(json!({}))]));
        assert_eq!(short_decision(&open(options), &issuer.good()).await, "alice", "{algorithm:?} by a set");
    }
}

#[tokio::test]
async fn token_gives_name_roles_claims_and_expiry() {
    let token = Issuer::new(Algorithm::HS256).token(&json!({
        "sub": "alice", "exp": in_an_hour(), "iat": 1, "nbf": 1, "jti": "x",
        "roles": ["admin"], "team": "red", "org": {"unit": {"id": 7}},
    }));
    let Decision::Known(principal) = decide(&open(with_secret()), &token).await else {
        panic!("a good token")
    };
    assert_eq!((principal.name.as_deref(), principal.source), (Some("alice"), "token"));
    assert!(principal.has_role("admin"));
    let claims: Vec<_> = principal.claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(claims, ["org.unit.id=7", "sub=alice", "team=red"]);
    let left = principal.expires.unwrap() - Instant::now();
    assert!((3590..=3600).contains(&left.as_secs()), "{left:?}");
}

#[tokio::test]
async fn credentials_without_a_token_are_left_to_other_sources() {
    let tokens = open(with_secret());
    assert_eq!(tokens.check(&Credentials::default()).await, Decision::Unknown);
    let login = Credentials {
        login: Some("alice".to_owned()),
        passcode: Some(Secret::new("sesame")),
        ..Credentials::default()
    };
    assert_eq!(tokens.check(&login).await, Decision::Unknown);
    assert_eq!(tokens.name(), "token");
}

const NOW: f64 = 1_800_000_000.0;

fn check_claims(options: &Options, claims: &Value, unix: f64) -> Result<Principal, RejectReason> {
    let map: Map<String, Value> = claims.as_object().unwrap().clone();
    check(options, &map, Now { unix, instant: Instant::now() })
}

#[test]
fn exp_and_nbf_are_exact_including_the_leeway() {
    for leeway in [0, 30] {
        let options = Options { leeway: Duration::from_secs(leeway), ..Options::default() };
        let edge = leeway as f64;
        for (claims, unix, expected) in [
            (json!({"exp": NOW}), NOW + edge - 0.5, None),
            (json!({"exp": NOW}), NOW + edge, Some("expired")),
            (json!({"exp": NOW}), NOW + edge + 1.0, Some("expired")),
            (json!({"exp": NOW + 0.5}), NOW + edge, None),
            (json!({"exp": 0}), NOW, Some("expired")),
            (json!({"exp": -1}), NOW, Some("expired")),
            (json!({"exp": u64::MAX}), NOW, None),
            (json!({"exp": "soon"}), NOW, Some("malformed: exp is not a number")),
            (json!({"exp": null}), NOW, Some("malformed: exp is not a number")),
            (json!({"exp": 4e9, "nbf": NOW}), NOW - edge, None),
            (json!({"exp": 4e9, "nbf": NOW}), NOW - edge - 0.5, Some("not yet valid")),
            (json!({"exp": 4e9, "nbf": u64::MAX}), NOW, Some("not yet valid")),
            (json!({"exp": 4e9, "nbf": "now"}), NOW, Some("malformed: nbf is not a number")),
        ] {
            let mut claims = claims;
            claims.as_object_mut().unwrap().insert("sub".to_owned(), json!("alice"));
            let got = check_claims(&options, &claims, unix);
            assert_eq!(got.as_ref().err().copied(), expected, "{claims} {unix} {leeway}");
        }
    }
    let never = json!({"sub": "alice"});
    let reason = check_claims(&Options::default(), &never, NOW).unwrap_err();
    assert!(reason.contains("jwt-require-exp"), "{reason}");
    let lax = Options { require_exp: false, ..Options::default() };
    assert_eq!(check_claims(&lax, &never, NOW).unwrap().expires, None);
    assert_eq!(check_claims(&lax, &json!({"sub": "alice", "exp": NOW}), NOW).unwrap_err(), "expired");
}

#[test]
fn issuer_audience_name_and_roles_are_checked() {
    let any = Options::default();
    let ours = Options { audiences: vec!["chat".into(), "mail".into()], ..Options::default() };
    let theirs = Options { issuers: vec!["https://id".into()], ..Options::default() };
    let deep =
        Options { name_claim: "user.name".into(), roles_claim: "realm.roles".into(), ..Options::default() };
    let none = "no user name: the claim for user names (jwt-name-claim) is missing";
    let invalid = "no user name: the claim for user names (jwt-name-claim) is not a string or a number";
    for (options, claims, expected) in [
        (&any, json!({"sub": "alice", "aud": "x", "iss": 7}), Ok("alice")),
        (&ours, json!({"sub": "alice", "aud": "chat"}), Ok("alice")),
        (&ours, json!({"sub": "alice", "aud": ["x", "mail"]}), Ok("alice")),
        (&ours, json!({"sub": "alice"}), Err("wrong audience: the claim aud is missing")),
        (&ours, json!({"sub": "alice", "aud": "Chat"}), Err("wrong audience")),
        (&ours, json!({"sub": "alice", "aud": []}), Err("wrong audience")),
        (&ours, json!({"sub": "alice", "aud": null}), Err("wrong audience")),
        (&ours, json!({"sub": "alice", "aud": {"chat": true}}), Err("wrong audience")),
        (&theirs, json!({"sub": "alice", "iss": "https://id"}), Ok("alice")),
        (&theirs, json!({"sub": "alice", "iss": "https://id/"}), Err("wrong issuer")),
        (&theirs, json!({"sub": "alice", "iss": ["https://id"]}), Err("wrong issuer")),
        (&theirs, json!({"sub": "alice"}), Err("wrong issuer: the claim iss is missing")),
        (&any, json!({"sub": 42}), Ok("42")),
        (&any, json!({"sub": "a/b %"}), Ok("a/b %")),
        (&any, json!({}), Err(none)),
        (&any, json!({"sub": null}), Err(invalid)),
        (&any, json!({"sub": ["alice"]}), Err(invalid)),
        (&any, json!({"sub": ""}), Err("the name is empty")),
        (&any, json!({"sub": "a\nb"}), Err("the name has a control character")),
        (&any, json!({"sub": "x".repeat(257)}), Err("the name has more than 256 bytes")),
        (&any, json!({"sub": "a", "roles": 7}), Err("invalid roles: expected a string or a list of strings")),
        (&deep, json!({"sub": "x", "user": {"name": "alice"}, "realm": {"roles": "r"}}), Ok("alice")),
        (&deep, json!({"sub": "x"}), Err(none)),
    ] {
        let mut claims = claims;
        claims.as_object_mut().unwrap().insert("exp".to_owned(), json!(4e9));
        let got = check_claims(options, &claims, NOW);
        let got = got.as_ref().map(|principal| principal.name.as_deref().unwrap()).map_err(|reason| *reason);
        assert_eq!(got, expected, "{claims}");
    }
}

/// Creates a token with any header, signed with HS256 and the secret regardless of the header.
fn forged(header: &Value, payload: &str, secret: &[u8]) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(&header.to_string()), part(payload));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test]
async fn invalid_tokens_are_rejected_with_a_reason() {
    let rsa = Issuer::called(Algorithm::RS256, "rsa");
    let (_set, mut options) = with_set(&set(&[rsa.jwk(json!({"alg": "RS256"}))]));
    let pem = Temporary::new(&rsa.pem);
    options.key_files = vec![pem.0.clone()];
    options.secrets = vec![Secret::new(SECRET), Secret::new(&SECRET.to_uppercase())];
    let tokens = open(options);
    let payload = json!({"sub": "alice", "exp": in_an_hour()}).to_string();
    let make = |header: Value| forged(&header, &payload, SECRET.as_bytes());
    let good = make(json!({"alg": "HS256"}));
    let (head, tail) = good.split_once('.').unwrap();
    let hidden = |header: Value| format!("{}.{tail}", URL_SAFE_NO_PAD.encode(header.to_string()));
    let wrong = Issuer::new(Algorithm::RS256).good();
    let unsigned = &good[..good.rfind('.').unwrap()];
    for (token, expected) in [
        (good.clone(), "alice"),
        (forged(&json!({"alg": "HS256"}), &payload, SECRET.to_uppercase().as_bytes()), "alice"),
        (rsa.good(), "alice"),
        (make(json!({"alg": "HS256", "kid": "of no set"})), "alice"),
        (hidden(json!({"alg": "HS256", "kid": "of no set"})), "!bad signature"),
        (hidden(json!({"alg": "ES256", "kid": "of no set"})), "!unknown key"),
        (make(json!({"alg": "none"})), "!algorithm not allowed: unknown algorithm"),
        (hidden(json!({"alg": "none"})), "!algorithm not allowed: unknown algorithm"),
        (hidden(json!({"alg": "NONE"})), "!algorithm not allowed: unknown algorithm"),
        (format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), "e30"), "!algorithm not allowed"),
        (hidden(json!({"alg": "HS512"})), "!bad signature"),
        (hidden(json!({"alg": "RS256"})), "!bad signature"),
        (hidden(json!({"alg": "PS256"})), "!bad signature"),
        (hidden(json!({"alg": "ES256"})), "!algorithm not allowed: no key supports it"),
        (hidden(json!({"alg": "ES256K"})), "!algorithm not allowed: unknown algorithm"),
        (hidden(json!({"alg": "HS256 "})), "!algorithm not allowed: unknown algorithm"),
        (forged(&json!({"alg": "HS256"}), &payload, rsa.pem.as_bytes()), "!bad signature"),
        (forged(&json!({"alg": "HS256"}), &payload, rsa.pem.trim_end().as_bytes()), "!bad signature"),
        (forged(&json!({"alg": "HS256"}), &payload, b""), "!bad signature"),
        (wrong, "!bad signature"),
        (unsigned.to_owned(), "!malformed: expected three parts"),
        (format!("{unsigned}."), "!bad signature"),
        (format!("{good}="), "!bad signature"),
        (format!("{good}.x"), "!malformed: expected three parts"),
        (format!("{good}.x.y"), "!malformed: expected three parts"),
        (format!("{head}..{tail}"), "!malformed: expected three parts"),
        (format!(".{tail}"), "!malformed: the header"),
        ("..".to_owned(), "!malformed: the header"),
        ("nothing".to_owned(), "!malformed: expected three parts"),
        (String::new(), "!malformed: expected three parts"),
        (hidden(json!("alg")), "!malformed: the header"),
        (hidden(json!({"typ": "JWT"})), "!malformed: the header has no alg"),
        (hidden(json!({"alg": 7})), "!malformed: the header has no alg"),
        (make(json!({"alg": "HS256", "kid": 7})), "!malformed: kid is not a string"),
        (
            make(json!({"alg": "HS256", "crit": ["exp"]})),
            "!malformed: the header has unsupported critical parameters",
        ),
        (forged(&json!({"alg": "HS256"}), "[]", SECRET.as_bytes()), "!malformed: the payload"),
        (forged(&json!({"alg": "HS256"}), "{", SECRET.as_bytes()), "!malformed: the payload"),
        (format!("{good}{}", "x".repeat(16 << 10)), "!malformed: longer than 16 KiB"),
    ] {
        let got = short_decision(&tokens, &token).await;
        assert!(got.starts_with(expected), "{token}: {got}, not {expected}");
    }
}

#[test]
fn invalid_keys_are_rejected() {
    let rsa = Issuer::new(Algorithm::RS256);
    let private = KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem();
    let both = [rsa.pem.as_str(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"].concat();
    let rejected = |options: Options| Tokens::new(options, HttpClient::new()).map(|_| ()).unwrap_err();
    for (secret, expected) in
        [("short, but sesame", "at least 32 bytes"), (&rsa.pem, "PEM"), ("", "at least 32 bytes")]
    {
        let error = rejected(Options { secrets: vec![Secret::new(secret)], ..Options::default() });
        assert!(error.starts_with("jwt-secret: ") && error.contains(expected), "{error}");
        assert!(!error.contains("sesame"), "{error}");
    }
    for (text, expected) in [
        (private.as_str(), "a private key: expected the public key"),
        ("sesame", "no key found: expected a public key in PEM"),
        ("", "no key found: expected a public key in PEM"),
        (&both, "unsupported PEM block: expected PUBLIC KEY"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "unsupported key: expected an RSA"),
    ] {
        let file = Temporary::new(text);
        let error = rejected(Options { key_files: vec![file.0.clone()], ..Options::default() });
        assert!(error.starts_with("jwt-key-file: ") && error.contains(expected), "{error}");
    }
    for text in ["", "{", "[]", r#"{"keys": 7}"#, &set(&vec![json!({}); 101])] {
        let (_file, options) = with_set(text);
        assert!(rejected(options).starts_with("jwt-jwks: "), "{text}");
    }
    let missing = Options { jwks: vec![Jwks::File("/nowhere/keys".into())], ..Options::default() };
    assert!(rejected(missing).starts_with("jwt-jwks: /nowhere/keys: "));
    assert!(format!("{:?}", with_secret()).find(SECRET).is_none());
    assert!(format!("{:?}", open(with_secret())).find(SECRET).is_none());
}

#[tokio::test]
async fn key_of_a_set_is_used_only_for_its_purpose() {
    let rsa = Issuer::called(Algorithm::RS256, "k");
    let ec = Issuer::called(Algorithm::ES256, "k");
    let hs = Issuer::called(Algorithm::HS256, "k");
    let other = Issuer::called(Algorithm::RS256, "other");
    let ps = || {
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::PS256) };
        jsonwebtoken::encode(&header, &json!({"sub": "alice", "exp": in_an_hour()}), &rsa.encoding).unwrap()
    };
    let short = json!({"kty": "oct", "kid": "k", "k": URL_SAFE_NO_PAD.encode("short")});
    let nameless = Issuer { kid: None, ..Issuer::new(Algorithm::ES256) };
    let no_algorithm = "!algorithm not allowed: no key supports it";
    for (keys, token, expected) in [
        (vec![rsa.jwk(json!({}))], rsa.good(), "alice"),
        (vec![rsa.jwk(json!({}))], ps(), "alice"),
        (vec![rsa.jwk(json!({"alg": "RS256"}))], ps(), no_algorithm),
        (vec![rsa.jwk(json!({"alg": "PS256"}))], rsa.good(), no_algorithm),
        (vec![rsa.jwk(json!({"alg": "HS256"}))], rsa.good(), "!unknown key"),
        (vec![rsa.jwk(json!({"alg": "RSA-OAEP"}))], rsa.good(), "!unknown key"),
        (vec![rsa.jwk(json!({"alg": "of tomorrow"}))], rsa.good(), "!unknown key"),
        (vec![rsa.jwk(json!({"use": "enc"}))], rsa.good(), "!unknown key"),
        (vec![rsa.jwk(json!({"key_ops": ["sign"]}))], rsa.good(), "!unknown key"),
        (vec![rsa.jwk(json!({"key_ops": ["verify"]}))], rsa.good(), "alice"),
        (vec![ec.jwk(json!({"crv": "P-384"}))], ec.good(), "!unknown key"),
        (vec![ec.jwk(json!({"crv": "secp256k1"}))], ec.good(), "!unknown key"),
        (vec![hs.jwk(json!({}))], hs.good(), "alice"),
        (vec![short], hs.good(), "!unknown key"),
        (vec![rsa.jwk(json!({})), ec.jwk(json!({}))], ec.good(), "alice"),
        (vec![json!({"kty": "new"}), json!(7), rsa.jwk(json!({}))], rsa.good(), "alice"),
        (vec![rsa.jwk(json!({}))], other.good(), "!unknown key"),
        (vec![other.jwk(json!({"kid": "k"}))], rsa.good(), "!bad signature"),
        (vec![rsa.jwk(json!({"kid": null}))], rsa.good(), "!unknown key"),
        (vec![ec.jwk(json!({})), nameless.jwk(json!({"kid": "x"}))], nameless.good(), "alice"),
        (vec![], rsa.good(), "!unknown key"),
    ] {
        let text = set(&keys);
        let (_file, options) = with_set(&text);
        assert_eq!(short_decision(&open(options), &token).await, expected, "{text}");
    }
}

/// Advances the clock by `seconds`, and lets it run again afterwards, because socket I/O takes real time.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn changed_key_set_file_is_read_again() {
    let (old, new) = (Issuer::called(Algorithm::EdDSA, "old"), Issuer::called(Algorithm::ES384, "newer"));
    let (file, options) = with_set(&set(&[old.jwk(json!({}))]));
    let tokens = open(options);
    std::fs::write(&file.0, set(&[new.jwk(json!({}))])).unwrap();
    assert_eq!(
        short_decision(&tokens, &new.good()).await,
        "!unknown key",
        "the file is read at most once a second"
    );
    later(1).await;
    assert_eq!(short_decision(&tokens, &new.good()).await, "alice");
    assert_eq!(short_decision(&tokens, &old.good()).await, "!unknown key");
    std::fs::write(&file.0, "half a fi").unwrap();
    later(1).await;
    assert_eq!(short_decision(&tokens, &new.good()).await, "alice", "the last valid content is used");
    std::fs::remove_file(&file.0).unwrap();
    later(1).await;
    assert_eq!(short_decision(&tokens, &new.good()).await, "alice");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// A valid token becomes invalid if any byte of it is changed.
    #[test]
    fn token_with_any_changed_byte_is_rejected(
        which in 0..4_usize, at in any::<prop::sample::Index>(), byte in 0..128_u8,
    ) {
        thread_local! {
            static FIXTURES: (Tokens, Vec<String>, Vec<Temporary>) = fixtures();
        }
        FIXTURES.with(|(tokens, good, _)| {
            let mut token = good[which].clone().into_bytes();
            let at = at.index(token.len());
            prop_assume!(token[at] != byte);
            token[at] = byte;
            let token = String::from_utf8(token).unwrap();
            let mut check = Box::pin(tokens.decide(&token));
            let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
            // The check yields once.
            let decision = match check.as_mut().poll(cx) {
                Poll::Pending => check.as_mut().poll(cx),
                ready => ready,
            };
            prop_assert!(matches!(decision, Poll::Ready(Decision::Rejected(_))), "{decision:?}");
            Ok(())
        })?;
    }
}

fn fixtures() -> (Tokens, Vec<String>, Vec<Temporary>) {
    let issuers = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(Issuer::new);
    let files: Vec<_> = issuers[1..].iter().map(|issuer| Temporary::new(&issuer.pem)).collect();
    let key_files = files.iter().map(|file| file.0.clone()).collect();
    let tokens = open(Options { key_files, ..with_secret() });
    (tokens, issuers.iter().map(Issuer::good).collect(), files)
}
