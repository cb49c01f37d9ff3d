//! Several things shown at once: what CONNECT says, which was written for this connection, comes before what the
//! handshake brought.

use super::issuer::{Issuer, SECRET};
use super::peer::{Answer, Peer, Shown, Via};
use crate::support::Broker;
use jsonwebtoken::Algorithm;

#[test]
fn connect_comes_before_the_handshake() {
    let issuer = Issuer::new(Algorithm::HS256);
    let token = |user: &str| issuer.good(user);
    let broker = Broker::start(&[
        "--user=alice:alices-passcode",
        "--user=bob:bobs-passcode",
        "--jwt-secret",
        SECRET,
        "--token-cookie=auth",
        "--trusted-proxies=127.0.0.1",
        "--proxy-user-header=X-User",
        "--auth-failures-free=1000000",
    ]);
    let handshakes: [(&str, Shown); 6] = [
        ("Basic", Shown::basic("alice", "alices-passcode")),
        ("Bearer", Shown::bearer(&token("dave"))),
        ("cookie", Shown::cookie(&token("dave"))),
        ("access_token", Shown::default().query("access_token", &token("dave"))),
        ("proxy", Shown::default().header("X-User", "erin")),
        ("a bad cookie", Shown::cookie("made-up")),
    ];
    for via in Via::with_handshake() {
        for (name, shown) in &handshakes {
            let add = |lines: &[(&str, &str)]| {
                lines.iter().fold(shown.clone(), |shown, (name, value)| shown.connect(name, value))
            };
            let login = add(&[("login", "bob"), ("passcode", "bobs-passcode")]);
            assert_eq!(Peer::answer(&broker, via, &login), Answer::user("bob"), "login, {name}, {via:?}");
            let by_token = add(&[("Authorization", &format!("Bearer {}", token("carol")))]);
            assert_eq!(
                Peer::answer(&broker, via, &by_token),
                Answer::user("carol"),
                "token, {name}, {via:?}"
            );
            let by_passcode = add(&[("login", "bob"), ("passcode", &token("carol"))]);
            assert_eq!(Peer::answer(&broker, via, &by_passcode), Answer::user("carol"), "{name}, {via:?}");
            // What is wrong in CONNECT is not made good by the handshake.
            for wrong in [
                add(&[("login", "bob"), ("passcode", "guessed-passcode")]),
                add(&[("login", "nobody"), ("passcode", "guessed-passcode")]),
                add(&[("Authorization", "Bearer made-up")]),
            ] {
                assert_eq!(Peer::answer(&broker, via, &wrong).refusal(), "login refused", "{name}, {via:?}");
            }
        }
    }
}
