//! Tokens of every kind, in every place, over every transport.

use super::issuer::{self, AUDIENCE, ISSUER, Issuer, SECRET, claims, key_set, now};
use super::login_log::{Reasons, assert_log};
use super::peer::{Answer, Credentials, Peer, Via};
use crate::support::Broker;
use crate::support::users_directory::UsersDirectory;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::fs;
use std::thread;

/// Trusted issuers, one for each algorithm, and untrusted ones.
struct Issuers {
    hs256: Issuer,
    rs256: Issuer,
    es256: Issuer,
    eddsa: Issuer,
    untrusted: Issuer,
    /// An untrusted issuer whose key has the `kid` of a key in the set.
    known_kid: Issuer,
    unknown_kid: Issuer,
}

impl Issuers {
    fn new() -> Issuers {
        Issuers {
            hs256: Issuer::new(Algorithm::HS256),
            rs256: Issuer::new(Algorithm::RS256),
            es256: Issuer::new(Algorithm::ES256),
            eddsa: Issuer::with_kid(Algorithm::EdDSA, "ed-1"),
            untrusted: Issuer::new(Algorithm::ES256),
            known_kid: Issuer::with_kid(Algorithm::EdDSA, "ed-1"),
            unknown_kid: Issuer::with_kid(Algorithm::EdDSA, "ed-2"),
        }
    }
}

/// Title, token, and the reason in the log for which the token is rejected (`None` if it is valid).
struct Case(&'static str, fn(&Issuers) -> String, Option<&'static str>);

const GOOD: Option<&str> = None;

const CASES: &[Case] = &[
    Case("HS256", |by| by.hs256.valid_token("dave"), GOOD),
    Case("RS256", |by| by.rs256.valid_token("dave"), GOOD),
    Case("ES256", |by| by.es256.valid_token("dave"), GOOD),
    Case("EdDSA, of a key set", |by| by.eddsa.valid_token("dave"), GOOD),
    Case("valid since a second", |by| by.rs256.token(&with("nbf", json!(now() - 1.0))), GOOD),
    Case("for several audiences", |by| by.es256.token(&with("aud", json!(["shop", AUDIENCE]))), GOOD),
    Case("expired", |by| by.hs256.token(&with("exp", json!(now() - 1.0))), Some("expired")),
    Case(
        "without exp",
        |by| by.hs256.token(&without("exp")),
        Some("no expiry time: the claim exp is missing (jwt-require-exp)"),
    ),
    Case("not yet valid", |by| by.rs256.token(&with("nbf", json!(now() + 60.0))), Some("not yet valid")),
    Case("for another audience", |by| by.es256.token(&with("aud", json!("shop"))), Some("wrong audience")),
    Case(
        "for no audience",
        |by| by.es256.token(&without("aud")),
        Some("wrong audience: the claim aud is missing"),
    ),
    Case(
        "of another issuer",
        |by| by.eddsa.token(&with("iss", json!("https://evil.example"))),
        Some("wrong issuer"),
    ),
    Case(
        "of no issuer",
        |by| by.eddsa.token(&without("iss")),
        Some("wrong issuer: the claim iss is missing"),
    ),
    Case(
        "without a user",
        |by| by.hs256.token(&without("sub")),
        Some("no user name: the claim for user names (jwt-name-claim) is missing"),
    ),
    Case("of an unknown key", |by| by.untrusted.valid_token("dave"), Some("bad signature")),
    Case(
        "of an unknown key with the kid of a known one",
        |by| by.known_kid.valid_token("dave"),
        Some("bad signature"),
    ),
    Case("of a key with an unknown kid", |by| by.unknown_kid.valid_token("dave"), Some("unknown key")),
    Case("with exp in the far future", |by| by.hs256.token(&with("exp", json!(1e300))), GOOD),
    Case(
        "with exp as text",
        |by| by.hs256.token(&with("exp", json!("soon"))),
        Some("malformed: exp is not a number"),
    ),
    Case("with exp in the far past", |by| by.hs256.token(&with("exp", json!(-1e300))), Some("expired")),
    Case(
        "with nbf in the far future",
        |by| by.hs256.token(&with("nbf", json!(1e300))),
        Some("not yet valid"),
    ),
    Case("of an empty name", |by| by.hs256.token(&with("sub", json!(""))), Some("the name is empty")),
    Case(
        "of a name with a line end",
        |by| by.hs256.token(&with("sub", json!("a\nb"))),
        Some("the name has a control character"),
    ),
    Case(
        "with roles as a number",
        |by| by.hs256.token(&with("roles", json!(7))),
        Some("invalid roles: expected a string or a list of strings"),
    ),
    Case("alg none", |_| unsigned("none"), Some("algorithm not allowed: unknown algorithm")),
    Case("alg None", |_| unsigned("None"), Some("algorithm not allowed: unknown algorithm")),
    Case("alg RS256 without a signature", |_| unsigned("RS256"), Some("bad signature")),
    Case(
        "HS256, signed with RSA's public key",
        |by| Issuer::of_secret(&by.rs256.pem).valid_token("dave"),
        Some("bad signature"),
    ),
    Case(
        "HS256, signed with the trimmed public key",
        |by| Issuer::of_secret(by.rs256.pem.trim()).valid_token("dave"),
        Some("bad signature"),
    ),
    Case(
        "with another payload",
        |by| tampered(&by.rs256.valid_token("mallory"), &by.rs256.valid_token("dave")),
        Some("bad signature"),
    ),
    Case("with a cut signature", |by| cut(&by.es256.valid_token("dave")), Some("bad signature")),
];

/// Some clients write the scheme `Bearer` into a header that has no scheme, such as `passcode`, or add spaces.
#[test]
fn bearer_before_a_token_is_optional_in_every_header() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&["--jwt-secret", SECRET, "--heart-beat=0,0"]);
    let token = issuer.valid_token("dave");
    let answer = |credentials: &Credentials| Peer::answer(&broker, Via::Tcp, credentials);
    for value in ["Bearer TOKEN", " Bearer TOKEN", "  bearer   TOKEN ", "\tBearer\tTOKEN", " TOKEN"] {
        let value = value.replace("TOKEN", &token);
        for header in ["Authorization", "authorization", "passcode"] {
            let credentials = Credentials::default().connect(header, &value).secret(&token);
            assert_eq!(answer(&credentials), Answer::user("dave"), "{header}:{value:?}");
            let credentials = Credentials::default().connect("login", "dave").connect(header, &value);
            assert_eq!(answer(&credentials), Answer::user("dave"), "{header}:{value:?}");
            let mut peer = Peer::signed_in(&broker, Via::Tcp, &credentials);
            peer.done(&format!("SEND\ndestination:/auth/refresh\nreceipt:done\n{header}:{value}\n\n\0"));
            peer.done(&format!("SEND\ndestination:/auth/refresh\nreceipt:done\n\n{value}\0"));
        }
    }
}

/// Returns the claims of a valid token with one claim replaced.
fn with(claim: &str, value: Value) -> Value {
    let mut claims = claims("dave");
    claims[claim] = value;
    claims
}

fn without(claim: &str) -> Value {
    let mut claims = claims("dave");
    claims.as_object_mut().expect("an object").remove(claim);
    claims
}

fn unsigned(algorithm: &str) -> String {
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(json!({"alg": algorithm, "typ": "JWT"})), part(claims("dave")))
}

/// Returns the first token with the payload of the second.
fn tampered(token: &str, other: &str) -> String {
    let payload = other.split('.').nth(1).expect("three parts");
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[1] = payload;
    parts.join(".")
}

fn cut(token: &str) -> String {
    token[..token.len() - 4].to_owned()
}

/// Title, whether the method needs a handshake, and the credentials for a token.
type Method = (&'static str, bool, fn(&str) -> Credentials);

const METHODS: [Method; 6] = [
    ("Authorization of CONNECT", false, |token| Credentials::authorization(token)),
    ("passcode of CONNECT", false, |token| Credentials::default().connect("passcode", token).secret(token)),
    ("Authorization", true, |token| Credentials::bearer(token)),
    ("cookie", true, |token| Credentials::cookie(token)),
    ("access_token", true, |token| Credentials::default().query("access_token", token).secret(token)),
    ("accessToken", true, |token| Credentials::default().query("accessToken", token).secret(token)),
];

/// Tries all cases with all methods over one transport.
fn try_all(broker: &Broker, via: Via, issuers: &Issuers) -> (Reasons, Vec<String>) {
    let (mut reasons, mut secrets) = (Reasons::new(), Vec::new());
    for (method, needs_handshake, show) in METHODS {
        if needs_handshake && via == Via::Tcp {
            println!("n/a: {method} over tcp, which has no handshake");
            continue;
        }
        for Case(name, token, failure) in CASES {
            let credentials = show(&token(issuers));
            let answer = Peer::answer(broker, via, &credentials);
            secrets.extend_from_slice(credentials.secrets());
            let Some(reason) = failure else {
                assert_eq!(answer, Answer::user("dave"), "{name} by {method} over {via:?}");
                continue;
            };
            let body = "The token is not accepted. Get a new one.";
            let expected = Answer::Rejected("login failed".to_owned(), body.to_owned());
            assert_eq!(answer, expected, "{name} by {method} over {via:?}");
            *reasons.entry(format!("token: {reason}")).or_default() += 1;
        }
    }
    (reasons, secrets)
}

#[test]
fn every_kind_of_token_is_checked_in_every_place() {
    let issuers = Issuers::new();
    let directory = UsersDirectory::new("auth-tokens");
    let file = |name: &str, text: &str| {
        let path = directory.0.join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let rs256 = file("rs256.pem", &issuers.rs256.pem);
    let es256 = file("es256.pem", &issuers.es256.pem);
    let set = file("set.json", &key_set(&[&issuers.eddsa]));
    let broker = Broker::start(&[
        "--jwt-secret",
        SECRET,
        "--jwt-key-file",
        &rs256,
        "--jwt-key-file",
        &es256,
        "--jwt-jwks",
        &set,
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
        "--token-cookie=auth",
        "--auth-failures-free=1000000",
        "--log=trace",
    ]);
    let (mut reasons, mut secrets) = (Reasons::new(), Vec::new());
    thread::scope(|scope| {
        let try_all = |via| {
            let (broker, issuers) = (&broker, &issuers);
            scope.spawn(move || try_all(broker, via, issuers))
        };
        for results in Via::ALL.map(try_all).map(|thread| thread.join().expect("no case fails")) {
            results.0.into_iter().for_each(|(reason, count)| *reasons.entry(reason).or_default() += count);
            secrets.extend(results.1);
        }
    });
    let failures = CASES.iter().filter(|case| case.2.is_some()).count();
    assert_eq!(
        reasons.values().sum::<usize>(),
        failures * (2 + 8 * 6),
        "two methods over tcp, six over others"
    );
    assert_log(broker, &reasons, &secrets);
}

/// The `alg` of a token must not decide how a key is used. Otherwise a client could sign a token with HMAC and the
/// public key as the secret (algorithm confusion).
#[test]
fn a_public_key_is_not_accepted_as_an_hmac_secret() {
    let issuer = Issuer::new(Algorithm::RS256);
    let directory = UsersDirectory::new("auth-public-key");
    let path = directory.0.join("key.pem");
    fs::write(&path, &issuer.pem).expect("a file");
    let broker = Broker::start(&[
        "--jwt-key-file",
        path.to_str().expect("UTF-8"),
        "--auth-failures-free=1000000",
        "--log=trace",
    ]);
    let mut secrets = Vec::new();
    for via in Via::ALL {
        let good = Credentials::authorization(&issuer.valid_token("dave"));
        assert_eq!(Peer::answer(&broker, via, &good), Answer::user("dave"));
        let forged = Credentials::authorization(&Issuer::of_secret(&issuer.pem).valid_token("dave"));
        assert_eq!(Peer::answer(&broker, via, &forged).rejection(), "login failed", "{via:?}");
        secrets.extend([good.secrets(), forged.secrets()].concat());
    }
    let reason = "token: algorithm not allowed: no key supports it".to_owned();
    assert_log(broker, &Reasons::from([(reason, Via::ALL.len())]), &secrets);
}

#[test]
fn leeway_name_and_roles_are_as_configured() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[
        "--jwt-secret",
        SECRET,
        "--jwt-leeway=60s",
        "--jwt-name-claim=user.mail",
        "--jwt-roles-claim=realm_access.roles",
        "--permission=allow send role:editor /topic/news",
    ]);
    let mut claims = issuer::claims_for("7", -30.0);
    claims["user"] = json!({"mail": "dave@example.com"});
    let reader = Credentials::authorization(&issuer.token(&claims));
    claims["realm_access"] = json!({"roles": ["editor"]});
    let editor = Credentials::authorization(&issuer.token(&claims));
    assert_eq!(Peer::answer(&broker, Via::Tcp, &reader), Answer::user("dave@example.com"));
    Peer::signed_in(&broker, Via::Tcp, &editor).publish("/topic/news", "hi");
    let mut peer = Peer::signed_in(&broker, Via::Tcp, &reader);
    peer.send("SEND\ndestination:/topic/news\n\nhi\0");
    let error = peer.expect_error("access denied", 1008, "access denied");
    assert_eq!(error.expect_header("destination"), "/topic/news");
}
