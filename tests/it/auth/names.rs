//! User names: no source can give a user a name that looks like another user's.

use super::issuer::{Issuer, SECRET};
use super::peer::{Answer, Credentials, Peer, Via};
use super::test_server::{Reply, TestServer};
use crate::support::Broker;
use crate::support::users_directory::UsersDirectory;
use jsonwebtoken::Algorithm;
use serde_json::json;

/// Names that look like bob's, and a part of the reason for which each name is rejected.
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
fn assert_rejected(broker: &Broker, source: &str, name: &str, part: &str, answer: &Answer) {
    assert_eq!(answer.rejection(), "login failed", "{source}: {name:?}");
    // The name is escaped twice: in the reason, and with the reason in the log.
    let text = format!("{source}: the user name {name:?}");
    let reason = format!("reason={text:?}").trim_end_matches('"').to_owned();
    let line = broker.log_line(|line| line.contains(&reason));
    assert!(line.contains(part) && line.contains("user-names = any"), "{line}");
}

#[test]
fn a_token_with_a_lookalike_name_is_rejected() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&["--jwt-secret", SECRET, "--log=debug"]);
    let any = Broker::start(&["--jwt-secret", SECRET, "--user-names=any"]);
    for (name, part) in NAMES {
        let credentials = Credentials::authorization(&issuer.valid_token(name));
        assert_rejected(&broker, "token", name, part, &Peer::answer(&broker, Via::Tcp, &credentials));
        let answer = Peer::answer(&any, Via::Tcp, &credentials);
        assert_eq!(answer, Answer::user(name), "user-names=any accepts every name");
    }
    for name in ["bob", "john.doe", "bob@example.org", "auth0|5f7c8ec7", "\u{5c0f}\u{660e}"] {
        let credentials = Credentials::authorization(&issuer.valid_token(name));
        assert_eq!(Peer::answer(&broker, Via::WebSocket, &credentials), Answer::user(name));
    }
}

#[test]
fn a_renewal_with_a_lookalike_name_is_rejected() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&["--jwt-secret", SECRET, "--log=debug"]);
    let mut peer =
        Peer::signed_in(&broker, Via::Tcp, &Credentials::authorization(&issuer.valid_token("bob")));
    peer.send(&format!("SEND\ndestination:/auth/refresh\n\n{}\0", issuer.valid_token("bob\u{200b}")));
    let error = peer.expect_error("login failed", 1002, "not authenticated");
    assert!(error.text().contains("user-names"), "{error:?}");
}

#[test]
fn lookalike_names_from_a_hook_or_a_proxy_are_rejected() {
    let server = TestServer::start(|request| {
        let request: serde_json::Value = serde_json::from_str(&request.body).expect("JSON");
        Reply::json(200, json!({"name": request["passcode"]}))
    });
    let url = server.url("/");
    let flags = ["--trusted-proxies=127.0.0.1", "--proxy-user-header=X-User", "--log=debug"];
    let broker = Broker::start(&[&["--hook-url", &url], &flags[..]].concat());
    for (name, part) in NAMES {
        // The hook uses the passcode as the name.
        let credentials = Credentials::default().connect("login", "any").connect("passcode", name);
        assert_rejected(&broker, "hook", name, part, &Peer::answer(&broker, Via::Tcp, &credentials));
        // HTTP removes spaces around a header value.
        if !name.contains(' ') {
            let credentials = Credentials::default().header("X-User", name);
            assert_rejected(
                &broker,
                "proxy",
                name,
                part,
                &Peer::answer(&broker, Via::WebSocket, &credentials),
            );
        }
    }
}

#[test]
fn lookalike_names_in_the_configuration_are_reported_at_start() {
    let directory = UsersDirectory::new("auth-names");
    directory.passwd_ok(&["alice"], "alices-passcode");
    directory.passwd_ok(&["John Smith", "--any-name"], "johns-passcode");
    let check = |flags: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stompbox"));
        let output = command.arg("check-config").args(flags).output().expect("the command runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let users = directory.users();
    let wrong = "the user name \"John Smith\" has the character U+0020; expected a name that the PRECIS \
                 profile UsernameCasePreserved allows: no spaces, no invisible characters. To accept every name, set \
                 user-names = any";
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
    let credentials = Credentials::login("John Smith", "johns-passcode");
    assert_eq!(Peer::answer(&broker, Via::Tcp, &credentials), Answer::user("John Smith"));
}

#[test]
fn logins_in_different_unicode_forms_are_the_same_user() {
    let broker = Broker::start(&["--user=Jos\u{e9}:joses-passcode"]);
    for via in [Via::Tcp, Via::WebSocket] {
        let connect = Credentials::login("Jose\u{301}", "joses-passcode");
        assert_eq!(Peer::answer(&broker, via, &connect), Answer::user("Jos\u{e9}"));
    }
    let basic = Credentials::basic("Jose\u{301}", "joses-passcode");
    assert_eq!(Peer::answer(&broker, Via::WebSocket, &basic), Answer::user("Jos\u{e9}"));
}
