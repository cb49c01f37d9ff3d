//! Each source by each way of showing oneself, over each transport: right, wrong and unknown.

use super::issuer::{Issuer, SECRET};
use super::peer::{Answer, Peer, Shown, Via};
use super::site::{Reply, Site};
use super::verdicts::{Reasons, assert_log};
use crate::support::Broker;
use crate::support::home::Home;
use jsonwebtoken::Algorithm;
use serde_json::json;
use std::thread;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    Right,
    Wrong,
    /// Something that is right in form and nobody's.
    Unknown,
}

use Worth::{Right, Unknown, Wrong};

/// A way to sign in.
struct Method {
    name: &'static str,
    /// Where it shows something.
    place: Place,
    user: &'static str,
    show: fn(&Issuer, Worth) -> Shown,
    /// Whether there are names that can be unknown.
    has_names: bool,
    /// What the log says of something wrong.
    wrong: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Connect,
    Handshake,
}

impl Method {
    /// Why it cannot be tried over this transport.
    fn cannot(&self, via: Via) -> Option<&'static str> {
        let cannot = self.place == Place::Handshake && via == Via::Tcp;
        cannot.then_some("TCP has no handshake: nothing comes before CONNECT")
    }
}

const METHODS: &[Method] = &[
    Method {
        name: "user by CONNECT",
        place: Place::Connect,
        user: "bob",
        show: |_, worth| {
            let login = if worth == Unknown { "bobby" } else { "bob" };
            Shown::login(login, passcode(worth, "bobs-passcode"))
        },
        has_names: true,
        wrong: "user: wrong passcode",
    },
    Method {
        name: "user by Basic",
        place: Place::Handshake,
        user: "bob",
        show: |_, worth| {
            let login = if worth == Unknown { "bobby" } else { "bob" };
            Shown::basic(login, passcode(worth, "bobs-passcode"))
        },
        has_names: true,
        wrong: "user: wrong passcode",
    },
    Method {
        name: "users-file by CONNECT",
        place: Place::Connect,
        user: "al:%/ice",
        show: |_, worth| {
            let login = if worth == Unknown { "al:%/icia" } else { "al:%/ice" };
            Shown::login(login, passcode(worth, "alices:pass\\code"))
        },
        has_names: true,
        wrong: "users-file: wrong passcode",
    },
    Method {
        name: "users-file by Basic",
        place: Place::Handshake,
        user: "carol",
        show: |_, worth| {
            let login = if worth == Unknown { "caroline" } else { "carol" };
            Shown::basic(login, passcode(worth, "carols:passcode"))
        },
        has_names: true,
        wrong: "users-file: wrong passcode",
    },
    Method {
        name: "token by Bearer",
        place: Place::Handshake,
        user: "dave",
        show: |issuer, worth| Shown::bearer(&token(issuer, worth)),
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by cookie",
        place: Place::Handshake,
        user: "dave",
        show: |issuer, worth| Shown::cookie(&token(issuer, worth)),
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by access_token",
        place: Place::Handshake,
        user: "dave",
        show: |issuer, worth| {
            let token = token(issuer, worth);
            Shown::default().query("access_token", &token).secret(&token)
        },
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by accessToken",
        place: Place::Handshake,
        user: "dave",
        show: |issuer, worth| {
            let token = token(issuer, worth);
            Shown::default().query("accessToken", &token).secret(&token)
        },
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by CONNECT Authorization",
        place: Place::Connect,
        user: "dave",
        show: |issuer, worth| Shown::authorization(&token(issuer, worth)),
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by CONNECT passcode",
        place: Place::Connect,
        user: "dave",
        show: |issuer, worth| {
            let token = token(issuer, worth);
            Shown::default().connect("passcode", &token).secret(&token)
        },
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "token by CONNECT passcode, with a login",
        place: Place::Connect,
        user: "dave",
        show: |issuer, worth| Shown::login("whoever", &token(issuer, worth)),
        has_names: false,
        wrong: "token: bad signature",
    },
    Method {
        name: "proxy header",
        place: Place::Handshake,
        user: "erin",
        show: |_, worth| {
            let long = "x".repeat(257);
            Shown::default().header("X-User", if worth == Right { "erin" } else { &long })
        },
        has_names: false,
        wrong: "proxy: the name has more than 256 bytes",
    },
];

/// Where a hook is the only one who knows.
const HOOK_METHODS: &[Method] = &[
    Method {
        name: "hook by login",
        place: Place::Connect,
        user: "frank",
        show: |_, worth| {
            let login = if worth == Unknown { "frankie" } else { "frank" };
            Shown::login(login, passcode(worth, "franks-passcode"))
        },
        has_names: true,
        wrong: "hook: the answer is 401",
    },
    Method {
        name: "hook by Basic",
        place: Place::Handshake,
        user: "frank",
        show: |_, worth| {
            let login = if worth == Unknown { "frankie" } else { "frank" };
            Shown::basic(login, passcode(worth, "franks-passcode"))
        },
        has_names: true,
        wrong: "hook: the answer is 401",
    },
    Method {
        name: "hook by CONNECT Authorization",
        place: Place::Connect,
        user: "grace",
        show: |_, worth| Shown::authorization(opaque(worth)),
        has_names: true,
        wrong: "hook: the answer names nobody",
    },
    Method {
        name: "hook by Bearer",
        place: Place::Handshake,
        user: "grace",
        show: |_, worth| Shown::bearer(opaque(worth)),
        has_names: true,
        wrong: "hook: the answer names nobody",
    },
    Method {
        name: "hook by cookie",
        place: Place::Handshake,
        user: "grace",
        show: |_, worth| Shown::cookie(opaque(worth)),
        has_names: true,
        wrong: "hook: the answer names nobody",
    },
    Method {
        name: "hook by access_token",
        place: Place::Handshake,
        user: "grace",
        show: |_, worth| Shown::default().query("access_token", opaque(worth)).secret(opaque(worth)),
        has_names: true,
        wrong: "hook: the answer names nobody",
    },
];

fn passcode(worth: Worth, right: &'static str) -> &'static str {
    if worth == Right { right } else { "guessed-passcode" }
}

fn token(issuer: &Issuer, worth: Worth) -> String {
    match worth {
        Right => issuer.good("dave"),
        _ => Issuer::of_secret("another-secret-of-more-than-32-octets").good("dave"),
    }
}

fn opaque(worth: Worth) -> &'static str {
    match worth {
        Right => "opaque-token-of-grace",
        Wrong => "opaque-token-of-mallory",
        Unknown => "opaque-token-of-nobody",
    }
}

/// What the rows of a table came to.
#[derive(Default)]
struct Played {
    lines: Vec<String>,
    reasons: Reasons,
    secrets: Vec<String>,
    /// What those read whose login and passcode are no user's.
    words: Vec<Answer>,
}

impl Played {
    fn row(&mut self, broker: &Broker, via: Via, method: &Method, worth: Worth, issuer: &Issuer) {
        let row = format!("{:<40} {:<22} {worth:?}", method.name, via.label());
        let shown = (method.show)(issuer, worth);
        let answer = Peer::answer(broker, via, &shown);
        self.secrets.extend_from_slice(shown.secrets());
        match worth {
            Right => {
                assert_eq!(answer, Answer::user(method.user), "{row}");
                self.lines.push(format!("{row}: CONNECTED as {}", method.user));
            }
            Wrong | Unknown => {
                let reason =
                    if worth == Wrong { method.wrong } else { "no source of users knows this login" };
                assert_eq!(answer.refusal(), "login refused", "{row}");
                *self.reasons.entry(reason.to_owned()).or_default() += 1;
                self.lines.push(format!("{row}: login refused ({reason})"));
                self.words.push(answer);
            }
        }
    }
}

/// Plays every method over every transport, transports beside one another. The words for what is wrong and for what is
/// unknown must be the same.
fn play(broker: &Broker, methods: &[Method]) -> Played {
    let issuer = Issuer::new(Algorithm::HS256);
    let mut all = Played::default();
    thread::scope(|scope| {
        let play = |via| {
            let issuer = &issuer;
            scope.spawn(move || {
                let mut played = Played::default();
                for method in methods {
                    if let Some(why) = method.cannot(via) {
                        played.lines.push(format!("{:<40} {:<22} n/a: {why}", method.name, via.label()));
                        continue;
                    }
                    let before = played.words.len();
                    played.row(broker, via, method, Right, issuer);
                    played.row(broker, via, method, Wrong, issuer);
                    if method.has_names {
                        played.row(broker, via, method, Unknown, issuer);
                        let words = &played.words[before..];
                        assert_eq!(words[0], words[1], "{} over {via:?}", method.name);
                    }
                }
                played
            })
        };
        for played in Via::ALL.map(play).map(|thread| thread.join().expect("each row holds")) {
            all.lines.extend(played.lines);
            all.secrets.extend(played.secrets);
            all.words.extend(played.words);
            played.reasons.into_iter().for_each(|(reason, n)| *all.reasons.entry(reason).or_default() += n);
        }
    });
    println!("{}", all.lines.join("\n"));
    all
}

/// How many rows of a table are tried, and how many cannot be.
fn counted(played: &Played) -> (usize, usize) {
    let cannot = played.lines.iter().filter(|line| line.contains(" n/a: ")).count();
    (played.lines.len() - cannot, cannot)
}

#[test]
fn every_source_over_every_transport() {
    let home = Home::new("auth-sources");
    home.done(&["al:%/ice"], "alices:pass\\code");
    home.done(&["carol"], "carols:passcode");
    let users = home.users();
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
    let mut played = play(&broker, METHODS);
    // Methods by CONNECT go over nine transports, others over eight; those that have names are tried three times.
    assert_eq!(counted(&played), (2 * 27 + 3 * 18 + 2 * 24 + 5 * 16, 7));
    for via in Via::ALL {
        assert_eq!(Peer::answer(&broker, via, &Shown::default()).refusal(), "login refused", "{via:?}");
    }
    played.reasons.insert("no login".to_owned(), Via::ALL.len());
    assert_log(broker, &played.reasons, &played.secrets);
}

#[test]
fn a_hook_over_every_transport() {
    let site = Site::start(|asked| {
        let said: serde_json::Value = serde_json::from_str(&asked.body).expect("JSON");
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        match (text("login").as_str(), text("passcode").as_str(), text("token").as_str()) {
            ("frank", "franks-passcode", "") => Reply::say(200, json!({"name": "frank"})),
            ("frank", _, "") => Reply::say(401, json!({})),
            ("", "", "opaque-token-of-grace") => Reply::say(200, json!({"name": "grace"})),
            ("", "", "opaque-token-of-mallory") => Reply::say(200, json!({"name": null})),
            _ => Reply::say(404, json!({})),
        }
    });
    let broker = Broker::start(&[
        "--hook-url",
        &site.url("/sign-in"),
        "--token-cookie=auth",
        "--auth-failures-free=1000000",
        "--log=trace",
    ]);
    let played = play(&broker, HOOK_METHODS);
    assert_eq!(counted(&played), (2 * 27 + 4 * 24, 4));
    assert_log(broker, &played.reasons, &played.secrets);
}

#[test]
fn anonymous_over_every_transport() {
    let broker = Broker::start(&[
        "--user=bob:bobs-passcode",
        "--allow-anonymous",
        "--auth-failures-free=1000000",
        "--log=trace",
    ]);
    let (right, wrong) = (Shown::login("bob", "bobs-passcode"), Shown::login("bob", "guessed-passcode"));
    for via in Via::ALL {
        assert_eq!(Peer::answer(&broker, via, &Shown::default()), Answer::In(None), "{via:?}");
        assert_eq!(Peer::answer(&broker, via, &right), Answer::user("bob"), "{via:?}");
        assert_eq!(Peer::answer(&broker, via, &wrong).refusal(), "login refused", "{via:?}");
    }
    let reasons = Reasons::from([("user: wrong passcode".to_owned(), Via::ALL.len())]);
    assert_log(broker, &reasons, &[right.secrets(), wrong.secrets()].concat());
    let open = Broker::start(&[]);
    for via in Via::ALL {
        assert_eq!(Peer::answer(&open, via, &wrong), Answer::In(None), "nobody is known: {via:?}");
    }
}
