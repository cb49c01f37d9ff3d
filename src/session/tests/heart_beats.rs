//! Tests of heartbeats and of their intervals.

use super::*;

/// Returns a connected peer that sent the header `heart-beat:PEERS`, on a broker with the option `heart-beat` set to
/// `own`.
fn with_heartbeats(own: (u32, u32), version: &str, peers: &str) -> Peer {
    let heart_beat = HeartBeat { can: own.0, wants: own.1 };
    let mut peer = Peer::new(Options { heart_beat, ..Options::default() });
    peer.send(&format!("CONNECT accept-version:{version} heart-beat:{peers}"));
    peer.accept_login(None).take();
    peer
}

#[test]
fn heartbeat_intervals_are_negotiated_in_both_directions() {
    const LONGEST: u64 = u32::MAX as u64;
    // The broker's `heart-beat`, the client's `heart-beat`, and the milliseconds until a heartbeat is sent and until
    // the client is lost.
    let table = [
        ((10_000, 10_000), "0,0", None, None),
        ((10_000, 10_000), "0,10000", Some(8_000), None),
        ((10_000, 10_000), "10000,0", None, Some(20_000)),
        ((10_000, 10_000), "20000,5000", Some(8_000), Some(40_000)),
        ((1_000, 1_000), "5000,30000", Some(24_000), Some(10_000)),
        ((0, 1_000), "1000,1000", None, Some(2_000)),
        ((1_000, 0), "1000,1000", Some(800), None),
        ((0, 0), "1000,1000", None, None),
        ((1, 1), "1,1", Some(400), Some(1_500)),
        ((500, 500), "600,600", Some(480), Some(1_600)),
        ((u32::MAX, u32::MAX), "1,1", Some(LONGEST * 4 / 5), Some(LONGEST * 2)),
        ((500, 500), "4294967295,4294967295", Some(LONGEST * 4 / 5), Some(LONGEST * 2)),
    ];
    for (own, peers, sends, lost) in table {
        let mut peer = with_heartbeats(own, "1.1", peers);
        let due = sends.into_iter().chain(lost).min();
        assert_eq!(peer.until_deadline(), due.map(u128::from), "{own:?} {peers}");
        if let Some(sends) = sends {
            peer.now += Duration::from_millis(sends - 1);
            peer.raw("\n").after(0).expect("").after(1).expect("heart-beat");
        }
        if let Some(lost) = lost {
            peer.raw("\n").after(lost - 1).take();
            peer.after(1);
            assert_eq!(
                peer.take().last().map(String::as_str),
                Some("close HeartbeatLost"),
                "{own:?} {peers}"
            );
        }
    }
}

#[test]
fn connected_announces_intervals_of_at_least_half_a_second() {
    for (own, announced) in [((1, 499), "500,500"), ((0, 501), "0,501"), ((700, 0), "700,0")] {
        let heart_beat = HeartBeat { can: own.0, wants: own.1 };
        let mut peer = Peer::new(Options { heart_beat, ..Options::default() });
        peer.send("CONNECT accept-version:1.2").accept_login(None);
        assert!(peer.take().iter().any(|line| line.ends_with(&format!("heart-beat:{announced}"))));
    }
}

#[test]
fn version_1_0_has_no_heartbeats() {
    for peers in ["1000,1000", "nonsense", "1,2,3"] {
        assert_eq!(with_heartbeats((1_000, 1_000), "1.0", peers).until_deadline(), None, "{peers}");
    }
}

#[test]
fn malformed_heart_beat_header_is_rejected() {
    for value in ["", "1000", "a,b", "1,-1", "1,2,3", "1.5,1"] {
        let mut peer = Peer::new(Options::default());
        peer.send(&format!("CONNECT accept-version:1.2 heart-beat:{value}"));
        peer.expect_error("malformed heart-beat header");
    }
}

#[test]
fn any_output_counts_as_a_heartbeat() {
    let mut peer = with_heartbeats((1_000, 0), "1.2", "0,1000");
    peer.after(700).expect("");
    peer.session.note_output(peer.now);
    assert_eq!(peer.until_deadline(), Some(800));
    peer.after(799).expect("").after(1).expect("heart-beat");
    assert_eq!(peer.until_deadline(), Some(800), "the heartbeat is requested once, not until it is written");
    peer.after(0).expect("");
}

#[test]
fn any_input_counts_as_a_heartbeat() {
    let mut peer = with_heartbeats((0, 1_000), "1.2", "1000,0");
    for _ in 0..10 {
        peer.after(1_999).raw("S").expect("");
    }
    peer.after(2_000).expect("close HeartbeatLost");
    peer.send("SEND destination:/topic/a").after(5_000).expect("");
}

#[test]
fn clock_that_stands_still_or_steps_back_is_tolerated() {
    let mut peer = with_heartbeats((1_000, 1_000), "1.2", "1000,1000");
    let earlier = peer.now - Duration::from_millis(500);
    peer.session.note_input(earlier);
    peer.session.note_output(earlier);
    peer.session.expire(earlier, &mut peer.actions);
    peer.expect("");
    assert_eq!(peer.until_deadline(), Some(800));
}

#[test]
fn connected_of_1_0_has_no_heart_beat_header() {
    for own in [(10_000, 10_000), (0, 0)] {
        let heart_beat = HeartBeat { can: own.0, wants: own.1 };
        let mut peer = Peer::new(Options { heart_beat, ..Options::default() });
        peer.send("CONNECT heart-beat:1000,1000").take();
        peer.accept_login(None);
        peer.expect("CONNECTED version:1.0 session:s1 server:stompbox/0.1.0\nestablished 1.0");
        assert_eq!(peer.until_deadline(), None);
        assert_eq!(peer.session.heartbeat_interval(), None);
    }
}

#[test]
fn client_is_lost_after_the_tolerated_number_of_silent_intervals() {
    for (tolerance, interval, lost) in [
        (1, 10_000, 11_000),
        (2, 10_000, 20_000),
        (7, 10_000, 70_000),
        (1000, u32::MAX, 1000 * u64::from(u32::MAX)),
        (2, 600, 1_600),
    ] {
        let heart_beat = HeartBeat { can: 0, wants: 500 };
        let mut peer =
            Peer::new(Options { heart_beat, heart_beat_tolerance: tolerance, ..Options::default() });
        peer.send(&format!("CONNECT accept-version:1.2 heart-beat:{interval},0")).accept_login(None).take();
        assert_eq!(peer.until_deadline(), Some(u128::from(lost)), "{tolerance} times {interval}");
        peer.after(lost - 1).expect("");
        peer.after(1).expect("close HeartbeatLost");
    }
}
