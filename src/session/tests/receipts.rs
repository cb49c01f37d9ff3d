//! Tests of receipts: each requested receipt is sent, in the order of the frames.

use super::*;

#[test]
fn receipts_are_sent_in_the_order_of_the_frames() {
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
fn repeated_receipt_id_is_answered_once_per_frame() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/topic/a receipt:r\nSEND destination:/topic/a receipt:r").take();
    peer.complete("r").expect("RECEIPT receipt-id:r");
    peer.complete("r").expect("RECEIPT receipt-id:r");
    peer.complete("r").expect("");
}

#[test]
fn empty_receipt_id_is_answered() {
    for version in VERSIONS {
        Peer::connected(version).send("BEGIN transaction:t receipt:").expect("RECEIPT receipt-id:");
    }
}

#[test]
fn completion_without_a_requested_receipt_sends_nothing() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.complete("r").expect("");
    peer.session.complete(None, &[("x", "y")], &mut peer.actions);
    peer.expect("");
}

#[test]
fn receipt_id_is_escaped_as_the_version_requires() {
    let table = [
        (Version::V1_0, "a\\nb:c", "a\\nb:c"),
        (Version::V1_1, "a\\nb\\cc\\\\", "a\\nb\\cc\\\\"),
        (Version::V1_2, "a\\nb\\rc:", "a\\nb\\rc\\c"),
    ];
    for (version, requested, returned) in table {
        let mut peer = Peer::connected(version);
        peer.send(&format!("BEGIN transaction:t receipt:{requested}"))
            .expect(&format!("RECEIPT receipt-id:{returned}"));
        peer.send(&format!("BEGIN receipt:{requested}"));
        peer.expect(&format!("ERROR missing header receipt {returned}\nclose Rejected"));
    }
}

#[test]
fn receipt_of_disconnect_is_sent_last() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SUBSCRIBE id:1 destination:/topic/a\nSEND destination:/topic/a receipt:1").take();
    peer.send("DISCONNECT receipt:2\nSEND destination:/topic/a receipt:3").expect("");
    assert_eq!(peer.until_deadline(), None);
    assert_eq!(peer.deliver(1, 0, "m"), DeliveryAction::Skip);
    peer.raw("NONSENSE\n\n\0").expect("");
    peer.complete("1").expect("RECEIPT receipt-id:1\nRECEIPT receipt-id:2\nclose Disconnected");
}

#[test]
fn frame_rejected_after_disconnect_still_gets_an_error() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/topic/a receipt:1\nDISCONNECT receipt:2").take();
    peer.close_with_error(Some("1"), Closing::Rejected).expect("ERROR no receipt 1\nclose Rejected");
    peer.complete("1").expect("");
}
