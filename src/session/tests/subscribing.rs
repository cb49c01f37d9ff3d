//! Tests of SUBSCRIBE, UNSUBSCRIBE and the start of MESSAGE.

use super::*;

const WRITE: DeliveryAction = DeliveryAction::Write { settle_when_written: false };
const WRITE_AND_SETTLE: DeliveryAction = DeliveryAction::Write { settle_when_written: true };

#[test]
fn receipt_of_subscribe_waits_for_the_broker() {
    for version in VERSIONS {
        let mut peer = Peer::connected(version);
        peer.send("SUBSCRIBE id:1 destination:/topic/a.* receipt:r")
            .expect("subscribe 1 /topic/a.* 250 receipt r");
        peer.complete("r").expect("RECEIPT receipt-id:r");
        peer.send("SUBSCRIBE id:2 destination:/topic/a.*").expect("subscribe 2 /topic/a.* 250");
        peer.send("UNSUBSCRIBE id:1 receipt:s").expect("unsubscribe 1 receipt s");
        peer.send("SUBSCRIBE id:1 destination:/queue/b").expect("subscribe 3 /queue/b 250");
    }
}

#[test]
fn invalid_subscribe_is_rejected() {
    let table = [
        ("SUBSCRIBE id:1", "missing header"),
        ("SUBSCRIBE id:1 destination:nowhere", "invalid destination"),
        ("SUBSCRIBE id:1 destination:/queue/*", "invalid destination"),
        ("SUBSCRIBE id:1 destination:/temp-queue/~0", "not your temporary queue"),
        ("SUBSCRIBE id:1 destination:/topic/a ack:", "unknown ack mode"),
        ("SUBSCRIBE id:1 destination:/topic/a ack:AUTO", "unknown ack mode"),
        ("SUBSCRIBE id:1 destination:/topic/a ack:individual", "unknown ack mode"),
        ("SUBSCRIBE id:1 destination:/topic/a selector:x=1", "unsupported header"),
        ("SUBSCRIBE id:1 destination:/topic/a prefetch-count:", "malformed prefetch header"),
        ("SUBSCRIBE id:1 destination:/topic/a prefetch-count:0", "malformed prefetch header"),
        ("SUBSCRIBE id:1 destination:/topic/a prefetch-count:-1", "malformed prefetch header"),
        ("SUBSCRIBE id:1 destination:/topic/a prefetch-count:+1", "malformed prefetch header"),
        ("SUBSCRIBE id:1 destination:/topic/a prefetch-count:x", "malformed prefetch header"),
        ("SUBSCRIBE id:1 destination:/topic/a prefetch-count:4294967296", "malformed prefetch header"),
        ("SUBSCRIBE id:taken destination:/topic/b", "duplicate subscription"),
        ("UNSUBSCRIBE", "missing header"),
    ];
    for version in VERSIONS {
        for (frame, summary) in table {
            let mut peer = Peer::connected(version);
            peer.send("SUBSCRIBE id:taken destination:/topic/a").expect("subscribe 1 /topic/a 250");
            peer.send(frame).expect_error(summary);
        }
    }
}

#[test]
fn subscription_id_is_required_since_1_1() {
    for version in [Version::V1_1, Version::V1_2] {
        Peer::connected(version).send("SUBSCRIBE destination:/topic/a").expect_error("missing header");
        let mut peer = Peer::connected(version);
        peer.send("SUBSCRIBE id:1 destination:/topic/a").take();
        peer.send("UNSUBSCRIBE destination:/topic/a").expect_error("missing header");
    }
}

#[test]
fn destination_identifies_a_subscription_without_id_in_1_0() {
    let mut peer = Peer::connected(Version::V1_0);
    peer.send("SUBSCRIBE destination:/topic/a").expect("subscribe 1 /topic/a 250");
    assert_eq!(peer.deliver(1, 0, "m1"), WRITE);
    assert_eq!(peer.prefix, "MESSAGE");
    peer.send("SUBSCRIBE destination:/topic/b").expect("subscribe 2 /topic/b 250");
    peer.send("SUBSCRIBE id:/topic/a destination:/topic/c").expect("subscribe 3 /topic/c 250");
    peer.send("UNSUBSCRIBE destination:/topic/a").expect("unsubscribe 1");
    assert_eq!(peer.deliver(1, 0, "m2"), DeliveryAction::Skip);
    peer.send("SUBSCRIBE destination:/topic/a").expect("subscribe 4 /topic/a 250");
    peer.send("SUBSCRIBE destination:/topic/a").expect_error("duplicate subscription");
}

#[test]
fn unsubscribe_by_destination_ends_its_only_subscription_in_1_0() {
    let mut peer = Peer::connected(Version::V1_0);
    peer.send("SUBSCRIBE id:1 destination:/topic/a\nSUBSCRIBE id:2 destination:/topic/b").take();
    peer.send("UNSUBSCRIBE destination:/topic/b").expect("unsubscribe 2");
    peer.send("SUBSCRIBE id:3 destination:/topic/a\nUNSUBSCRIBE id:1 destination:/topic/b");
    peer.expect("subscribe 3 /topic/a 250\nunsubscribe 1");
    peer.send("SUBSCRIBE id:4 destination:/topic/a").take();
    peer.send("UNSUBSCRIBE destination:/topic/a").expect_error("ambiguous UNSUBSCRIBE");
}

#[test]
fn unsubscribe_of_an_unknown_subscription_has_no_effect() {
    let table = [
        (Version::V1_0, "UNSUBSCRIBE destination:/topic/a"),
        (Version::V1_0, "UNSUBSCRIBE id:2"),
        (Version::V1_1, "UNSUBSCRIBE id:2"),
        (Version::V1_2, "UNSUBSCRIBE id:2"),
        (Version::V1_2, "UNSUBSCRIBE id:TAKEN"),
    ];
    for (version, frame) in table {
        let mut peer = Peer::connected(version);
        peer.send("SUBSCRIBE id:taken destination:/topic/b").take();
        peer.send(frame).expect("");
        peer.send(&format!("{frame} receipt:r")).expect("RECEIPT receipt-id:r");
        peer.send("UNSUBSCRIBE id:taken receipt:1\nUNSUBSCRIBE id:taken receipt:2")
            .expect("unsubscribe 1 receipt 1");
        peer.complete("1").expect("RECEIPT receipt-id:1\nRECEIPT receipt-id:2");
    }
}

#[test]
fn requested_prefetch_is_limited_by_unsettled_max() {
    let mut peer = Peer::limited(|options| (options.prefetch_count, options.unsettled_max) = (50, 200));
    for (key, header, granted) in
        [(1, "", 50), (2, " prefetch-count:1", 1), (3, " prefetch-count:4294967295", 200)]
    {
        peer.send(&format!("SUBSCRIBE id:{key} destination:/queue/a{header}"));
        peer.expect(&format!("subscribe {key} /queue/a {granted}"));
    }
    let mut peer = Peer::limited(|options| (options.prefetch_count, options.unsettled_max) = (0, 0));
    peer.send("SUBSCRIBE id:1 destination:/queue/a").expect("subscribe 1 /queue/a 1");
}

#[test]
fn every_ack_mode_is_accepted_in_every_version() {
    for version in VERSIONS {
        for (mode, settles) in [("auto", true), ("client", false), ("client-individual", false)] {
            let mut peer = Peer::connected(version);
            peer.send(&format!("SUBSCRIBE id:1 destination:/queue/a ack:{mode}")).take();
            let delivery = peer.deliver(1, 7, "m1");
            assert_eq!(delivery, DeliveryAction::Write { settle_when_written: settles }, "{mode}");
            let ack = if version == Version::V1_2 && !settles { " ack:s1-1-0" } else { "" };
            assert_eq!(peer.prefix, format!("MESSAGE subscription:1{ack}"));
        }
    }
}

#[test]
fn topic_delivery_in_auto_mode_is_not_settled() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SUBSCRIBE id:1 destination:/topic/a\nSUBSCRIBE id:2 destination:/queue/a").take();
    assert_eq!(peer.deliver(1, 0, "m1"), WRITE);
    assert_eq!(peer.deliver(2, 1, "m1"), WRITE_AND_SETTLE);
}

#[test]
fn ack_values_of_deliveries_are_unique() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send(
        "SUBSCRIBE id:a destination:/queue/a ack:client\nSUBSCRIBE id:b destination:/queue/a ack:client",
    )
    .take();
    let acks = [(1, 1), (2, 2), (1, 3), (2, 1)].map(|(key, tag)| {
        peer.deliver(key, tag, "m1");
        peer.prefix.rsplit(' ').next().map(str::to_owned)
    });
    assert_eq!(acks.map(Option::unwrap), ["ack:s1-1-0", "ack:s1-2-0", "ack:s1-1-1", "ack:s1-2-1"]);
}

#[test]
fn redelivered_message_has_redelivery_headers() {
    let mut peer = Peer::connected(Version::V1_1);
    peer.send("SUBSCRIBE id:1 destination:/queue/a").take();
    peer.redeliver(1, 1, "m1", 2);
    assert_eq!(peer.prefix, "MESSAGE subscription:1 redelivered:true delivery-count:2");
}

#[test]
fn subscription_id_is_escaped_as_the_version_requires() {
    for (version, id, seen) in [
        (Version::V1_2, "a\\cb", "a\\cb"),
        (Version::V1_1, "a\\cb", "a\\cb"),
        (Version::V1_0, "a\\cb", "a\\cb"),
    ] {
        let mut peer = Peer::connected(version);
        peer.send(&format!("SUBSCRIBE id:{id} destination:/topic/a")).take();
        peer.deliver(1, 0, "m1");
        assert_eq!(peer.prefix, format!("MESSAGE subscription:{seen}"), "the id is escaped as in SUBSCRIBE");
    }
}

#[test]
fn ended_subscription_receives_no_messages() {
    let mut peer = Peer::connected(Version::V1_2);
    assert_eq!(peer.deliver(1, 0, "m0"), DeliveryAction::Skip);
    peer.send("SUBSCRIBE id:1 destination:/topic/a\nUNSUBSCRIBE id:1\nSUBSCRIBE id:1 destination:/topic/a")
        .take();
    assert_eq!(peer.deliver(1, 0, "m1"), DeliveryAction::Skip);
    assert_eq!(peer.prefix, "");
    assert_eq!(peer.deliver(2, 0, "m1"), WRITE);
}

#[test]
fn unsettled_max_limits_topic_deliveries_and_not_queue_deliveries() {
    let mut peer = Peer::limited(|options| options.unsettled_max = 2);
    peer.send(
        "SUBSCRIBE id:1 destination:/topic/a ack:client\nSUBSCRIBE id:2 destination:/queue/a ack:client",
    )
    .take();
    for (id, delivery) in [("m1", WRITE), ("m2", WRITE), ("m3", DeliveryAction::UnsettledCountExceeded)] {
        assert_eq!(peer.deliver(1, 0, id), delivery, "{id}");
    }
    assert_eq!(peer.prefix, "");
    peer.send("ACK id:s1-1-0").expect("");
    assert_eq!(peer.deliver(1, 0, "m3"), WRITE);
    for tag in 1..=3 {
        assert_eq!(peer.deliver(2, tag, "m"), WRITE);
    }
}

#[test]
fn unsettled_topic_deliveries_of_all_subscriptions_are_limited_together() {
    let mut peer = Peer::limited(|options| options.subscription_bytes_max = 16 * 1024);
    for id in 1..=10 {
        peer.send(&format!("SUBSCRIBE id:{id} destination:/topic/a ack:client")).take();
    }
    let delivered = (0..10_000).take_while(|n| peer.deliver(1 + n % 10, 0, "m") == WRITE).count();
    assert!((200..1000).contains(&delivered), "{delivered}");
    assert_eq!(peer.deliver(1, 0, "m"), DeliveryAction::UnsettledBytesExceeded);
    assert_eq!(peer.session.unsettled(), delivered);
    assert_eq!(peer.deliver(2, 1, "m"), WRITE, "the limit does not apply to queue deliveries");
    assert_eq!(peer.session.unsettled(), delivered + 1);
}

#[test]
fn unsubscribe_releases_the_memory_charged_for_subscription_ids() {
    let mut peer = Peer::connected(Version::V1_2);
    assert_eq!(peer.session.subscription_bytes(), 0);
    for id in 0..100 {
        peer.send(&format!("SUBSCRIBE id:{id}-{} destination:/topic/a", "x".repeat(900))).take();
    }
    let bytes = peer.session.subscription_bytes();
    assert!((100 * 1024..150 * 1024).contains(&bytes), "{bytes}");
    for id in 0..100 {
        peer.send(&format!("UNSUBSCRIBE id:{id}-{}", "x".repeat(900))).take();
    }
    assert!(peer.session.subscription_bytes() < 10_000, "{}", peer.session.subscription_bytes());
}

#[test]
fn id_length_is_limited() {
    for frame in [
        "SUBSCRIBE id:12345 destination:/topic/a",
        "BEGIN transaction:12345",
        "SEND destination:/topic/a receipt:12345",
        "DISCONNECT receipt:12345",
    ] {
        let mut peer = Peer::limited(|options| options.id_bytes_max = 4);
        peer.send("SUBSCRIBE id:1234 destination:/topic/a\nBEGIN transaction:1234 receipt:1234").take();
        peer.send(frame).expect_limit("id-bytes-max", "id too long");
    }
}

#[test]
fn subscriptions_are_limited() {
    let mut peer = Peer::limited(|options| options.subscriptions_max = 2);
    peer.send("SUBSCRIBE id:1 destination:/topic/a\nSUBSCRIBE id:2 destination:/topic/a\nUNSUBSCRIBE id:1");
    peer.send("SUBSCRIBE id:3 destination:/topic/a").take();
    peer.send("SUBSCRIBE id:4 destination:/topic/a")
        .expect_limit("subscriptions-max", "too many subscriptions");
}

#[test]
fn many_subscriptions_are_found_by_id_and_by_key() {
    let mut peer = Peer::connected(Version::V1_2);
    let mut keys = std::collections::BTreeMap::new();
    for key in 1..=300_u32 {
        let id = format!("{}", key.wrapping_mul(7919) % 1009);
        peer.send(&format!("SUBSCRIBE id:{id} destination:/topic/a")).take();
        keys.insert(id, key);
        if key % 3 == 0 {
            let (id, key) = keys.pop_first().expect("two of three subscriptions remain");
            peer.send(&format!("UNSUBSCRIBE id:{id}")).expect(&format!("unsubscribe {key}"));
            assert_eq!(peer.deliver(key, 0, "m"), DeliveryAction::Skip);
        }
    }
    for (id, key) in keys {
        assert_eq!(peer.deliver(key, 0, "m"), WRITE);
        assert_eq!(peer.prefix, format!("MESSAGE subscription:{id}"));
    }
}

#[test]
fn idle_session_with_one_subscription_takes_little_memory() {
    // Heap memory in addition to the session: a list with one subscription, one key, and two short texts.
    let heap = size_of::<super::subscriptions::SessionSubscription>() + size_of::<Key>() + 2 * 40;
    assert!(size_of::<Session>() + heap < 700, "{} + {heap}", size_of::<Session>());
}
