//! Tests of ACK and NACK outside of transactions.

use super::*;

/// Returns a peer with four subscriptions, each with three deliveries. Message IDs are `KEY.NUMBER`, and tags are 10 ×
/// key + number. The subscriptions to a queue have the keys 1 (client), 2 (client-individual) and 3 (auto). The
/// subscription to a topic has the key 4 (client).
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
            assert!(matches!(
                peer.deliver(key, tag, &format!("{key}.{number}")),
                DeliveryAction::Write { .. }
            ));
        }
    }
    peer
}

#[test]
fn ack_and_nack_settle_deliveries_as_the_ack_mode_defines() {
    let table = [
        (Version::V1_2, "ACK id:s1-1-1", "accept 1 [10, 11]"),
        (Version::V1_2, "NACK id:s1-1-2", "return 1 [10, 11, 12]"),
        (Version::V1_2, "ACK id:s1-2-1", "accept 2 [21]"),
        (Version::V1_2, "NACK id:s1-2-0", "return 2 [20]"),
        (Version::V1_2, "ACK id:s1-4-2", ""),
        (Version::V1_2, "NACK id:s1-4-2", ""),
        (Version::V1_2, "ACK id:s1-1-0 subscription:c", "accept 1 [10]"),
        (Version::V1_2, "ACK id:s1-1-0 message-id:2.0", "accept 1 [10]"),
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
    for (version, frame, expected) in table {
        delivered(version).send(frame).expect(expected);
        let mut peer = delivered(version);
        peer.send(&format!("{frame} receipt:r"));
        match expected {
            "" => peer.expect("RECEIPT receipt-id:r"),
            expected => {
                peer.expect(&format!("{expected} receipt r")).complete("r").expect("RECEIPT receipt-id:r")
            }
        };
    }
}

#[test]
fn ack_in_auto_mode_is_ignored() {
    let table = [
        (Version::V1_2, "ACK id:undefined subscription:a"),
        (Version::V1_2, "NACK id:s1-3-0 subscription:a"),
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
fn invalid_ack_or_nack_is_rejected() {
    let table = [
        (Version::V1_2, "ACK", "missing header"),
        (Version::V1_2, "ACK subscription:c", "missing header"),
        (Version::V1_2, "ACK id:s1-1-3", "nothing to settle"),
        (Version::V1_2, "ACK id:s1-3-0", "nothing to settle"),
        (Version::V1_2, "ACK id:s1-9-0", "nothing to settle"),
        (Version::V1_2, "ACK id:", "nothing to settle"),
        (Version::V1_2, "ACK id:-", "nothing to settle"),
        (Version::V1_2, "ACK id:1", "nothing to settle"),
        (Version::V1_2, "ACK id:1-+1", "nothing to settle"),
        (Version::V1_2, "ACK id:s1-01-1", "nothing to settle"),
        (Version::V1_2, "ACK id:s1-1-99999999999999999999999", "nothing to settle"),
        (Version::V1_2, "ACK id:1-1", "nothing to settle"),
        (Version::V1_2, "ACK id:s2-1-1", "nothing to settle"),
        (Version::V1_2, "ACK id:1.1 subscription:i", "nothing to settle"),
        (Version::V1_2, "NACK message-id:1.3", "nothing to settle"),
        (Version::V1_2, "ACK message-id:1.0 subscription:i", "nothing to settle"),
        (Version::V1_1, "ACK subscription:c", "missing header"),
        (Version::V1_1, "ACK message-id:1.3 subscription:c", "nothing to settle"),
        (Version::V1_1, "ACK message-id:1.0 subscription:i", "nothing to settle"),
        (Version::V1_1, "ACK message-id:1.0 subscription:x", "unknown subscription"),
        (Version::V1_1, "ACK id:s1-1-0", "nothing to settle"),
        (Version::V1_0, "ACK", "missing header"),
        (Version::V1_0, "ACK message-id:3.0", "nothing to settle"),
        (Version::V1_0, "NACK message-id:1.0", "NACK is not known in 1.0"),
    ];
    for (version, frame, summary) in table {
        delivered(version).send(frame).expect_error(summary);
    }
}

#[test]
fn ack_naming_another_subscription_is_rejected_and_names_both() {
    let table = [
        (Version::V1_2, "ACK id:s1-1-0 subscription:i", "1-0", "\"i\""),
        (Version::V1_2, "NACK id:s1-2-1 subscription:c", "2-1", "\"c\""),
        (Version::V1_2, "ACK id:s1-1-0 subscription:a", "1-0", "\"a\""),
        (Version::V1_2, "ACK id:s1-1-0 subscription:unknown", "1-0", "\"unknown\""),
        (Version::V1_2, "ACK id:s1-4-0 subscription:c", "4-0", "\"c\""),
        (Version::V1_2, "ACK id:1.1 subscription:unknown", "1.1", "\"unknown\""),
        (Version::V1_2, "ACK id:1.1 subscription:i", "1.1", "\"i\""),
        (Version::V1_2, "ACK message-id:1.1 subscription:i", "1.1", "\"i\""),
        (Version::V1_1, "ACK message-id:1.1 subscription:i", "1.1", "\"i\""),
        (Version::V1_1, "NACK message-id:2.1 subscription:t", "2.1", "\"t\""),
        // The same is true for a subscription in auto mode, although its own deliveries need no ACK.
        (Version::V1_2, "ACK id:1.1 subscription:a", "1.1", "\"a\""),
        (Version::V1_2, "ACK message-id:1.1 subscription:a", "1.1", "\"a\""),
        (Version::V1_1, "ACK message-id:1.1 subscription:a", "1.1", "\"a\""),
        (Version::V1_1, "NACK message-id:2.0 subscription:a", "2.0", "\"a\""),
        (Version::V1_0, "ACK message-id:2.2 subscription:a", "2.2", "\"a\""),
    ];
    for (version, frame, delivery, subscription) in table {
        let mut peer = delivered(version);
        peer.send(frame).expect_error("nothing to settle");
        for part in [delivery, subscription] {
            assert!(peer.detail.contains(part), "{part} in {}", peer.detail);
        }
    }
    let mut peer = delivered(Version::V1_2);
    peer.send("ACK id:s1-1-0 subscription:i").expect_error("nothing to settle");
    assert!(
        peer.detail
            .contains("and the subscription \"i\", but this message was delivered to the subscription \"c\"")
    );
}

#[test]
fn second_ack_of_a_delivery_is_rejected() {
    let table = [
        (Version::V1_2, "ACK id:s1-1-1", "ACK id:s1-1-1"),
        (Version::V1_2, "ACK id:s1-1-1", "ACK id:s1-1-0"),
        (Version::V1_2, "ACK id:s1-1-1", "NACK id:s1-1-0"),
        (Version::V1_2, "NACK id:s1-2-1", "ACK id:s1-2-1"),
        (Version::V1_2, "ACK id:s1-4-1", "ACK id:s1-4-0"),
        (Version::V1_2, "ACK id:s1-2-1", "ACK message-id:2.1"),
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
fn remaining_deliveries_can_be_settled_later() {
    let mut peer = delivered(Version::V1_2);
    peer.send("ACK id:s1-1-0\nACK id:s1-2-1\nNACK id:s1-1-2\nACK id:s1-2-2\nNACK id:s1-2-0");
    peer.expect("accept 1 [10]\naccept 2 [21]\nreturn 1 [11, 12]\naccept 2 [22]\nreturn 2 [20]");
}

#[test]
fn ack_by_message_id_of_several_subscriptions_is_ambiguous() {
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
fn redelivery_gets_a_new_ack_value() {
    let mut peer = delivered(Version::V1_2);
    peer.send("NACK id:s1-2-0").expect("return 2 [20]");
    peer.redeliver(2, 20, "2.0", 2);
    assert_eq!(peer.prefix, "MESSAGE subscription:i ack:s1-2-3 redelivered:true delivery-count:2");
    peer.send("ACK id:s1-2-3").expect("accept 2 [20]");
    peer.send("ACK id:s1-2-0").expect_error("nothing to settle");
}

#[test]
fn ack_after_unsubscribe_is_rejected() {
    let mut peer = delivered(Version::V1_2);
    peer.send("UNSUBSCRIBE id:c").expect("unsubscribe 1");
    peer.send("ACK id:s1-1-0").expect_error("nothing to settle");
}

#[test]
fn ack_value_is_parsed_only_in_its_canonical_form() {
    use super::super::unsettled::{AckId, AckIdBuffer, AckPrefix};
    let prefix = AckPrefix::of("0123456789abcdef");
    for (key, number) in [(0, 0), (1, 9), (u32::MAX, u64::MAX), (10, 1 << 40)] {
        let id = AckId { key, number };
        let mut buffer = AckIdBuffer::default();
        let text = id.format_into(prefix, &mut buffer);
        assert_eq!(text, format!("0123456789-{key}-{number}"));
        assert_eq!(AckId::parse(prefix, text), Some(id));
        assert_eq!(AckId::parse(AckPrefix::of("another"), text), None);
    }
    let parse = |text: &str| AckId::parse(prefix, &format!("0123456789{text}"));
    assert_eq!(parse("-1-1"), Some(AckId { key: 1, number: 1 }));
    for text in ["", "-", "--", "-1-", "--1", "-1--1", "-1-1-1", "- 1-1", "-1-1 ", "-+1-1", "-1-01", "1-1"] {
        assert_eq!(parse(text), None, "{text}");
    }
    for text in ["1-1", "-4294967296-1", "-１-1", "012345678-1-1", "012345678a-1-1"] {
        assert_eq!(AckId::parse(prefix, text), None, "{text}");
    }
}

#[test]
fn ack_value_begins_with_a_prefix_of_the_session_id() {
    use super::super::unsettled::{AckId, AckIdBuffer, AckPrefix};
    for (session, expected) in
        [("", "-1-2"), ("s1", "s1-1-2"), ("ééééééé", "ééééé-1-2"), ("xéééééé", "xéééé-1-2")]
    {
        let mut buffer = AckIdBuffer::default();
        let text = AckId { key: 1, number: 2 }.format_into(AckPrefix::of(session), &mut buffer);
        assert_eq!(text, expected, "{session}");
    }
}

#[test]
fn ack_value_of_another_session_is_rejected() {
    let mut before = Peer::connected(Version::V1_2);
    before.send("SUBSCRIBE id:w destination:/queue/jobs ack:client-individual").take();
    before.session.ack_prefix = super::super::unsettled::AckPrefix::of("s0");
    before.deliver(1, 7, "job-a");
    let stale = before.prefix.rsplit_once("ack:").expect("1.2 has an ack header").1.to_owned();
    for command in ["ACK", "NACK"] {
        for transaction in ["", " transaction:t"] {
            let mut peer = Peer::connected(Version::V1_2);
            peer.send("SUBSCRIBE id:w destination:/queue/jobs ack:client-individual\nBEGIN transaction:t")
                .take();
            peer.deliver(1, 8, "job-b");
            peer.send(&format!("{command} id:{stale}{transaction}")).expect_error("nothing to settle");
            assert!(
                peer.detail.contains("In STOMP 1.2, copy the header ack of the MESSAGE into the header id"),
                "{}",
                peer.detail
            );
        }
    }
}

#[test]
fn nack_with_requeue_false_rejects_the_delivery() {
    let table = [
        ("NACK id:s1-2-1 requeue:false", "reject 2 [21]"),
        ("NACK id:s1-1-1 requeue:false", "reject 1 [10, 11]"),
        ("NACK id:s1-2-1 requeue:FALSE", "reject 2 [21]"),
        ("NACK id:s1-2-1 requeue:true", "return 2 [21]"),
        ("NACK id:s1-2-1 requeue:True", "return 2 [21]"),
        ("NACK id:s1-4-1 requeue:false", ""),
        ("ACK id:s1-2-1 requeue:false", "accept 2 [21]"),
    ];
    for (frame, expected) in table {
        delivered(Version::V1_2).send(frame).expect(expected);
    }
    delivered(Version::V1_1).send("NACK message-id:2.1 subscription:i requeue:false").expect("reject 2 [21]");
    let mut peer = delivered(Version::V1_2);
    peer.send("BEGIN transaction:t\nNACK id:s1-2-1 transaction:t requeue:false\nCOMMIT transaction:t");
    peer.expect("commit [reject 2 [21]]");
    for value in ["no", "", "0"] {
        let mut peer = delivered(Version::V1_2);
        peer.send(&format!("NACK id:s1-2-1 requeue:{value}")).expect_error("malformed requeue header");
        assert!(peer.detail.contains("expected true"), "{}", peer.detail);
    }
}

#[test]
fn id_may_be_an_unambiguous_message_id_in_1_2() {
    let table = [
        ("ACK id:2.1", "accept 2 [21]"),
        ("NACK id:2.1", "return 2 [21]"),
        ("ACK id:1.1", "accept 1 [10, 11]"),
        ("ACK id:1.1 subscription:c", "accept 1 [10, 11]"),
        ("ACK id:4.1", ""),
    ];
    for (frame, expected) in table {
        delivered(Version::V1_2).send(frame).expect(expected);
    }
    let mut peer = delivered(Version::V1_2);
    peer.deliver(1, 1, "same");
    peer.deliver(2, 2, "same");
    peer.send("ACK id:same subscription:i").expect("accept 2 [2]");
    peer.deliver(2, 3, "same");
    peer.send("ACK id:same").expect_error("ambiguous message-id");
    assert!(
        peer.detail.contains("In STOMP 1.2, copy the header ack of the MESSAGE into the header id"),
        "{}",
        peer.detail
    );
    // The value of `ack` takes precedence over any message-id.
    let mut peer = delivered(Version::V1_2);
    peer.deliver(2, 24, "s1-2-0");
    peer.send("ACK id:s1-2-0").expect("accept 2 [20]");
}

#[test]
fn any_ack_is_accepted_if_all_subscriptions_are_in_auto_mode() {
    for version in VERSIONS {
        let frames = ["ACK id:undefined", "ACK message-id:unknown", "ACK id:", "ACK id:s1-1-0"];
        for frame in frames {
            let mut peer = Peer::connected(version);
            peer.send("SUBSCRIBE id:a destination:/queue/a\nSUBSCRIBE id:b destination:/topic/a").take();
            peer.send(&format!("{frame} receipt:r")).expect("RECEIPT receipt-id:r");
            peer.send("SUBSCRIBE id:c destination:/queue/a ack:client").take();
            peer.send(frame).expect_error("nothing to settle");
        }
    }
}

#[test]
fn ack_by_message_id_of_an_auto_delivery_has_no_effect() {
    for version in VERSIONS {
        let mut peer =
            Peer::connected_with(version, Options { boot_id: "boot".into(), ..Options::default() });
        peer.send(
            "SUBSCRIBE id:a destination:/queue/a
             SUBSCRIBE id:c destination:/queue/c ack:client
             SUBSCRIBE id:t destination:/topic/t ack:client",
        );
        peer.take();
        peer.deliver(1, 1, "boot-1");
        peer.deliver(2, 2, "boot-2");
        peer.deliver(3, 0, "boot-3");
        let id = if version == Version::V1_2 { "id" } else { "message-id" };
        let sent = |peer: &mut Peer, id_value: &str, rest: &str| {
            peer.send(&format!("ACK {id}:{id_value} receipt:r{rest}"));
        };
        sent(&mut peer, "boot-1", "");
        peer.expect("RECEIPT receipt-id:r");
        sent(&mut peer, "boot-1", " subscription:a");
        peer.expect("RECEIPT receipt-id:r");
        // A message of a topic may have been delivered to both subscriptions.
        sent(&mut peer, "boot-3", " subscription:a");
        peer.expect("RECEIPT receipt-id:r");
        sent(&mut peer, "boot-2", "");
        peer.expect("accept 2 [2] receipt r").complete("r").expect("RECEIPT receipt-id:r");
        for other in ["other-1", "boot-1-1", "boot-", "boot-1x", "boot--1", "boot", "s0-1-0"] {
            let mut peer =
                Peer::connected_with(version, Options { boot_id: "boot".into(), ..Options::default() });
            peer.send("SUBSCRIBE id:a destination:/queue/a\nSUBSCRIBE id:c destination:/queue/c ack:client");
            peer.take();
            peer.send(&format!("ACK {id}:{other}")).expect_error("nothing to settle");
        }
        if version != Version::V1_0 {
            peer.send(&format!("NACK {id}:boot-1 requeue:false")).expect_error("nothing to settle");
        }
    }
}

#[test]
fn delivery_reserved_by_a_transaction_is_not_treated_as_an_auto_delivery() {
    let mut peer = Peer::connected_with(Version::V1_2, Options { boot_id: "b".into(), ..Options::default() });
    peer.send(
        "SUBSCRIBE id:a destination:/queue/a
         SUBSCRIBE id:c destination:/queue/c ack:client
         BEGIN transaction:t",
    );
    peer.take();
    peer.deliver(2, 2, "b-2");
    peer.send("ACK id:b-2 transaction:t").take();
    peer.send("ACK id:b-2").expect_error("already in a transaction");
}

#[test]
fn lost_client_reports_the_oldest_unsettled_delivery_per_subscription() {
    let mut peer = delivered(Version::V1_2);
    // Deliveries in auto mode and deliveries of topics are not reported as lost.
    peer.send("SEND").take();
    assert_eq!(peer.lost, [(1, 10), (2, 20)]);
    let mut peer = delivered(Version::V1_2);
    peer.send("ACK id:s1-1-0\nNACK id:s1-2-0").take();
    peer.redeliver(2, 20, "2.0", 2);
    assert_eq!(peer.session.finish(Closing::PeerLeft), [(1, 11), (2, 21)], "in the order of delivery");
    assert_eq!(peer.session.finish(Closing::PeerLeft), [], "only once");
    // Deliveries that an open transaction acknowledges count as processed.
    let mut peer = delivered(Version::V1_2);
    peer.send("BEGIN transaction:t\nACK id:s1-1-1 transaction:t\nACK id:s1-2-0 transaction:t").take();
    assert_eq!(peer.session.finish(Closing::HeartbeatLost), [(1, 12), (2, 21)]);
}

#[test]
fn close_reasons_unrelated_to_messages_report_no_lost_deliveries() {
    for closing in [
        Closing::Disconnected,
        Closing::Shutdown,
        Closing::Expired,
        Closing::AccessDenied,
        Closing::NotSettled,
        Closing::Limit(Limit::MemoryBytes),
        Closing::SlowConsumer(Slowness::Overflow),
    ] {
        let mut peer = delivered(Version::V1_2);
        peer.close_with_error(None, closing).take();
        assert_eq!(peer.lost, [], "{closing:?}");
        assert_eq!(delivered(Version::V1_2).session.finish(closing), [], "{closing:?}");
    }
    let mut peer = delivered(Version::V1_2);
    peer.send("DISCONNECT receipt:r").take();
    assert_eq!(peer.session.finish(Closing::PeerLeft), [], "after DISCONNECT");
    for closing in [
        Closing::Rejected,
        Closing::HeartbeatLost,
        Closing::SlowConsumer(Slowness::Stalled),
        Closing::Limit(Limit::FrameBytes),
    ] {
        let mut peer = delivered(Version::V1_2);
        peer.close_with_error(None, closing).take();
        assert_eq!(peer.lost, [(1, 10), (2, 20)], "{closing:?}");
    }
}

#[test]
fn unsettled_broadcasts_are_counted_until_they_are_settled() {
    let mut peer = delivered(Version::V1_2);
    let mut expect = |frames: &str, count| {
        peer.send(frames);
        assert_eq!(peer.session.unsettled_broadcasts(), count, "{frames}");
    };
    expect("", 3);
    expect("ACK id:s1-1-2", 3);
    expect("ACK id:s1-4-0", 2);
    expect("BEGIN transaction:t\nACK id:s1-4-1 transaction:t", 2);
    expect("ABORT transaction:t", 2);
    expect("BEGIN transaction:t\nACK id:s1-4-1 transaction:t\nACK id:s1-2-0 transaction:t", 2);
    expect("ACK id:s1-4-2", 1);
    expect("COMMIT transaction:t", 0);
    let mut peer = delivered(Version::V1_2);
    peer.send("UNSUBSCRIBE id:i");
    assert_eq!(peer.session.unsettled_broadcasts(), 3);
    peer.send("UNSUBSCRIBE id:t");
    assert_eq!(peer.session.unsettled_broadcasts(), 0);
}
