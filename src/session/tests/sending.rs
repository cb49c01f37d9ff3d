//! Tests of SEND outside of transactions.

use super::*;

#[test]
fn send_is_published_unchanged() {
    for version in VERSIONS {
        let mut peer = Peer::connected(version);
        peer.send("SEND destination:/topic/a content-type:text/plain = hello");
        let Some(Action::Publish { publish, .. }) = peer.actions.first() else {
            panic!("{:?}", peer.actions)
        };
        assert_eq!(publish.header("content-type").as_deref(), Some("text/plain"));
        peer.expect("publish /topic/a = hello");
    }
}

#[test]
fn receipt_of_send_waits_for_publishing() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/queue/a receipt:r1 = x").expect("publish /queue/a = x receipt r1");
    peer.complete("r1").expect("RECEIPT receipt-id:r1");
}

#[test]
fn receipt_of_send_carries_the_delivery_result() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/topic/a receipt:r1").take();
    let receipt = peer.receipt("r1");
    peer.session.complete(Some(receipt), &[("delivered-sessions", "3")], &mut peer.actions);
    peer.expect("RECEIPT receipt-id:r1 delivered-sessions:3");
}

#[test]
fn send_without_destination_is_rejected() {
    for version in VERSIONS {
        Peer::connected(version).send("SEND = x").expect_error("missing header");
        let mut peer = Peer::connected(version);
        peer.send("SEND receipt:r").expect("ERROR missing header receipt r\nclose Rejected");
    }
}

#[test]
fn send_to_an_invalid_destination_is_rejected() {
    for destination in
        ["", "a", "/", "/topic", "/topic/", "/nowhere/a", "/topic/a//b", "/topic/*", "/queue/**"]
    {
        let mut peer = Peer::connected(Version::V1_2);
        peer.send(&format!("SEND destination:{destination}")).expect_error("invalid destination");
    }
}

#[test]
fn destination_length_is_limited() {
    let mut peer = Peer::limited_operations(|options| options.destination_bytes_max = 10);
    peer.send("SEND destination:/topic/abc").expect("publish /topic/abc");
    peer.send("SEND destination:/topic/abcd");
    peer.expect(
        "limit destination-bytes-max\nERROR invalid destination\nclose Limit(\"destination-bytes-max\")",
    );
}

#[test]
fn error_shortens_quoted_values_and_replaces_control_characters() {
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
