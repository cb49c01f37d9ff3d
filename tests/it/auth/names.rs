//! No source can give a user a name that others could mistake for another user's.

use super::issuer::{Issuer, SECRET};
use super::peer::{Answer, Peer, Shown, Via};
use super::site::{Reply, Site};
use crate::support::Broker;
use crate::support::home::Home;
use jsonwebtoken::Algorithm;
use serde_json::json;

/// Names that look like bob's, and what is wrong with them.
const NAMES: [(&str, &str); 8] = [
    (" bob", "U+0020"),
    ("bob ", "U+0020"),
    ("bo\u{200b}b", "U+200B"),
    ("bob\u{200e}", "U+200E"),
    ("\u{202e}bob", "U+202E"),
    ("\u{feff}bob", "U+FEFF"),
    ("bob\u{2028}", "U+2028"),
    ("\u{ff42}ob", "canonical form"),
];

#[track_caller]
fn assert_refused(broker: &Broker, source: &str, name: &str, what: &str, answer: &Answer) {
    assert_eq!(answer.refusal(), "login refused", "{source}: {name:?}");
    // The log escapes the value once more.
    let shown = format!("{source}: the user name {name:?}");
    let reason = format!("reason={shown:?}").trim_end_matches('"').to_owned();
    let line = broker.log_line(|line| line.contains(&reason));
    assert!(line.contains(what) && line.contains("user-names = any"), "{line}");
}

#[test]
fn a_token_cannot_name_a_user_who_looks_like_another() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&["--jwt-secret", SECRET, "--log=debug"]);
    let any = Broker::start(&["--jwt-secret", SECRET, "--user-names=any"]);
    for (name, what) in NAMES {
        let shown = Shown::authorization(&issuer.good(name));
        assert_refused(&broker, "token", name, what, &Peer::answer(&broker, Via::Tcp, &shown));
        let answer = Peer::answer(&any, Via::Tcp, &shown);
        assert_eq!(answer, Answer::user(name), "a site may have such names already");
    }
    for name in ["bob", "john.doe", "bob@example.org", "auth0|5f7c8ec7", "\u{5c0f}\u{660e}"] {
        let shown = Shown::authorization(&issuer.good(name));
        assert_eq!(Peer::answer(&broker, Via::WebSocket, &shown), Answer::user(name));
    }
}

#[test]
fn a_renewal_cannot_change_the_name_either() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&["--jwt-secret", SECRET, "--log=debug"]);
    let mut peer = Peer::signed_in(&broker, Via::Tcp, &Shown::authorization(&issuer.good("bob")));
    peer.send(&format!("SEND\ndestination:/auth/refresh\n\n{}\0", issuer.good("bob\u{200b}")));
    let error = peer.expect_error("login refused", 1002, "not authenticated");
    assert!(error.text().contains("user-names"), "{error:?}");
}

#[test]
fn a_hook_and_a_proxy_cannot_name_such_a_user() {
    let site = Site::start(|asked| {
        let said: serde_json::Value = serde_json::from_str(&asked.body).expect("JSON");
        Reply::say(200, json!({"name": said["passcode"]}))
    });
    let url = site.url("/");
    let flags = ["--trusted-proxies=127.0.0.1", "--proxy-user-header=X-User", "--log=debug"];
    let broker = Broker::start(&[&["--hook-url", &url], &flags[..]].concat());
    for (name, what) in NAMES {
        // The hook uses the passcode as the name.
        let shown = Shown::default().connect("login", "anybody").connect("passcode", name);
        assert_refused(&broker, "hook", name, what, &Peer::answer(&broker, Via::Tcp, &shown));
        // HTTP removes plain spaces around a value.
        if !name.contains(' ') {
            let shown = Shown::default().header("X-User", name);
            assert_refused(&broker, "proxy", name, what, &Peer::answer(&broker, Via::WebSocket, &shown));
        }
    }
}

#[test]
fn a_users_file_and_a_list_with_such_a_name_are_told_at_start() {
    let home = Home::new("auth-names");
    home.done(&["alice"], "alices-passcode");
    home.done(&["John Smith", "--any-name"], "johns-passcode");
    let check = |flags: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stompbox"));
        let output = command.arg("check-config").args(flags).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let users = home.users();
    let wrong = "the user name \"John Smith\" has the character U+0020; expected a name by the PRECIS profile \
                 UsernameCasePreserved (no spaces, no invisible characters), or user-names = any";
    for (flags, expected) in [
        (&["--users-file", &users][..], format!("{users}:2: {wrong}")),
        (&["--user=John Smith:johns-passcode"], format!("--user: {wrong}")),
        (
            &["--permission=allow send user:John%20Smith /topic/a"],
            format!("--permission: allow send user:John%20Smith /topic/a: {wrong}"),
        ),
    ] {
        let (code, errors) = check(flags);
        assert_eq!(code, Some(2), "{flags:?}: {errors}");
        assert!(errors.contains(&expected), "{flags:?}: {errors}");
        let (code, errors) = check(&[flags, &["--user-names=any"]].concat());
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{flags:?}");
    }
    let broker = Broker::start(&["--users-file", &users, "--user-names=any"]);
    let shown = Shown::login("John Smith", "johns-passcode");
    assert_eq!(Peer::answer(&broker, Via::Tcp, &shown), Answer::user("John Smith"));
}

#[test]
fn a_login_typed_in_another_unicode_form_is_the_same_user() {
    let broker = Broker::start(&["--user=Jos\u{e9}:joses-passcode"]);
    for via in [Via::Tcp, Via::WebSocket] {
        let connect = Shown::login("Jose\u{301}", "joses-passcode");
        assert_eq!(Peer::answer(&broker, via, &connect), Answer::user("Jos\u{e9}"));
    }
    let basic = Shown::basic("Jose\u{301}", "joses-passcode");
    assert_eq!(Peer::answer(&broker, Via::WebSocket, &basic), Answer::user("Jos\u{e9}"));
}
