//! A hook that does not answer as it should: nobody comes in by it, and nobody waits for long.

use super::peer::{Answer, Peer, Shown, Via};
use super::site::{Reply, Site};
use super::verdicts::{Reasons, assert_log};
use crate::support::Broker;
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// Everybody over every transport at once; the answers must be the same for all. What they showed.
fn refused(broker: &Broker, shown: &Shown, message: &str) {
    thread::scope(|scope| {
        for via in Via::ALL {
            scope.spawn(move || {
                let answer = Peer::answer(broker, via, shown);
                let words = "Who you are cannot be checked at this moment; try again later.";
                assert_eq!(answer, Answer::Out(message.to_owned(), words.to_owned()), "{via:?}");
            });
        }
    });
}

fn shown() -> [Shown; 2] {
    [Shown::login("frank", "franks-passcode"), Shown::authorization("opaque-token-of-frank")]
}

#[test]
fn a_hook_that_is_down_lets_nobody_in() {
    let broker =
        Broker::start(&["--hook-url", &Site::closed(), "--auth-failures-free=1000000", "--log=trace"]);
    let [login, token] = shown();
    refused(&broker, &login, "login not checked");
    refused(&broker, &token, "login not checked");
    let line = broker.log_line(|line| line.contains("login refused reason="));
    assert!(line.contains("reason=\"hook: client error (Connect)"), "{line}");
    let log = broker.whole_log();
    for secret in [login.secrets(), token.secrets()].concat() {
        assert!(!log.contains(&secret), "{secret} is in the log");
    }
}

#[test]
fn a_hook_that_is_slow_is_waited_for_no_longer_than_its_time() {
    let site = Site::start(|_| Reply::Silence);
    let url = site.url("/");
    let broker = Broker::start(&["--hook-url", &url, "--hook-timeout=300ms", "--auth-failures-free=1000000"]);
    let [login, token] = shown();
    let started = Instant::now();
    // Beside those who wait, others that need no hook are served.
    thread::scope(|scope| {
        scope.spawn(|| refused(&broker, &login, "login not checked"));
        assert_eq!(broker.get("/health").status, 200);
    });
    assert!(started.elapsed() >= Duration::from_millis(300));
    refused(&broker, &token, "login not checked");
    let log = broker.whole_log();
    let late = log.lines().filter(|line| line.contains("login refused reason=\"hook: no answer within "));
    assert_eq!(late.count(), 16, "{log}");
}

#[test]
fn a_hook_that_answers_wrongly_lets_nobody_in() {
    let site = Site::start(|asked| {
        let status = ["teapot", "frank"].iter().position(|name| asked.body.contains(name));
        match status {
            Some(0) => Reply::Say(200, "I am a teapot".to_owned()),
            Some(_) => Reply::say(500, json!({"name": "frank"})),
            None => Reply::say(200, json!({"name": "grace", "expires": 1000})),
        }
    });
    let url = site.url("/");
    let broker = Broker::start(&["--hook-url", &url, "--auth-failures-free=1000000", "--log=trace"]);
    let [login, token] = shown();
    refused(&broker, &login, "login not checked");
    refused(&broker, &token, "login not checked");
    let teapot = Shown::login("teapot", "teapots-passcode");
    refused(&broker, &teapot, "login not checked");
    let over = Shown::login("grace", "graces-passcode");
    for via in Via::ALL {
        assert_eq!(Peer::answer(&broker, via, &over).refusal(), "login refused", "{via:?}");
    }
    let reasons =
        [("hook: the answer is 500", 16), ("hook: the answer is no JSON object", 8), ("hook: expired", 8)];
    let reasons: Reasons = reasons.map(|(reason, count)| (reason.to_owned(), count)).into();
    let secrets = [&login, &token, &teapot, &over].map(|shown| shown.secrets().to_vec()).concat();
    assert_log(broker, &reasons, &secrets);
}
