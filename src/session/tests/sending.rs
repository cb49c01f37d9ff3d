//! SEND outside of transactions.

use super::*;

#[test]
fn a_send_is_published_as_it_came() {
    for version in VERSIONS {
        let mut peer = Peer::connected(version);
        peer.send("SEND destination:/topic/a content-type:text/plain = hello");
        let Some(Action::Publish(publish)) = peer.actions.first() else { panic!("{:?}", peer.actions) };
        assert_eq!(publish.frame.header("content-type").as_deref(), Some("text/plain"));
        peer.expect("publish /topic/a = hello");
    }
}

#[test]
fn a_receipt_waits_for_the_publishing() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/queue/a receipt:r1 = x").expect("publish /queue/a = x receipt r1");
    peer.complete("r1").expect("RECEIPT receipt-id:r1");
}

#[test]
fn a_receipt_tells_what_became_of_the_message() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/topic/a receipt:r1").take();
    peer.session.complete(Some("r1".into()), &[("delivered-sessions", "3")], &mut peer.actions);
    peer.expect("RECEIPT receipt-id:r1 delivered-sessions:3");
}

#[test]
fn a_send_must_say_where_to() {
    for version in VERSIONS {
        Peer::connected(version).send("SEND = x").expect_error("missing header");
        let mut peer = Peer::connected(version);
        peer.send("SEND receipt:r").expect("ERROR missing header receipt r\nclose Rejected");
    }
}

#[test]
fn only_destinations_can_be_sent_to() {
    for destination in
        ["", "a", "/", "/topic", "/topic/", "/nowhere/a", "/topic/a//b", "/topic/*", "/queue/**"]
    {
        let mut peer = Peer::connected(Version::V1_2);
        peer.send(&format!("SEND destination:{destination}")).expect_error("invalid destination");
    }
}

#[test]
fn a_destination_is_bounded() {
    let mut peer = Peer::limited(|options| options.destination_bytes_max = 10);
    peer.send("SEND destination:/topic/abc").expect("publish /topic/abc");
    peer.send("SEND destination:/topic/abcd");
    peer.expect(
        "limit destination-bytes-max\nERROR invalid destination\nclose Limit(\"destination-bytes-max\")",
    );
}

#[test]
fn an_error_quotes_no_more_than_is_useful_and_nothing_that_a_terminal_obeys() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.raw(&format!("COMMIT\ntransaction:\u{1b}[2J\"\\n{}\n\n\0", "x".repeat(10_000)));
    peer.expect_error("unknown transaction");
    assert!(
        peer.detail.starts_with("COMMIT names the transaction \"\u{fffd}[2J'\u{fffd}xxx"),
        "{}",
        peer.detail
    );
    assert!(peer.detail.len() < 300 && peer.detail.contains("x…\""), "{}", peer.detail);
}
