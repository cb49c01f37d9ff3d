//! A token's end is the session's end: to the second, while messages come all the time.

use super::issuer::{Issuer, SECRET, claims_for, now};
use super::peer::{Peer, Shown, Via};
use super::renewal::{Chatter, RULES};
use crate::support::Broker;
use crate::support::sockjs::Transport;
use jsonwebtoken::Algorithm;
use std::thread;

/// How long the tokens of these tests hold.
pub(super) const SECONDS: f64 = 2.0;

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
                assert!(seen <= end + 1.0, "{via:?}: {} s too late", seen - end);
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
                peer.expect_error("token expired", 1008, "access has ended");
                let seen = now();
                assert!((end..=end + 1.0).contains(&seen), "{via:?}: {} s behind its end", seen - end);
            });
        }
    });
}
