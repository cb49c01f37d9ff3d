//! Whoever guesses is slowed down, by name and by address; whoever knows the passcode comes in.

use super::peer::{Answer, Peer, Shown, Via};
use crate::support::Broker;
use std::thread;
use std::time::{Duration, Instant};

/// The first wait; each further failure doubles it.
const DELAY: Duration = Duration::from_millis(250);

/// A login from that address, as a proxy tells it, and how long the answer took.
fn timed(broker: &Broker, via: Via, address: &str, login: &str, passcode: &str) -> (Answer, Duration) {
    let shown = Shown::login(login, passcode).header("X-Forwarded-For", address);
    let mut peer = Peer::open(broker, via, &shown);
    let started = Instant::now();
    let answer = peer.ask(&shown);
    (answer, started.elapsed())
}

#[test]
fn a_name_that_is_guessed_at_from_everywhere() {
    let broker = Broker::start(&[
        "--user=alice:alices-passcode",
        "--user=bob:bobs-passcode",
        "--trusted-proxies=127.0.0.1",
    ]);
    // The first five cost nothing, the sixth waits; each comes from another address.
    for number in 1..=6 {
        let address = format!("192.0.2.{number}");
        let (answer, _) = timed(&broker, Via::WebSocket, &address, "alice", "guessed-passcode");
        assert_eq!(answer.refusal(), "login refused");
    }
    thread::scope(|scope| {
        let guess = scope.spawn(|| timed(&broker, Via::WebSocket, "192.0.2.7", "alice", "guessed-passcode"));
        // Others do not wait with them.
        let (answer, _) = timed(&broker, Via::WebSocket, "192.0.2.8", "bob", "bobs-passcode");
        assert_eq!(answer, Answer::user("bob"));
        let (answer, took) = guess.join().expect("it is answered");
        assert_eq!(answer.refusal(), "login refused");
        assert!(took >= DELAY, "{took:?}");
    });
    let (answer, took) = timed(&broker, Via::WebSocket, "192.0.2.9", "alice", "alices-passcode");
    assert_eq!(answer, Answer::user("alice"));
    assert!(took >= DELAY, "the right passcode waits its turn: {took:?}");
    let (answer, took) = timed(&broker, Via::WebSocket, "192.0.2.9", "alice", "alices-passcode");
    assert_eq!(answer, Answer::user("alice"));
    assert!(took < DELAY * 4, "and the name is free again: {took:?}");
}

/// An address is one over all transports; a success by one of its own names does not wash it clean.
#[test]
fn an_address_that_guesses_at_names() {
    let broker = Broker::start(&["--user=alice:alices-passcode"]);
    for (number, via) in Via::ALL.into_iter().take(6).enumerate() {
        let shown = Shown::login(&format!("user-{number}"), "guessed-passcode");
        assert_eq!(Peer::answer(&broker, via, &shown).refusal(), "login refused", "{via:?}");
    }
    for via in [Via::Tcp, Via::WebSocket] {
        let shown = Shown::login("alice", "alices-passcode");
        let mut peer = Peer::open(&broker, via, &shown);
        let started = Instant::now();
        assert_eq!(peer.ask(&shown), Answer::user("alice"), "{via:?}");
        assert!(started.elapsed() >= DELAY, "{via:?}: {:?}", started.elapsed());
    }
}
