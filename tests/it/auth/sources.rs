//! Every source of users, with every kind of credentials, over every transport: valid, invalid and unknown.

use super::issuer::{Issuer, SECRET};
use super::login_log::{Reasons, assert_log};
use super::peer::{Answer, Credentials, Peer, Via};
use super::test_server::{Reply, TestServer};
use crate::support::Broker;
use crate::support::users_directory::UsersDirectory;
use jsonwebtoken::Algorithm;
use serde_json::json;
use std::thread;

/// Validity of the credentials that a client presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validity {
    Right,
    Wrong,
    /// Well-formed credentials of no user.
    Unknown,
}

use Validity::{Right, Unknown, Wrong};

/// A method to sign in.
struct Method {
    name: &'static str,
    /// The part of the connection setup that carries the credentials.
    carrier: Carrier,
    user: &'static str,
    show: fn(&Issuer, Validity) -> Credentials,
    /// Whether the credentials contain a user name, so that the name can be unknown.
    has_names: bool,
    /// Reason in the log for wrong credentials.
    wrong: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Connect,
    Handshake,
}

impl Method {
    /// Returns why this method does not exist over a transport, or `None` if it exists.
    fn unavailable_reason(&self, via: Via) -> Option<&'static str> {
        let is_unavailable = self.carrier == Carrier::Handshake && via == Via::Tcp;
        is_unavailable.then_some("TCP has no handshake")
    }
}

const METHODS: &[Method] = &[
    Method {
        name: "user by CONNECT",
        carrier: Carrier::Connect,
        user: "bob",
        show: |_, validity| {
            let login = if validity == Unknown { "bobby" } else { "bob" };
            Credentials::login(login, passcode(validity, "bobs-passcode"))
        },
        has_names: true,
        wrong: "user: wrong passcode",
    },
    Method {
        name: "user by Basic",
        carrier: Carrier::Handshake,
        user: "bob",
        show: |_, validity| {
            let login = if validity == Unknown { "bobby" } else { "bob" };
            Credentials::basic(login, passcode(validity, "bobs-passcode"))
        },
        has_names: true,
        wrong: "user: wrong passcode",
    },
    Method {
        name: "users-file by CONNECT",
        carrier: Carrier::Connect,
        user: "al:%/ice",
        show: |_, validity| {
            let login = if validity == Unknown { "al:%/icia" } else { "al:%/ice" };
            Credentials::login(login, passcode(validity, "alices:pass\\code"))
        },
        has_names: true,
        wrong: "users-file: wrong passcode",
    },
    Method {
        name: "users-file by Basic",
        carrier: Carrier::Handshake,
        user: "carol",
        show: |_, validity| {
            let login = if validity == Unknown { "caroline" } else { "carol" };
            Credentials::basic(login, passcode(validity, "carols:passcode"))
        },
        has_names: true,
        wrong: "users-file: wrong passcode",
    },
    Method {
        name: "token by Bearer",
        carrier: Carrier::Handshake,
        user: "dave",
        show: |issuer, validity| Credentials::bearer(&token(issuer, validity)),
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by cookie",
        carrier: Carrier::Handshake,
        user: "dave",
        show: |issuer, validity| Credentials::cookie(&token(issuer, validity)),
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by access_token",
        carrier: Carrier::Handshake,
        user: "dave",
        show: |issuer, validity| {
            let token = token(issuer, validity);
            Credentials::default().query("access_token", &token).secret(&token)
        },
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by accessToken",
        carrier: Carrier::Handshake,
        user: "dave",
        show: |issuer, validity| {
            let token = token(issuer, validity);
            Credentials::default().query("accessToken", &token).secret(&token)
        },
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by CONNECT Authorization",
        carrier: Carrier::Connect,
        user: "dave",
        show: |issuer, validity| Credentials::authorization(&token(issuer, validity)),
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by CONNECT passcode",
        carrier: Carrier::Connect,
        user: "dave",
        show: |issuer, validity| {
            let token = token(issuer, validity);
            Credentials::default().connect("passcode", &token).secret(&token)
        },
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by CONNECT passcode, with a login",
        carrier: Carrier::Connect,
        user: "dave",
        show: |issuer, validity| Credentials::login("ignored", &token(issuer, validity)),
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "proxy header",
        carrier: Carrier::Handshake,
        user: "erin",
        show: |_, validity| {
            let long = "x".repeat(257);
            Credentials::default().header("X-User", if validity == Right { "erin" } else { &long })
        },
        has_names: false,
        wrong: "proxy: the name has more than 256 bytes",
    },
];

/// Methods to sign in to a broker that has only a hook.
const HOOK_METHODS: &[Method] = &[
    Method {
        name: "hook by login",
        carrier: Carrier::Connect,
        user: "frank",
        show: |_, validity| {
            let login = if validity == Unknown { "frankie" } else { "frank" };
            Credentials::login(login, passcode(validity, "franks-passcode"))
        },
        has_names: true,
        wrong: "hook: the response has status 401",
    },
    Method {
        name: "hook by Basic",
        carrier: Carrier::Handshake,
        user: "frank",
        show: |_, validity| {
            let login = if validity == Unknown { "frankie" } else { "frank" };
            Credentials::basic(login, passcode(validity, "franks-passcode"))
        },
        has_names: true,
        wrong: "hook: the response has status 401",
    },
    Method {
        name: "hook by CONNECT Authorization",
        carrier: Carrier::Connect,
        user: "grace",
        show: |_, validity| Credentials::authorization(opaque(validity)),
        has_names: true,
        wrong: "hook: the response names no user",
    },
    Method {
        name: "hook by Bearer",
        carrier: Carrier::Handshake,
        user: "grace",
        show: |_, validity| Credentials::bearer(opaque(validity)),
        has_names: true,
        wrong: "hook: the response names no user",
    },
    Method {
        name: "hook by cookie",
        carrier: Carrier::Handshake,
        user: "grace",
        show: |_, validity| Credentials::cookie(opaque(validity)),
        has_names: true,
        wrong: "hook: the response names no user",
    },
    Method {
        name: "hook by access_token",
        carrier: Carrier::Handshake,
        user: "grace",
        show: |_, validity| {
            Credentials::default().query("access_token", opaque(validity)).secret(opaque(validity))
        },
        has_names: true,
        wrong: "hook: the response names no user",
    },
];

fn passcode(validity: Validity, right: &'static str) -> &'static str {
    if validity == Right { right } else { "guessed-passcode" }
}

fn token(issuer: &Issuer, validity: Validity) -> String {
    match validity {
        Right => issuer.valid_token("dave"),
        _ => Issuer::of_secret("another-secret-of-more-than-32-bytes").valid_token("dave"),
    }
}

fn opaque(validity: Validity) -> &'static str {
    match validity {
        Right => "opaque-token-of-grace",
        Wrong => "opaque-token-of-mallory",
        Unknown => "opaque-token-of-no-user",
    }
}

/// Results of the attempts to sign in. Each attempt is a row of the printed table.
#[derive(Default)]
struct Results {
    lines: Vec<String>,
    reasons: Reasons,
    secrets: Vec<String>,
    /// Answers to wrong and to unknown credentials.
    answers: Vec<Answer>,
}

impl Results {
    fn row(&mut self, broker: &Broker, via: Via, method: &Method, validity: Validity, issuer: &Issuer) {
        let row = format!("{:<40} {:<22} {validity:?}", method.name, via.label());
        let credentials = (method.show)(issuer, validity);
        let answer = Peer::answer(broker, via, &credentials);
        self.secrets.extend_from_slice(credentials.secrets());
        match validity {
            Right => {
                assert_eq!(answer, Answer::user(method.user), "{row}");
                self.lines.push(format!("{row}: CONNECTED as {}", method.user));
            }
            Wrong | Unknown => {
                let reason = if validity == Wrong { method.wrong } else { "unknown to all sources of users" };
                assert_eq!(answer.rejection(), "login failed", "{row}");
                *self.reasons.entry(reason.to_owned()).or_default() += 1;
                self.lines.push(format!("{row}: login failed ({reason})"));
                self.answers.push(answer);
            }
        }
    }
}

/// Tries every method over every transport, with a thread for each transport. The answers to wrong and to unknown
/// credentials must be the same.
fn try_methods(broker: &Broker, methods: &[Method]) -> Results {
    let issuer = Issuer::new(Algorithm::HS256);
    let mut all = Results::default();
    thread::scope(|scope| {
        let try_methods = |via| {
            let issuer = &issuer;
            scope.spawn(move || {
                let mut results = Results::default();
                for method in methods {
                    if let Some(reason) = method.unavailable_reason(via) {
                        results.lines.push(format!("{:<40} {:<22} n/a: {reason}", method.name, via.label()));
                        continue;
                    }
                    let before = results.answers.len();
                    results.row(broker, via, method, Right, issuer);
                    results.row(broker, via, method, Wrong, issuer);
                    if method.has_names {
                        results.row(broker, via, method, Unknown, issuer);
                        let answers = &results.answers[before..];
                        assert_eq!(answers[0], answers[1], "{} over {via:?}", method.name);
                    }
                }
                results
            })
        };
        for results in Via::ALL.map(try_methods).map(|thread| thread.join().expect("no row fails")) {
            all.lines.extend(results.lines);
            all.secrets.extend(results.secrets);
            all.answers.extend(results.answers);
            results.reasons.into_iter().for_each(|(reason, n)| *all.reasons.entry(reason).or_default() += n);
        }
    });
    println!("{}", all.lines.join("\n"));
    all
}

/// Returns the number of rows that were tried, and of rows whose method does not exist.
fn count_rows(results: &Results) -> (usize, usize) {
    let unavailable = results.lines.iter().filter(|line| line.contains(" n/a: ")).count();
    (results.lines.len() - unavailable, unavailable)
}

#[test]
fn every_source_works_over_every_transport() {
    let directory = UsersDirectory::new("auth-sources");
    directory.passwd_ok(&["al:%/ice"], "alices:pass\\code");
    directory.passwd_ok(&["carol"], "carols:passcode");
    let users = directory.users();
    let broker = Broker::start(&[
        "--user=bob:bobs-passcode",
        "--users-file",
        &users,
        "--jwt-secret",
        SECRET,
        "--token-cookie=auth",
        "--trusted-proxies=127.0.0.1",
        "--proxy-user-header=X-User",
        "--auth-failures-free=1000000",
        "--log=trace",
    ]);
    let mut results = try_methods(&broker, METHODS);
    // Methods with credentials in CONNECT work over nine transports, other methods over eight. Over each transport, a
    // method with names is tried three times, and another method twice.
    assert_eq!(count_rows(&results), (2 * 27 + 3 * 18 + 2 * 24 + 5 * 16, 7));
    for via in Via::ALL {
        assert_eq!(
            Peer::answer(&broker, via, &Credentials::default()).rejection(),
            "login failed",
            "{via:?}"
        );
    }
    results.reasons.insert("no credentials".to_owned(), Via::ALL.len());
    assert_log(broker, &results.reasons, &results.secrets);
}

#[test]
fn a_hook_works_over_every_transport() {
    let server = TestServer::start(|request| {
        let request: serde_json::Value = serde_json::from_str(&request.body).expect("JSON");
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        match (text("login").as_str(), text("passcode").as_str(), text("token").as_str()) {
            ("frank", "franks-passcode", "") => Reply::json(200, json!({"name": "frank"})),
            ("frank", _, "") => Reply::json(401, json!({})),
            ("", "", "opaque-token-of-grace") => Reply::json(200, json!({"name": "grace"})),
            ("", "", "opaque-token-of-mallory") => Reply::json(200, json!({"name": null})),
            _ => Reply::json(404, json!({})),
        }
    });
    let broker = Broker::start(&[
        "--hook-url",
        &server.url("/sign-in"),
        "--token-cookie=auth",
        "--auth-failures-free=1000000",
        "--log=trace",
    ]);
    let results = try_methods(&broker, HOOK_METHODS);
    assert_eq!(count_rows(&results), (2 * 27 + 4 * 24, 4));
    assert_log(broker, &results.reasons, &results.secrets);
}

#[test]
fn allow_anonymous_works_over_every_transport() {
    let broker = Broker::start(&[
        "--user=bob:bobs-passcode",
        "--allow-anonymous",
        "--auth-failures-free=1000000",
        "--log=trace",
    ]);
    let (right, wrong) =
        (Credentials::login("bob", "bobs-passcode"), Credentials::login("bob", "guessed-passcode"));
    for via in Via::ALL {
        assert_eq!(Peer::answer(&broker, via, &Credentials::default()), Answer::Accepted(None), "{via:?}");
        assert_eq!(Peer::answer(&broker, via, &right), Answer::user("bob"), "{via:?}");
        assert_eq!(Peer::answer(&broker, via, &wrong).rejection(), "login failed", "{via:?}");
    }
    let reasons = Reasons::from([("user: wrong passcode".to_owned(), Via::ALL.len())]);
    assert_log(broker, &reasons, &[right.secrets(), wrong.secrets()].concat());
    let open = Broker::start(&[]);
    for via in Via::ALL {
        assert_eq!(
            Peer::answer(&open, via, &wrong),
            Answer::Accepted(None),
            "without sources the login is ignored: {via:?}"
        );
    }
}
