//! Several credentials at once. Credentials in CONNECT take precedence over credentials of the handshake, because the
//! client wrote them for this connection.

use super::issuer::{Issuer, SECRET};
use super::peer::{Answer, Credentials, Peer, Via};
use crate::support::Broker;
use jsonwebtoken::Algorithm;

#[test]
fn credentials_in_connect_take_precedence_over_the_handshake() {
    let issuer = Issuer::new(Algorithm::HS256);
    let token = |user: &str| issuer.valid_token(user);
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
    let handshakes: [(&str, Credentials); 6] = [
        ("Basic", Credentials::basic("alice", "alices-passcode")),
        ("Bearer", Credentials::bearer(&token("dave"))),
        ("cookie", Credentials::cookie(&token("dave"))),
        ("access_token", Credentials::default().query("access_token", &token("dave"))),
        ("proxy", Credentials::default().header("X-User", "erin")),
        ("a bad cookie", Credentials::cookie("made-up")),
    ];
    for via in Via::with_handshake() {
        for (name, credentials) in &handshakes {
            let add = |lines: &[(&str, &str)]| {
                lines
                    .iter()
                    .fold(credentials.clone(), |credentials, (name, value)| credentials.connect(name, value))
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
            // Valid credentials in the handshake do not replace invalid ones in CONNECT.
            for wrong in [
                add(&[("login", "bob"), ("passcode", "guessed-passcode")]),
                add(&[("login", "unknown"), ("passcode", "guessed-passcode")]),
                add(&[("Authorization", "Bearer made-up")]),
            ] {
                assert_eq!(Peer::answer(&broker, via, &wrong).rejection(), "login failed", "{name}, {via:?}");
            }
        }
    }
}
