//! Tests of the end of a session: DISCONNECT, rejections, malformed frames and limits.

use super::*;

#[test]
fn disconnect_closes_the_session() {
    for version in VERSIONS {
        Peer::connected(version).send("DISCONNECT").expect("close Disconnected");
        let mut peer = Peer::connected(version);
        peer.send("DISCONNECT receipt:r").expect("RECEIPT receipt-id:r\nclose Disconnected");
    }
}

#[test]
fn closed_session_ignores_all_input() {
    for end in ["DISCONNECT", "SEND", "BEGIN"] {
        let mut peer = Peer::connected(Version::V1_2);
        peer.send("SUBSCRIBE id:1 destination:/topic/a\nSEND destination:/topic/a receipt:r").complete("r");
        peer.send(end).take();
        peer.send("SEND destination:/topic/a\nDISCONNECT receipt:x\nCONNECT\nBEGIN transaction:t receipt:y");
        peer.raw("no frame\n\n\0")
            .complete("r")
            .accept_login(None)
            .close_with_error(None, Closing::Shutdown)
            .after(1 << 30);
        peer.expect("");
        assert_eq!(peer.deliver(1, 0, "m"), DeliveryAction::Skip);
        assert_eq!(peer.until_deadline(), None);
    }
}

#[test]
fn rejection_by_the_broker_sends_error_and_closes() {
    for (receipt, suffix) in [(None, ""), (Some("r"), " receipt r")] {
        for closing in [Closing::Shutdown, Closing::SlowConsumer(Slowness::Overflow), Closing::Rejected] {
            let mut peer = Peer::connected(Version::V1_2);
            peer.close_with_error(receipt, closing).expect(&format!("ERROR no{suffix}\nclose {closing:?}"));
            assert_eq!(peer.detail, "Because.");
            peer.close_with_error(receipt, closing).expect("");
        }
    }
    let mut peer = Peer::connected(Version::V1_2);
    peer.close_with_error(None, Closing::Limit(Limit::Queues))
        .expect("limit queues-max\nERROR no\nclose Limit(\"queues-max\")");
    Peer::new(Options::default())
        .close_with_error(None, Closing::Shutdown)
        .expect("ERROR no\nclose Shutdown");
}

#[test]
fn malformed_frame_closes_the_session_with_an_error() {
    for version in VERSIONS {
        let mut peer = Peer::connected(version);
        peer.raw("NOTHING\nreceipt:r\n\n\0");
        let lines = peer.take();
        assert!(lines[0].starts_with("ERROR ") && lines[0].ends_with(" receipt r"), "{lines:?}");
        assert_eq!(lines[1..], ["close Rejected"]);
    }
}

#[test]
fn frame_over_a_limit_is_counted() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.raw(&format!("SEND\nreceipt:r\nx:{}\n\n\0", "x".repeat(1 << 17)));
    let lines = peer.take();
    assert_eq!((&*lines[0], &*lines[2]), ("limit header-bytes-max", "close Limit(\"header-bytes-max\")"));
    assert!(lines[1].starts_with("ERROR "), "{lines:?}");
}

#[test]
fn frame_rate_is_limited() {
    let mut peer = Peer::limited(|options| options.frames_per_second_max = 4);
    let frame = "SEND destination:/topic/a";
    for _ in 0..4 {
        peer.send(frame).expect("publish /topic/a");
    }
    for _ in 0..100 {
        peer.after(250).send(frame).expect("publish /topic/a");
    }
    peer.after(10_000);
    for _ in 0..4 {
        peer.send(frame).expect("publish /topic/a");
    }
    peer.after(249).send(frame).expect_limit("frames-per-second-max", "too many frames");
}

#[test]
fn every_value_of_frames_per_second_max_is_accepted() {
    for rate in [0, 1, u32::MAX] {
        let mut peer = Peer::limited(|options| options.frames_per_second_max = rate);
        peer.send("BEGIN transaction:t").expect("");
    }
    let mut peer = Peer::limited(|options| options.frames_per_second_max = 0);
    for _ in 0..10_000 {
        peer.send("SEND destination:/topic/a");
    }
    assert_eq!(peer.take().len(), 10_000);
}

#[test]
fn defaults_are_those_that_are_documented() {
    let options = Options::default();
    assert_eq!(options.server, "stompbox/0.1.0");
    assert_eq!(options.heart_beat.to_string(), "10000,10000");
    assert_eq!((options.transactions_max, options.transaction_bytes_max), (100, 4 << 20));
}
