//! Authenticating reverse proxies: the user name in a header is accepted from trusted proxies only.

use super::peer::{Answer, Credentials, Peer, Via};
use crate::support::Broker;

const FLAGS: &[&str] =
    &["--proxy-user-header=X-User", "--proxy-roles-header=X-Roles", "--auth-failures-free=1000000"];

fn proxy_headers(lines: &[(&str, &str)]) -> Credentials {
    lines.iter().fold(Credentials::default(), |credentials, (name, value)| credentials.header(name, value))
}

#[test]
fn the_user_name_of_a_trusted_proxy_is_accepted() {
    let broker = Broker::start(&[FLAGS, &["--trusted-proxies=127.0.0.1"]].concat());
    for via in Via::with_handshake() {
        for (lines, expected) in [
            (&[("X-User", "erin")][..], Some("erin")),
            (&[("x-user", " erin ")], Some("erin")),
            (&[("X-User", "\u{5c0f}\u{660e}")], Some("\u{5c0f}\u{660e}")),
            // `X-Forwarded-For` does not change the address of the proxy.
            (&[("X-User", "erin"), ("X-Forwarded-For", "192.0.2.7")], Some("erin")),
            // One of the two headers may come from the client itself.
            (&[("X-User", "erin"), ("X-User", "mallory")], None),
            (&[("X-User", "")], None),
            (&[("X-Roles", "service")], None),
            (&[], None),
        ] {
            let answer = Peer::answer(&broker, via, &proxy_headers(lines));
            match expected {
                Some(name) => assert_eq!(answer, Answer::user(name), "{lines:?} over {via:?}"),
                None => assert_eq!(answer.rejection(), "login failed", "{lines:?} over {via:?}"),
            }
        }
    }
}

#[test]
fn roles_from_a_trusted_proxy_are_applied() {
    let rule = &["--permission=allow send role:editor /topic/news", "--trusted-proxies=127.0.0.0/8"];
    let broker = Broker::start(&[FLAGS, rule].concat());
    for via in Via::with_handshake() {
        let editor = proxy_headers(&[("X-User", "erin"), ("X-Roles", "a, editor")]);
        Peer::signed_in(&broker, via, &editor).publish("/topic/news", "hi");
        for roles in
            [&[("X-User", "erin")][..], &[("X-User", "erin"), ("X-Roles", "editor"), ("X-Roles", "b")]]
        {
            let mut peer = Peer::signed_in(&broker, via, &proxy_headers(roles));
            peer.send("SEND\ndestination:/topic/news\n\nhi\0");
            let error = peer.expect_error("access denied", 1008, "access denied");
            assert_eq!(error.expect_header("destination"), "/topic/news");
        }
    }
}

#[test]
fn headers_of_an_untrusted_proxy_are_ignored() {
    let others = &["--trusted-proxies=192.0.2.1,10.0.0.0/8", "--user=bob:bobs-passcode", "--allow-anonymous"];
    let broker = Broker::start(&[FLAGS, others].concat());
    for via in Via::with_handshake() {
        let lines = [("X-User", "erin"), ("X-Roles", "service"), ("X-Forwarded-For", "192.0.2.1")];
        assert_eq!(Peer::answer(&broker, via, &proxy_headers(&lines)), Answer::Accepted(None), "{via:?}");
        let bob = Credentials::login("bob", "bobs-passcode");
        let both = lines.iter().fold(bob, |credentials, (name, value)| credentials.header(name, value));
        assert_eq!(Peer::answer(&broker, via, &both), Answer::user("bob"), "{via:?}");
    }
}
