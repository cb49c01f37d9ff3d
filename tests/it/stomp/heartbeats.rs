//! Heartbeats, observed from both sides, with an interval of half a second.

use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use std::time::{Duration, Instant};

const FLAGS: &[&str] = &["--heart-beat", "500,500"];
const INTERVAL: Duration = Duration::from_millis(500);
/// Intervals for tests in which the client must send heartbeats in time. A heartbeat may be late by one more interval,
/// which is enough on a busy machine.
const LONG_INTERVALS: &str = "2000,2000";

#[track_caller]
fn connect(broker: &Broker, wire: Wire, heart_beat: &str) -> Client {
    connect_with(broker, wire, heart_beat, "500,500")
}

#[track_caller]
fn connect_with(broker: &Broker, wire: Wire, heart_beat: &str, of_broker: &str) -> Client {
    let mut client = broker.open(wire);
    client.send(&format!("CONNECT\naccept-version:1.2\nhost:a\nheart-beat:{heart_beat}\n\n\0"));
    client.expect("CONNECTED", &[("heart-beat", of_broker)], "");
    client
}

on_each_wire! {
    fn the_broker_sends_heartbeats_at_the_negotiated_interval(wire: Wire) {
        let broker = Broker::start(FLAGS);
        let started = Instant::now();
        let mut client = connect(&broker, wire, "0,500");
        for _ in 0..3 {
            assert_eq!(client.event(), Event::HeartBeat);
        }
        let took = started.elapsed();
        assert!(took > INTERVAL, "three heartbeats in {took:?}");
    }

    fn a_client_that_sends_heartbeats_stays_connected(wire: Wire) {
        let broker = Broker::start(&["--heart-beat", LONG_INTERVALS]);
        let mut client = connect_with(&broker, wire, LONG_INTERVALS, LONG_INTERVALS);
        for _ in 0..4 {
            assert_eq!(client.event(), Event::HeartBeat);
            client.send("\n");
        }
        client.disconnect();
    }

    fn a_client_that_sends_only_heartbeats_stays_connected_and_receives_nothing(wire: Wire) {
        let broker = Broker::start(&["--heart-beat", LONG_INTERVALS]);
        let mut client = connect_with(&broker, wire, "2000,0", LONG_INTERVALS);
        for interval in 0..12 {
            assert_eq!(client.event_within(INTERVAL), None, "in interval {interval}");
            client.send("\n");
        }
        client.publish("/topic/a", "still there");
        client.disconnect();
        assert_eq!(broker.metric("connections_closed_total{reason=\"heart-beat-lost\"}"), 0);
    }

    fn a_client_that_stops_sending_heartbeats_is_closed_as_heart_beat_lost(wire: Wire) {
        let broker = Broker::start(&["--heart-beat", LONG_INTERVALS]);
        let mut client = connect_with(&broker, wire, LONG_INTERVALS, LONG_INTERVALS);
        assert_eq!(client.event(), Event::HeartBeat);
        let started = Instant::now();
        client.send("\n");
        while !matches!(client.event(), Event::End | Event::Reset) {}
        let took = started.elapsed();
        assert!(took >= Duration::from_secs(4), "closed after {took:?}");
        drop(client);
        broker.wait_for_metric("connections_closed_total{reason=\"heart-beat-lost\"}", 1);
        assert_eq!(broker.metric("connections_closed_total"), 1);
    }

    fn a_client_that_never_sends_heartbeats_is_closed(wire: Wire) {
        let broker = Broker::start(FLAGS);
        let started = Instant::now();
        let mut client = connect(&broker, wire, "500,0");
        while !matches!(client.event(), Event::End | Event::Reset) {}
        let took = started.elapsed();
        assert!(took >= 2 * INTERVAL, "closed after {took:?}");
        broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
    }

    fn a_client_that_asks_for_no_heartbeats_gets_none(wire: Wire) {
        let broker = Broker::start(FLAGS);
        let mut client = connect(&broker, wire, "0,0");
        assert_eq!(client.event_within(3 * INTERVAL), None);
        client.disconnect();
    }

    fn a_malformed_heart_beat_header_is_rejected(wire: Wire) {
        let broker = Broker::start(FLAGS);
        for value in ["1000", "a,b", "-1,0", "1,2,3", ""] {
            let mut client = broker.open(wire);
            client.send(&format!("CONNECT\naccept-version:1.2\nhost:a\nheart-beat:{value}\n\n\0"));
            client.expect_error(&[]);
        }
    }

    fn version_1_0_has_no_heartbeats(wire: Wire) {
        let broker = Broker::start(FLAGS);
        let mut client = broker.open(wire);
        client.send("CONNECT\nheart-beat:nonsense\n\n\0");
        client.expect("CONNECTED", &[("version", "1.0")], "");
        assert_eq!(client.event_within(3 * INTERVAL), None);
        client.disconnect();
    }
}
