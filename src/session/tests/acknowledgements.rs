//! ACK and NACK outside of transactions.

use super::*;

/// Three deliveries on a subscription of each mode: keys 1 (client), 2 (client-individual), 3 (auto), of a
/// queue, and 4 (client) of a topic. Message-ids are `KEY.NUMBER`, tags are 10 × key + number.
fn delivered(version: Version) -> Peer {
    let mut peer = Peer::connected(version);
    peer.send(
        "SUBSCRIBE id:c destination:/queue/a ack:client
         SUBSCRIBE id:i destination:/queue/a ack:client-individual
         SUBSCRIBE id:a destination:/queue/a ack:auto
         SUBSCRIBE id:t destination:/topic/a ack:client",
    );
    peer.take();
    for key in 1..=4 {
        for number in 0..3 {
            let tag = if key == 4 { 0 } else { Tag::from(key) * 10 + number };
            assert!(matches!(peer.deliver(key, tag, &format!("{key}.{number}")), Delivery::Write { .. }));
        }
    }
    peer
}

#[test]
fn an_acknowledgement_settles_what_its_mode_says() {
    let table = [
        (Version::V1_2, "ACK id:1-1", "accept 1 [10, 11]"),
        (Version::V1_2, "NACK id:1-2", "return 1 [10, 11, 12]"),
        (Version::V1_2, "ACK id:2-1", "accept 2 [21]"),
        (Version::V1_2, "NACK id:2-0", "return 2 [20]"),
        (Version::V1_2, "ACK id:4-2", ""),
        (Version::V1_2, "NACK id:4-2", ""),
        (Version::V1_2, "ACK id:1-0 subscription:i", "accept 1 [10]"),
        (Version::V1_2, "ACK id:1-0 subscription:a", "accept 1 [10]"),
        (Version::V1_2, "ACK id:1-0 message-id:2.0", "accept 1 [10]"),
        (Version::V1_2, "ACK message-id:1.1", "accept 1 [10, 11]"),
        (Version::V1_2, "ACK message-id:2.1 subscription:i", "accept 2 [21]"),
        (Version::V1_1, "ACK message-id:1.1 subscription:c", "accept 1 [10, 11]"),
        (Version::V1_1, "NACK message-id:2.2 subscription:i", "return 2 [22]"),
        (Version::V1_1, "ACK message-id:4.2 subscription:t", ""),
        (Version::V1_1, "ACK message-id:2.2", "accept 2 [22]"),
        (Version::V1_1, "ACK id:2.2", "accept 2 [22]"),
        (Version::V1_1, "ACK id:2.2 message-id:1.0", "accept 1 [10]"),
        (Version::V1_0, "ACK message-id:1.2", "accept 1 [10, 11, 12]"),
        (Version::V1_0, "ACK message-id:2.0", "accept 2 [20]"),
        (Version::V1_0, "ACK id:2.0", "accept 2 [20]"),
    ];
    for (version, frame, wish) in table {
        delivered(version).send(frame).expect(wish);
        let mut peer = delivered(version);
        peer.send(&format!("{frame} receipt:r"));
        match wish {
            "" => peer.expect("RECEIPT receipt-id:r"),
            wish => peer.expect(&format!("{wish} receipt r")).complete("r").expect("RECEIPT receipt-id:r"),
        };
    }
}

#[test]
fn an_acknowledgement_in_auto_mode_is_ignored() {
    let table = [
        (Version::V1_2, "ACK id:undefined subscription:a"),
        (Version::V1_2, "NACK id:3-0 subscription:a"),
        (Version::V1_2, "ACK message-id:3.0 subscription:a"),
        (Version::V1_1, "ACK message-id:3.0 subscription:a"),
        (Version::V1_1, "NACK message-id:3.0 subscription:a"),
        (Version::V1_0, "ACK message-id:3.0 subscription:a"),
    ];
    for (version, frame) in table {
        let mut peer = delivered(version);
        peer.send(frame).expect("");
        peer.send(&format!("{frame} receipt:r")).expect("RECEIPT receipt-id:r");
    }
}

#[test]
fn what_cannot_be_settled_is_refused() {
    let table = [
        (Version::V1_2, "ACK", "missing header"),
        (Version::V1_2, "ACK subscription:c", "missing header"),
        (Version::V1_2, "ACK id:1-3", "nothing to settle"),
        (Version::V1_2, "ACK id:3-0", "nothing to settle"),
        (Version::V1_2, "ACK id:9-0", "nothing to settle"),
        (Version::V1_2, "ACK id:", "nothing to settle"),
        (Version::V1_2, "ACK id:-", "nothing to settle"),
        (Version::V1_2, "ACK id:1", "nothing to settle"),
        (Version::V1_2, "ACK id:1-+1", "nothing to settle"),
        (Version::V1_2, "ACK id:01-1", "nothing to settle"),
        (Version::V1_2, "ACK id:1-99999999999999999999999", "nothing to settle"),
        (Version::V1_2, "ACK id:1.1", "nothing to settle"),
        (Version::V1_2, "NACK message-id:1.3", "nothing to settle"),
        (Version::V1_2, "ACK message-id:1.0 subscription:i", "nothing to settle"),
        (Version::V1_1, "ACK subscription:c", "missing header"),
        (Version::V1_1, "ACK message-id:1.3 subscription:c", "nothing to settle"),
        (Version::V1_1, "ACK message-id:1.0 subscription:i", "nothing to settle"),
        (Version::V1_1, "ACK message-id:1.0 subscription:x", "unknown subscription"),
        (Version::V1_1, "ACK id:1-0", "nothing to settle"),
        (Version::V1_0, "ACK", "missing header"),
        (Version::V1_0, "ACK message-id:3.0", "nothing to settle"),
        (Version::V1_0, "NACK message-id:1.0", "NACK is not known in 1.0"),
    ];
    for (version, frame, summary) in table {
        delivered(version).send(frame).expect_error(summary);
    }
}

#[test]
fn nothing_is_settled_twice() {
    let table = [
        (Version::V1_2, "ACK id:1-1", "ACK id:1-1"),
        (Version::V1_2, "ACK id:1-1", "ACK id:1-0"),
        (Version::V1_2, "ACK id:1-1", "NACK id:1-0"),
        (Version::V1_2, "NACK id:2-1", "ACK id:2-1"),
        (Version::V1_2, "ACK id:4-1", "ACK id:4-0"),
        (Version::V1_2, "ACK id:2-1", "ACK message-id:2.1"),
        (Version::V1_1, "ACK message-id:1.1 subscription:c", "ACK message-id:1.0 subscription:c"),
        (Version::V1_0, "ACK message-id:2.1", "ACK message-id:2.1"),
    ];
    for (version, first, second) in table {
        let mut peer = delivered(version);
        peer.send(first).take();
        peer.send(second).expect_error("nothing to settle");
    }
}

#[test]
fn what_is_left_can_be_settled_later() {
    let mut peer = delivered(Version::V1_2);
    peer.send("ACK id:1-0\nACK id:2-1\nNACK id:1-2\nACK id:2-2\nNACK id:2-0");
    peer.expect("accept 1 [10]\naccept 2 [21]\nreturn 1 [11, 12]\naccept 2 [22]\nreturn 2 [20]");
}

#[test]
fn a_message_in_several_subscriptions_must_be_told_apart() {
    for version in VERSIONS {
        let mut peer = delivered(version);
        peer.deliver(1, 1, "same");
        peer.deliver(2, 2, "same");
        peer.send("ACK message-id:same subscription:i").expect("accept 2 [2]");
        peer.deliver(2, 3, "same");
        peer.send("ACK message-id:same").expect_error("ambiguous message-id");
    }
}

#[test]
fn a_message_returned_and_delivered_again_is_a_new_delivery() {
    let mut peer = delivered(Version::V1_2);
    peer.send("NACK id:2-0").expect("return 2 [20]");
    peer.redeliver(2, 20, "2.0", 2);
    assert_eq!(peer.prefix, "MESSAGE subscription:i ack:2-3 redelivered:true delivery-count:2");
    peer.send("ACK id:2-3").expect("accept 2 [20]");
    peer.send("ACK id:2-0").expect_error("nothing to settle");
}

#[test]
fn unsubscribing_forgets_what_was_unsettled() {
    let mut peer = delivered(Version::V1_2);
    peer.send("UNSUBSCRIBE id:c").expect("unsubscribe 1");
    peer.send("ACK id:1-0").expect_error("nothing to settle");
}

#[test]
fn an_ack_id_reads_back_and_every_other_spelling_is_none() {
    use super::super::unsettled::{AckId, Spelling};
    for (key, number) in [(0, 0), (1, 9), (u32::MAX, u64::MAX), (10, 1 << 40)] {
        let id = AckId { key, number };
        assert_eq!(id.spell(&mut Spelling::default()), format!("{key}-{number}"));
        assert_eq!(AckId::parse(&id.to_string()), Some(id));
    }
    for text in ["", "-", "1-", "-1", "1--1", "1-1-1", " 1-1", "1-1 ", "+1-1", "1-01", "4294967296-1", "１-1"]
    {
        assert_eq!(AckId::parse(text), None, "{text}");
    }
}
