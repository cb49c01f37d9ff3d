//! Failures of the authentication hook: no client is accepted, and no client waits longer than the timeout.

use super::expiry::SECONDS;
use super::issuer::now;
use super::login_log::{Reasons, assert_log};
use super::peer::{Answer, Credentials, Peer, Via};
use super::test_server::{Reply, TestServer};
use crate::support::Broker;
use crate::support::sockjs::Transport;
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// Tries to log in over all transports at once, and asserts that every login fails with this message.
fn assert_login_fails_everywhere(broker: &Broker, credentials: &Credentials, message: &str) {
    thread::scope(|scope| {
        for via in Via::ALL {
            scope.spawn(move || {
                let answer = Peer::answer(broker, via, credentials);
                let words = "The broker cannot check the login now. Try again later.";
                assert_eq!(answer, Answer::Rejected(message.to_owned(), words.to_owned()), "{via:?}");
            });
        }
    });
}

fn credentials() -> [Credentials; 2] {
    [Credentials::login("frank", "franks-passcode"), Credentials::authorization("opaque-token-of-frank")]
}

#[test]
fn an_unreachable_hook_accepts_no_client() {
    let broker =
        Broker::start(&["--hook-url", &TestServer::closed(), "--auth-failures-free=1000000", "--log=trace"]);
    let [login, token] = credentials();
    assert_login_fails_everywhere(&broker, &login, "login not checked");
    assert_login_fails_everywhere(&broker, &token, "login not checked");
    let line = broker.log_line(|line| line.contains("logins cannot be checked"));
    assert!(line.contains("WARN") && line.contains("source=\"hook\""), "{line}");
    assert!(line.contains("reason=\"hook: client error (Connect)"), "{line}");
    assert_eq!(broker.metric("auth_source_errors_total{source=\"hook\"}"), 2 * Via::ALL.len() as i64);
    assert_eq!(broker.metric("logins_total{result=\"unavailable\"}"), 2 * Via::ALL.len() as i64);
    assert_eq!(broker.metric("logins_total{result=\"refused\"}"), 0);
    // Warnings are limited to one in ten seconds, and failed logins are not logged at the default level.
    let warnings = broker.log().lines().filter(|line| line.contains("logins cannot be checked")).count();
    assert!((1..Via::ALL.len()).contains(&warnings), "{warnings}");
    assert!(
        !broker.log().lines().any(|line| line.contains("INFO") && line.contains("login not checked reason="))
    );
    let log = broker.whole_log();
    for secret in [login.secrets(), token.secrets()].concat() {
        assert!(!log.contains(&secret), "{secret} is in the log");
    }
}

#[test]
fn a_slow_hook_is_abandoned_after_hook_timeout() {
    let server = TestServer::start(|_| Reply::Silence);
    let url = server.url("/");
    let flags = ["--hook-timeout=300ms", "--auth-failures-free=1000000", "--log=debug"];
    let broker = Broker::start(&[&["--hook-url", &url], flags.as_slice()].concat());
    let [login, token] = credentials();
    let started = Instant::now();
    // The broker serves other clients while logins wait for the hook.
    thread::scope(|scope| {
        scope.spawn(|| assert_login_fails_everywhere(&broker, &login, "login not checked"));
        assert_eq!(broker.get("/health").status, 200);
    });
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_login_fails_everywhere(&broker, &token, "login not checked");
    let log = broker.whole_log();
    let timeouts =
        log.lines().filter(|line| line.contains("login not checked reason=\"hook: no response within "));
    assert_eq!(timeouts.count(), 2 * Via::ALL.len(), "{log}");
}

#[test]
fn auth_timeout_limits_all_sources_together() {
    let server = TestServer::start(|_| Reply::Silence);
    let url = server.url("/");
    let broker = Broker::start(&["--hook-url", &url, "--hook-timeout=1m", "--auth-timeout=300ms"]);
    let [login, _] = credentials();
    assert_login_fails_everywhere(&broker, &login, "login not checked");
    let line = broker.log_line(|line| line.contains("logins cannot be checked"));
    assert!(line.contains("reason=\"hook: timed out (auth-timeout)\""), "{line}");
}

/// An expiry time in the answer of the hook ends the session, like the expiry time of a token. A renewal asks the hook
/// again, whose answer sets a new expiry time.
#[test]
fn a_session_expires_as_the_hook_states_and_can_be_renewed() {
    let server = TestServer::start(|request| {
        let expires = if request.body.contains("opaque-short") { Some(now() + SECONDS) } else { None };
        let name = if request.body.contains("of-mallory") { "mallory" } else { "frank" };
        Reply::json(200, json!({"name": name, "expires": expires}))
    });
    let broker = Broker::start(&["--hook-url", &server.url("/"), "--heart-beat=0,0"]);
    let refresh = |peer: &mut Peer, token: &str| {
        peer.send(&format!("SEND\ndestination:/auth/refresh\nreceipt:done\n\n{token}\0"));
    };
    thread::scope(|scope| {
        for via in [Via::Tcp, Via::WebSocket, Via::SockJs(Transport::XhrStreaming)] {
            let (broker, refresh) = (&broker, &refresh);
            scope.spawn(move || {
                let started = now();
                let short = Credentials::authorization("opaque-short-token");
                let mut expiring = Peer::signed_in(broker, via, &short);
                let mut renewed = Peer::signed_in(broker, via, &short);
                refresh(&mut renewed, "opaque-long-token");
                renewed.expect("RECEIPT", &[("receipt-id", "done")]);
                expiring.expect_error("token expired", 1008, "access has ended");
                assert!(now() - started >= SECONDS, "{via:?}: {} s", now() - started);
                renewed.subscribe("/topic/a");
                refresh(&mut renewed, "opaque-token-of-mallory");
                renewed.expect_error("token refused", 1002, "not authenticated");
            });
        }
    });
}

#[test]
fn invalid_answers_of_a_hook_accept_no_client() {
    let server = TestServer::start(|request| {
        let status = ["teapot", "frank"].iter().position(|name| request.body.contains(name));
        match status {
            Some(0) => Reply::Response(200, "I am a teapot".to_owned()),
            Some(_) => Reply::json(500, json!({"name": "frank"})),
            None => Reply::json(200, json!({"name": "grace", "expires": 1000})),
        }
    });
    let url = server.url("/");
    let broker = Broker::start(&["--hook-url", &url, "--auth-failures-free=1000000", "--log=trace"]);
    let [login, token] = credentials();
    assert_login_fails_everywhere(&broker, &login, "login not checked");
    assert_login_fails_everywhere(&broker, &token, "login not checked");
    let teapot = Credentials::login("teapot", "teapots-passcode");
    assert_login_fails_everywhere(&broker, &teapot, "login not checked");
    let expired = Credentials::login("grace", "graces-passcode");
    for via in Via::ALL {
        assert_eq!(Peer::answer(&broker, via, &expired).rejection(), "login failed", "{via:?}");
    }
    let reasons = [
        ("hook: the response has status 500", 2 * Via::ALL.len()),
        ("hook: the response is not a JSON object", Via::ALL.len()),
        ("hook: expired", Via::ALL.len()),
    ];
    let reasons: Reasons = reasons.map(|(reason, count)| (reason.to_owned(), count)).into();
    let secrets =
        [&login, &token, &teapot, &expired].map(|credentials| credentials.secrets().to_vec()).concat();
    assert_log(broker, &reasons, &secrets);
}
