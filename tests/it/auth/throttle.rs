//! Throttling of clients that guess passcodes. It does not affect other clients at the same address.

use super::peer::{Answer, Credentials, Peer, Via, until};
use crate::support::Broker;
use std::time::{Duration, Instant};

/// Delay of the first failed login that is delayed. Each further guess doubles the delay.
const DELAY: Duration = Duration::from_millis(250);

const USERS: [&str; 3] =
    ["--user=alice:alices-passcode", "--user=bob:bobs-passcode", "--user=carol:carols-passcode"];

/// Starts `count` different guesses for alice at once, without waiting for the answers.
fn guesses_at_once(broker: &Broker, via: Via, count: usize) -> Vec<Peer> {
    let guess = |number| {
        let mut peer = Peer::open(broker, via, &Credentials::default());
        let connect = "CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:guessed-passcode";
        peer.send(&format!("{connect}-{number}\n\n\0"));
        peer
    };
    (0..count).map(guess).collect()
}

/// Eleven guesses for alice arrive at once. Five fail without a delay, and the last one after 15 seconds. Other
/// users log in meanwhile.
#[test]
fn valid_logins_from_the_same_address_are_not_delayed_by_guesses() {
    for via in [Via::Tcp, Via::WebSocket] {
        let broker = Broker::start(&USERS);
        let guesses = guesses_at_once(&broker, via, 11);
        let failed = || broker.metric("logins_total{result=\"refused\"}");
        until(&broker, || failed() >= 5);
        for name in ["bob", "carol"] {
            let credentials = Credentials::login(name, &format!("{name}s-passcode"));
            assert_eq!(Peer::answer(&broker, via, &credentials), Answer::user(name), "{via:?}");
        }
        assert!(failed() < 11, "a guess for alice must still be delayed");
        drop(guesses);
    }
}

/// Eight guesses arrive at once. After a valid login the counter is zero, and five of the guesses fail without a
/// delay. Without a valid login, six guesses have been counted, and all eight are delayed. A delayed guess ends as
/// `busy` when its client closes its side of the stream.
#[test]
fn a_valid_login_after_failures_is_accepted_and_resets_the_counter() {
    for is_right in [true, false] {
        let broker = Broker::start(&USERS);
        for number in 0..6 {
            let credentials = Credentials::login("alice", &format!("wrong-passcode-{number}"));
            assert_eq!(Peer::answer(&broker, Via::Tcp, &credentials).rejection(), "login failed");
        }
        if is_right {
            let right = Credentials::login("alice", "alices-passcode");
            assert_eq!(Peer::answer(&broker, Via::Tcp, &right), Answer::user("alice"));
        }
        let guesses = guesses_at_once(&broker, Via::Tcp, 8);
        for guess in &guesses {
            if let Peer::Native(client) = guess {
                client.shutdown_write();
            }
        }
        let count = |result: &str| broker.metric(&format!("logins_total{{result=\"{result}\"}}"));
        until(&broker, || count("busy") + count("refused") >= 6 + 8);
        assert_eq!(count("busy") <= 3, is_right, "after a valid login: {is_right}");
    }
}

/// Guesses are counted by address and name, whichever transport they use.
#[test]
fn guesses_are_counted_over_all_transports_together() {
    let broker = Broker::start(&USERS);
    for (number, via) in Via::ALL.into_iter().take(6).enumerate() {
        let credentials = Credentials::login("alice", &format!("guessed-passcode-{number}"));
        let mut peer = Peer::open(&broker, via, &credentials);
        let started = Instant::now();
        assert_eq!(peer.login(&credentials).rejection(), "login failed", "{via:?}");
        assert!(number < 5 || started.elapsed() >= DELAY, "{via:?}: {:?}", started.elapsed());
    }
}

/// Clients at sixty addresses guess the passcode of alice. Alice can still log in, both from the address that she has
/// used before and from a new one.
#[test]
fn guesses_from_many_addresses_do_not_lock_out_the_user() {
    let broker =
        Broker::start(&[&USERS[..], &["--trusted-proxies=127.0.0.1", "--auth-failures-free=1"]].concat());
    let from = |address: &str, passcode: &str| {
        Credentials::login("alice", passcode).header("X-Forwarded-For", address)
    };
    let answer =
        |address: &str, passcode: &str| Peer::answer(&broker, Via::WebSocket, &from(address, passcode));
    assert_eq!(answer("192.0.2.1", "alices-passcode"), Answer::user("alice"));
    let guesses: Vec<Peer> = (0..60)
        .map(|number| {
            let credentials = from(&format!("198.51.100.{number}"), "");
            let mut peer = Peer::open(&broker, Via::WebSocket, &credentials);
            let connect = "CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:guessed-passcode";
            peer.send(&format!("{connect}-{number}\n\n\0"));
            peer
        })
        .collect();
    // Twenty guesses for one name are free. The other guesses wait for a slot.
    let failed = || broker.metric("logins_total{result=\"refused\"}");
    until(&broker, || failed() >= 20);
    for address in ["192.0.2.1", "203.0.113.7"] {
        assert_eq!(answer(address, "alices-passcode"), Answer::user("alice"), "{address}");
    }
    assert!(failed() < 60, "some guesses must still wait");
    drop(guesses);
}
