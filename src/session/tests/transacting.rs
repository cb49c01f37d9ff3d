//! Tests of transactions.

use super::*;
use bytes::Bytes;

/// Returns a peer with three subscriptions, each with three deliveries. The first one is to a queue, in client mode,
/// with the key 1 and the tags 10, 11, 12. The second one is to a queue, in client-individual mode, with the key 2 and
/// the tags 20, 21, 22. The third one is to a topic, in client mode, with the key 3.
fn delivered(options: Options) -> Peer {
    let mut peer = Peer::connected_with(Version::V1_2, options);
    peer.send(
        "SUBSCRIBE id:c destination:/queue/a ack:client
         SUBSCRIBE id:i destination:/queue/a ack:client-individual
         SUBSCRIBE id:t destination:/topic/a ack:client",
    );
    peer.take();
    for key in 1..=3 {
        for number in 0..3 {
            let tag = if key == 3 { 0 } else { Tag::from(key) * 10 + number };
            peer.deliver(key, tag, &format!("{key}.{number}"));
        }
    }
    peer
}

/// Returns the same peer as [`delivered`], with the open transaction `t`.
fn with_transaction() -> Peer {
    let mut peer = delivered(Options::default());
    peer.send("BEGIN transaction:t receipt:b").expect("RECEIPT receipt-id:b");
    peer
}

#[test]
fn commit_applies_all_steps_in_order() {
    for version in VERSIONS {
        let mut peer = Peer::connected(version);
        peer.send("BEGIN transaction:t").expect("");
        peer.send("SEND destination:/queue/a transaction:t receipt:1 = x").expect("RECEIPT receipt-id:1");
        peer.send("SEND destination:/queue/b = now").expect("publish /queue/b = now");
        peer.send("SEND destination:/topic/a transaction:t = y").expect("");
        peer.send("COMMIT transaction:t receipt:c");
        peer.expect("commit [publish /queue/a = x; publish /topic/a = y] receipt c");
        peer.complete("c").expect("RECEIPT receipt-id:c");
    }
}

#[test]
fn frame_in_a_transaction_is_stored_unchanged() {
    let mut peer = Peer::connected(Version::V1_1);
    peer.send("BEGIN transaction:t")
        .raw("SEND\ndestination:/topic/a\ntransaction:t\nx\\c:\\\\ \nx\\c:2\n\nbody\0");
    peer.send("COMMIT transaction:t");
    let Some(Action::Commit { steps, .. }) = peer.actions.pop() else { panic!("no COMMIT") };
    let [Step::Publish(publish)] = &steps[..] else { panic!("{steps:?}") };
    let lines = publish.headers.iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
    let expected = [("destination", "/topic/a"), ("transaction", "t"), ("x:", "\\ "), ("x:", "2")];
    assert_eq!(lines.collect::<Vec<_>>(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(&*publish.body, b"body");
}

#[test]
fn frame_in_a_transaction_does_not_keep_the_read_buffer_alive() {
    let mut peer = Peer::connected(Version::V1_2);
    let read = Bytes::from(vec![b'x'; 1 << 16]);
    let headers = [("destination", "/topic/a"), ("transaction", "t")].into_iter().collect();
    let frame = Frame { command: Command::Send, headers, body: read.slice(..1) };
    peer.send("BEGIN transaction:t");
    peer.session.handle(frame, peer.now, &mut peer.actions);
    assert!(read.is_unique());
    peer.send("COMMIT transaction:t").expect("commit [publish /topic/a = x]");
}

#[test]
fn acks_in_a_transaction_take_effect_at_commit() {
    let mut peer = with_transaction();
    peer.send("ACK id:s1-1-1 transaction:t receipt:a").expect("RECEIPT receipt-id:a");
    peer.send(
        "SEND destination:/queue/b transaction:t = x\nNACK id:s1-2-0 transaction:t\nACK id:s1-3-1 transaction:t",
    );
    peer.expect("").send("COMMIT transaction:t");
    peer.expect("commit [accept 1 [10, 11]; publish /queue/b = x; return 2 [20]]");
    peer.send("ACK id:s1-1-2\nACK id:s1-2-1\nACK id:s1-3-2").expect("accept 1 [12]\naccept 2 [21]");
    peer.send("ACK id:s1-1-0").expect_error("nothing to settle");
}

#[test]
fn delivery_acknowledged_in_a_transaction_rejects_other_acks() {
    for frame in [
        "ACK id:s1-1-1",
        "NACK id:s1-1-0",
        "ACK id:s1-1-1 transaction:t",
        "ACK id:s1-1-0 transaction:u",
        "ACK message-id:1.1",
    ] {
        let mut peer = with_transaction();
        peer.send("BEGIN transaction:u\nACK id:s1-1-1 transaction:t").expect("");
        peer.send(frame).expect_error("already in a transaction");
    }
}

#[test]
fn cumulative_ack_skips_deliveries_reserved_by_a_transaction() {
    let mut peer = with_transaction();
    peer.send("NACK id:s1-1-0 transaction:t\nACK id:s1-1-2").expect("accept 1 [11, 12]");
    peer.send("COMMIT transaction:t").expect("commit [return 1 [10]]");
    let mut peer = with_transaction();
    peer.send(
        "BEGIN transaction:u\nNACK id:s1-1-0 transaction:t\nACK id:s1-1-1 transaction:u\nCOMMIT transaction:u",
    );
    peer.expect("commit [accept 1 [11]]");
    peer.send("ABORT transaction:t\nACK id:s1-1-2").expect("accept 1 [10, 12]");
}

#[test]
fn deliveries_released_by_abort_are_settled_by_the_next_cumulative_ack() {
    let mut peer = with_transaction();
    peer.deliver(1, 13, "1.3");
    peer.send("BEGIN transaction:u\nBEGIN transaction:v");
    peer.send("ACK id:s1-1-0 transaction:t\nACK id:s1-1-1 transaction:u\nACK id:s1-1-2 transaction:v")
        .expect("");
    peer.send("ABORT transaction:u\nACK id:s1-1-3").expect("accept 1 [11, 13]");
    peer.send("ABORT transaction:v\nABORT transaction:t\nNACK id:s1-1-2").expect("return 1 [10, 12]");
}

#[test]
fn skipped_deliveries_keep_their_order_after_abort() {
    let mut peer = with_transaction();
    peer.send("NACK id:s1-1-1 transaction:t\nACK id:s1-1-2").expect("accept 1 [12]");
    peer.send("ABORT transaction:t\nACK id:s1-1-0\nNACK id:s1-1-1").expect("accept 1 [10]\nreturn 1 [11]");
}

#[test]
fn abort_makes_deliveries_unsettled_again_in_their_original_order() {
    let mut peer = with_transaction();
    peer.send(
        "ACK id:s1-1-1 transaction:t\nNACK id:s1-2-1 transaction:t\nSEND destination:/queue/b transaction:t = x",
    );
    peer.send("ABORT transaction:t receipt:a").expect("RECEIPT receipt-id:a");
    assert_eq!((peer.session.parked_bytes(), peer.session.open_transactions()), (0, 0));
    assert_eq!(peer.session.transaction_bytes(), 0);
    peer.send("ACK id:s1-2-1\nACK id:s1-1-0\nNACK id:s1-1-2")
        .expect("accept 2 [21]\naccept 1 [10]\nreturn 1 [11, 12]");
    peer.send("ABORT transaction:t").expect_error("unknown transaction");
}

#[test]
fn empty_transaction_can_be_committed() {
    with_transaction().send("COMMIT transaction:t receipt:c").expect("commit [] receipt c");
    with_transaction().send("ACK id:s1-3-0 transaction:t\nCOMMIT transaction:t").expect("commit []");
}

#[test]
fn transaction_name_can_be_reused_after_abort_or_commit() {
    let mut peer = with_transaction();
    peer.send("ACK id:s1-1-0 transaction:t\nABORT transaction:t\nBEGIN transaction:t").expect("");
    peer.send("ACK id:s1-1-0 transaction:t\nCOMMIT transaction:t\nBEGIN transaction:t")
        .expect("commit [accept 1 [10]]");
    peer.send("COMMIT transaction:t").expect("commit []");
}

#[test]
fn invalid_transaction_frames_are_rejected() {
    let table = [
        ("BEGIN", "missing header"),
        ("COMMIT", "missing header"),
        ("ABORT", "missing header"),
        ("BEGIN transaction:t", "duplicate transaction"),
        ("COMMIT transaction:u", "unknown transaction"),
        ("ABORT transaction:u", "unknown transaction"),
        ("SEND destination:/queue/a transaction:u", "unknown transaction"),
        ("ACK id:s1-1-0 transaction:u", "unknown transaction"),
        ("ACK id:s1-1-9 transaction:t", "nothing to settle"),
        ("SEND destination:nowhere transaction:t", "invalid destination"),
    ];
    for (frame, summary) in table {
        with_transaction().send(frame).expect_error(summary);
    }
}

#[test]
fn commit_with_acks_of_an_ended_subscription_is_rejected() {
    let mut peer = with_transaction();
    peer.send(
        "BEGIN transaction:u\nACK id:s1-1-0 transaction:t\nACK id:s1-2-0 transaction:u\nUNSUBSCRIBE id:c",
    );
    peer.expect("unsubscribe 1");
    peer.send("COMMIT transaction:u").expect("commit [accept 2 [20]]");
    peer.send("SEND destination:/queue/a transaction:t\nCOMMIT transaction:t");
    peer.expect_error("transaction cannot be committed");
    assert!(peer.detail.contains("subscription \"c\""), "{}", peer.detail);
}

#[test]
fn transaction_with_acks_of_an_ended_subscription_can_be_aborted() {
    let mut peer = with_transaction();
    peer.send("ACK id:s1-1-0 transaction:t\nUNSUBSCRIBE id:c\nABORT transaction:t").expect("unsubscribe 1");
}

#[test]
fn ack_in_auto_mode_is_ignored_in_a_transaction() {
    let mut peer = Peer::connected(Version::V1_1);
    peer.send("SUBSCRIBE id:a destination:/queue/a\nBEGIN transaction:t").take();
    peer.deliver(1, 5, "m");
    peer.send("ACK message-id:m subscription:a transaction:t\nCOMMIT transaction:t").expect("commit []");
    peer.send("ACK message-id:m subscription:a transaction:t").expect_error("unknown transaction");
}

#[test]
fn open_transactions_are_limited() {
    let mut peer = Peer::limited(|options| options.transactions_max = 2);
    peer.send("BEGIN transaction:1\nBEGIN transaction:2\nABORT transaction:1\nBEGIN transaction:3")
        .expect("");
    assert_eq!(peer.session.open_transactions(), 2);
    peer.send("BEGIN transaction:4").expect_limit("transactions-max", "too many transactions");
}

#[test]
fn frames_per_transaction_are_limited() {
    let mut peer = delivered(Options { transaction_frames_max: 2, ..Options::default() });
    peer.send("BEGIN transaction:t\nBEGIN transaction:u");
    peer.send(
        "SEND destination:/queue/a transaction:t\nACK id:s1-1-0 transaction:t\nACK id:s1-1-1 transaction:u",
    )
    .expect("");
    peer.send("SEND destination:/queue/a transaction:t");
    peer.expect_limit("transaction-frames-max", "transaction too long");
}

#[test]
fn bytes_of_all_transactions_are_limited_together() {
    // The header lines `destination:/queue/a` and `transaction:t` take 35 bytes with their line ends.
    let mut peer = Peer::limited(|options| options.transaction_bytes_max = 100);
    peer.send("BEGIN transaction:t\nBEGIN transaction:u");
    peer.send(
        "SEND destination:/queue/a transaction:t = 12345\nSEND destination:/queue/a transaction:u = 12345",
    );
    peer.expect("").send("COMMIT transaction:t").take();
    peer.send("SEND destination:/queue/a transaction:u = 123456789012345678901234").expect("");
    assert!(peer.session.parked_bytes() >= 99);
    peer.send("BEGIN transaction:t").expect("");
    peer.send("SEND destination:/queue/a transaction:t");
    peer.expect_limit("transaction-bytes-max", "transactions too large");
    assert_eq!((peer.session.parked_bytes(), peer.session.open_transactions()), (0, 0));
}

#[test]
fn disconnect_aborts_all_transactions() {
    let mut peer = with_transaction();
    peer.send("ACK id:s1-1-0 transaction:t\nSEND destination:/queue/a transaction:t\nDISCONNECT")
        .expect("close Disconnected");
    assert_eq!((peer.session.parked_bytes(), peer.session.open_transactions()), (0, 0));
}

#[test]
fn open_transaction_holds_the_bytes_that_begin_bytes_returns() {
    let mut peer = Peer::connected(Version::V1_2);
    for name in ["t".to_owned(), "x".repeat(1000)] {
        let headers = [("transaction", &*name)].into_iter().collect();
        let begin = Frame { command: Command::Begin, headers, body: Bytes::new() };
        let before = peer.session.transaction_bytes();
        let bytes = Session::begin_bytes(&begin);
        assert!(bytes > name.len());
        peer.session.handle(begin, peer.now, &mut peer.actions);
        assert_eq!(peer.session.transaction_bytes(), before + bytes);
    }
    peer.send("COMMIT transaction:t").take();
    peer.send(&format!("ABORT transaction:{}", "x".repeat(1000))).expect("");
    assert_eq!(peer.session.transaction_bytes(), 0);
}
