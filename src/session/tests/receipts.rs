//! Receipts: one for every frame that asks, in the order of the frames.

use super::*;

#[test]
fn a_receipt_that_is_ready_waits_for_those_before_it() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send(
        "SEND destination:/topic/a receipt:1\nBEGIN transaction:t receipt:2\nSEND destination:/topic/a",
    );
    peer.send("SEND destination:/topic/a receipt:3\nABORT transaction:t receipt:4");
    peer.expect("publish /topic/a receipt 1\npublish /topic/a\npublish /topic/a receipt 3");
    peer.complete("3").expect("");
    peer.complete("1").expect(
        "RECEIPT receipt-id:1
         RECEIPT receipt-id:2
         RECEIPT receipt-id:3
         RECEIPT receipt-id:4",
    );
    peer.send("BEGIN transaction:t receipt:5").expect("RECEIPT receipt-id:5");
}

#[test]
fn equal_receipts_are_owed_as_often_as_asked_for() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/topic/a receipt:r\nSEND destination:/topic/a receipt:r").take();
    peer.complete("r").expect("RECEIPT receipt-id:r");
    peer.complete("r").expect("RECEIPT receipt-id:r");
    peer.complete("r").expect("");
}

#[test]
fn an_empty_receipt_is_one_too() {
    for version in VERSIONS {
        Peer::connected(version).send("BEGIN transaction:t receipt:").expect("RECEIPT receipt-id:");
    }
}

#[test]
fn a_receipt_that_is_not_owed_is_not_sent() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.complete("r").expect("");
    peer.session.complete(None, &[("x", "y")], &mut peer.actions);
    peer.expect("");
}

#[test]
fn a_receipt_is_escaped_as_the_version_asks() {
    let table = [
        (Version::V1_0, "a\\nb:c", "a\\nb:c"),
        (Version::V1_1, "a\\nb\\cc\\\\", "a\\nb\\cc\\\\"),
        (Version::V1_2, "a\\nb\\rc:", "a\\nb\\rc\\c"),
    ];
    for (version, asked, given) in table {
        let mut peer = Peer::connected(version);
        peer.send(&format!("BEGIN transaction:t receipt:{asked}"))
            .expect(&format!("RECEIPT receipt-id:{given}"));
        peer.send(&format!("BEGIN receipt:{asked}"));
        peer.expect(&format!("ERROR missing header receipt {given}\nclose Rejected"));
    }
}

#[test]
fn disconnect_is_answered_last() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SUBSCRIBE id:1 destination:/topic/a\nSEND destination:/topic/a receipt:1").take();
    peer.send("DISCONNECT receipt:2\nSEND destination:/topic/a receipt:3").expect("");
    assert_eq!(peer.waits(), None);
    assert_eq!(peer.deliver(1, 0, "m"), DeliveryAction::Skip);
    peer.raw("NONSENSE\n\n\0").expect("");
    peer.complete("1").expect("RECEIPT receipt-id:1\nRECEIPT receipt-id:2\nclose Disconnected");
}

#[test]
fn a_frame_that_fails_after_disconnect_was_heard_is_still_answered() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/topic/a receipt:1\nDISCONNECT receipt:2").take();
    peer.refuse(Some("1"), Closing::Rejected).expect("ERROR no receipt 1\nclose Rejected");
    peer.complete("1").expect("");
}
