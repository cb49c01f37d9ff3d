//! A token's end is the session's end, while messages come all the time.

use super::issuer::{Issuer, SECRET, claims_for, now};
use super::peer::{Peer, Shown, Via};
use super::renewal::{Chatter, RULES, chatter};
use crate::support::sockjs::Transport;
use crate::support::{Broker, Event, Wire};
use jsonwebtoken::Algorithm;
use std::thread;

/// How long the tokens of these tests are valid: a client signs in within that time on a busy machine, too.
pub(super) const SECONDS: f64 = 5.0;
/// Guards against a session that never ends. Tests with a simulated clock check the exact time.
const LATE_MAX: f64 = 60.0;

pub(super) const VIAS: [Via; 3] = [Via::Tcp, Via::WebSocket, Via::SockJs(Transport::XhrStreaming)];

#[test]
fn a_subscriber_that_is_always_sent_something_is_ended_with_its_token() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    let chatter = Chatter::start(&broker, &issuer);
    thread::scope(|scope| {
        for via in VIAS {
            let (broker, issuer) = (&broker, &issuer);
            scope.spawn(move || {
                let claims = claims_for("dave", SECONDS);
                let end = claims["exp"].as_f64().expect("a number");
                let mut peer = Peer::signed_in(broker, via, &Shown::authorization(&issuer.token(&claims)));
                peer.subscribe(Chatter::TOPIC);
                let mut messages = 0;
                let (error, seen) = loop {
                    let frame = peer.frame();
                    match frame.command.as_str() {
                        "MESSAGE" => messages += 1,
                        "ERROR" => break (frame, now()),
                        _ => panic!("{frame:?}"),
                    }
                };
                assert_eq!(error.must("message"), "token expired", "{via:?}");
                peer.expect_closed(1008, "access has ended");
                assert!(messages > 10, "{messages} messages over {via:?}: that is not all the time");
                assert!(seen >= end, "{via:?}: {} s too early", end - seen);
                assert!(seen <= end + LATE_MAX, "{via:?}: {} s too late", seen - end);
            });
        }
    });
    chatter.end();
    let log = broker.whole_log();
    let closed = log.lines().filter(|line| {
        line.contains("connection closed reason=\"expired\" error=\"token expired\" user=\"dave\"")
    });
    assert_eq!(closed.count(), VIAS.len(), "{log}");
}

/// One that neither sends nor is sent anything, over every transport.
#[test]
fn a_quiet_session_is_ended_with_its_token() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&["--jwt-secret", SECRET, "--heart-beat=0,0"]);
    thread::scope(|scope| {
        for via in Via::ALL {
            let (broker, issuer) = (&broker, &issuer);
            scope.spawn(move || {
                let claims = claims_for("dave", SECONDS);
                let end = claims["exp"].as_f64().expect("a number");
                let mut peer = Peer::signed_in(broker, via, &Shown::authorization(&issuer.token(&claims)));
                peer.expect("ERROR", &[("message", "token expired")]);
                let seen = now();
                peer.expect_closed(1008, "access has ended");
                assert!(seen >= end, "{via:?}: {} s too early", end - seen);
            });
        }
    });
}

/// What waits for a receiver that has read nothing does not reach it behind the end of its token.
#[test]
fn what_was_not_sent_by_the_end_is_not_sent_any_more() {
    thread::scope(|scope| {
        for wire in Wire::ALL {
            scope.spawn(move || nothing_comes_behind_the_end(wire));
        }
    });
}

fn nothing_comes_behind_the_end(wire: Wire) {
    const BODY: usize = 64 * 1024;
    const WAITING: usize = 16 * BODY;
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    let mut publisher = chatter(&broker, &issuer);
    let claims = claims_for("dave", 2.0 * SECONDS);
    let end = claims["exp"].as_f64().expect("a number");
    let mut receiver = broker.open(wire);
    receiver.narrow();
    let token = issuer.token(&claims);
    receiver.send(&format!("CONNECT\naccept-version:1.2\nhost:a\nAuthorization:Bearer {token}\n\n\0"));
    receiver.expect("CONNECTED", &[("user-name", "dave")], "");
    receiver.subscribe("1", Chatter::TOPIC, "");
    // More than the system holds, less than makes a slow consumer of it.
    let (mut sent, body) = (0, "x".repeat(BODY));
    while broker.metric("outbox_bytes") < WAITING as i64 {
        assert!(now() < end, "the system holds {} octets", sent * BODY);
        for _ in 0..8 {
            publisher.publish(Chatter::TOPIC, &body);
            sent += 1;
        }
    }
    // The broker ends it while nothing is read; what waits in it is thrown away.
    broker.until("outbox_bytes", 0);
    assert!(now() >= end);
    let mut received = 0;
    let error = loop {
        match receiver.event() {
            Event::Frame(frame) if frame.command == "MESSAGE" => received += 1,
            Event::Frame(frame) => break frame,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((error.command.as_str(), error.must("message")), ("ERROR", "token expired"));
    receiver.expect_closed(1008);
    assert!(received + WAITING / BODY / 2 < sent, "{received} of {sent} over {wire:?}");
    drop(receiver);
    broker.until("connections_closed_total{reason=\"expired\"}", 1);
}
