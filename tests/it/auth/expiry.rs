//! Expiry of tokens: a session ends when its token expires, even under constant traffic.

use super::issuer::{Issuer, SECRET, claims_for, now};
use super::peer::{Credentials, Peer, Via};
use super::renewal::{RULES, TimePublisher, connect_service};
use crate::support::sockjs::Transport;
use crate::support::{Broker, Event, Wire};
use jsonwebtoken::Algorithm;
use std::thread;

/// Validity of the tokens in seconds. It is long enough for a client to sign in on a busy machine.
pub(super) const SECONDS: f64 = 5.0;
/// Maximum number of seconds between the expiry and the end of the session. It only guards against a session that never
/// ends; tests with a simulated clock check the exact time.
const DELAY_MAX: f64 = 60.0;

pub(super) const VIAS: [Via; 3] = [Via::Tcp, Via::WebSocket, Via::SockJs(Transport::XhrStreaming)];

#[test]
fn a_subscriber_under_constant_traffic_is_closed_when_its_token_expires() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    let publisher = TimePublisher::start(&broker, &issuer);
    thread::scope(|scope| {
        for via in VIAS {
            let (broker, issuer) = (&broker, &issuer);
            scope.spawn(move || {
                let claims = claims_for("dave", SECONDS);
                let end = claims["exp"].as_f64().expect("a number");
                let mut peer =
                    Peer::signed_in(broker, via, &Credentials::authorization(&issuer.token(&claims)));
                peer.subscribe(TimePublisher::TOPIC);
                let mut messages = 0;
                let (error, closed_at) = loop {
                    let frame = peer.frame();
                    match frame.command.as_str() {
                        "MESSAGE" => messages += 1,
                        "ERROR" => break (frame, now()),
                        _ => panic!("{frame:?}"),
                    }
                };
                assert_eq!(error.expect_header("message"), "token expired", "{via:?}");
                peer.expect_closed(1008, "access has ended");
                assert!(messages > 10, "only {messages} messages over {via:?}");
                assert!(closed_at >= end, "{via:?}: {} s too early", end - closed_at);
                assert!(closed_at <= end + DELAY_MAX, "{via:?}: {} s too late", closed_at - end);
            });
        }
    });
    publisher.stop();
    let log = broker.whole_log();
    let closed = log.lines().filter(|line| {
        line.contains("connection closed reason=\"expired\" error=\"token expired\" user=\"dave\"")
    });
    assert_eq!(closed.count(), VIAS.len(), "{log}");
}

/// Covers a session without traffic in either direction, over every transport.
#[test]
fn an_idle_session_is_closed_when_its_token_expires() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&["--jwt-secret", SECRET, "--heart-beat=0,0"]);
    thread::scope(|scope| {
        for via in Via::ALL {
            let (broker, issuer) = (&broker, &issuer);
            scope.spawn(move || {
                let claims = claims_for("dave", SECONDS);
                let end = claims["exp"].as_f64().expect("a number");
                let mut peer =
                    Peer::signed_in(broker, via, &Credentials::authorization(&issuer.token(&claims)));
                peer.expect("ERROR", &[("message", "token expired")]);
                let closed_at = now();
                peer.expect_closed(1008, "access has ended");
                assert!(closed_at >= end, "{via:?}: {} s too early", end - closed_at);
            });
        }
    });
}

/// The receiver does not read. When its token expires, the messages that wait for it are discarded.
#[test]
fn messages_unsent_at_expiry_are_discarded() {
    thread::scope(|scope| {
        for wire in Wire::ALL {
            scope.spawn(move || assert_nothing_is_sent_after_expiry(wire));
        }
    });
}

fn assert_nothing_is_sent_after_expiry(wire: Wire) {
    const BODY: usize = 64 * 1024;
    const WAITING: usize = 16 * BODY;
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    let mut publisher = connect_service(&broker, &issuer);
    let claims = claims_for("dave", 2.0 * SECONDS);
    let end = claims["exp"].as_f64().expect("a number");
    let mut receiver = broker.open(wire);
    receiver.shrink_receive_buffer();
    let token = issuer.token(&claims);
    receiver.send(&format!("CONNECT\naccept-version:1.2\nhost:a\nAuthorization:Bearer {token}\n\n\0"));
    receiver.expect("CONNECTED", &[("user-name", "dave")], "");
    receiver.subscribe("1", TimePublisher::TOPIC, "");
    // Publishes more than fits into the socket buffers, and less than the limit of the receiver's outbound queue.
    let (mut sent, body) = (0, "x".repeat(BODY));
    while broker.metric("outbound_queue_bytes") < WAITING as i64 {
        assert!(now() < end, "the token expired while {} bytes fit into the socket buffers", sent * BODY);
        for _ in 0..8 {
            publisher.publish(TimePublisher::TOPIC, &body);
            sent += 1;
        }
    }
    // The broker closes the session while the client does not read, and discards the messages that wait.
    broker.wait_for_metric("outbound_queue_bytes", 0);
    assert!(now() >= end);
    let mut received = 0;
    let error = loop {
        match receiver.event() {
            Event::Frame(frame) if frame.command == "MESSAGE" => received += 1,
            Event::Frame(frame) => break frame,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((error.command.as_str(), error.expect_header("message")), ("ERROR", "token expired"));
    receiver.expect_closed(1008);
    assert!(received + WAITING / BODY / 2 < sent, "{received} of {sent} over {wire:?}");
    drop(receiver);
    broker.wait_for_metric("connections_closed_total{reason=\"expired\"}", 1);
}
