//! SIGTERM: everybody is told, and the process ends in time with 0.

use crate::support::client::publish;
use crate::support::{Broker, Event, HANG_TIMEOUT, Wire};
use rustix::process::Signal;
use std::net::TcpStream;
use std::time::Duration;

const SOON: Duration = HANG_TIMEOUT;

#[test]
fn tcp_is_closed_without_an_error_frame_and_websocket_with_1001_and_the_exit_code_is_0() {
    let mut broker = Broker::start(&["--drain-time", "5s"]);
    let mut tcp = broker.connect(Wire::Tcp);
    let mut websocket = broker.connect(Wire::WebSocket);
    tcp.subscribe("1", "/topic/a", "");
    websocket.subscribe("1", "/topic/a", "");
    broker.terminate();
    // A FIN, not a RST.
    assert_eq!(tcp.event(), Event::End);
    assert_eq!(websocket.event(), Event::Close(Some(1001)));
    drop((tcp, websocket));
    assert_eq!(broker.exit_status(SOON).code(), Some(0));
}

#[test]
fn shutdown_error_tells_tcp_clients_with_an_error_frame_and_others_with_1001() {
    let mut broker = Broker::start(&["--drain-time", "5s", "--shutdown-error"]);
    let mut tcp = broker.connect(Wire::Tcp);
    let mut websocket = broker.connect(Wire::WebSocket);
    broker.terminate();
    tcp.expect("ERROR", &[("message", "shutting down")], "");
    assert_eq!(tcp.event(), Event::End);
    assert_eq!(websocket.event(), Event::Close(Some(1001)));
    drop((tcp, websocket));
    assert_eq!(broker.exit_status(SOON).code(), Some(0));
}

#[test]
fn the_listeners_are_closed() {
    let mut broker = Broker::start(&[]);
    broker.terminate();
    assert!(broker.exit_status(SOON).success());
    for address in [broker.tcp, broker.http] {
        assert!(TcpStream::connect(address).is_err(), "{address} still accepts");
    }
}

#[test]
fn a_client_that_does_not_leave_does_not_hold_it_up() {
    let mut broker = Broker::start(&["--drain-time", "300ms"]);
    let clients = Wire::ALL.map(|wire| broker.connect(wire));
    let silent = Wire::ALL.map(|wire| broker.open(wire));
    let stalled = broker.connect(Wire::Tcp);
    broker.terminate();
    assert_eq!(broker.exit_status(SOON).code(), Some(0));
    drop((clients, silent, stalled));
}

#[test]
fn what_was_receipted_is_delivered_before_the_end() {
    let mut broker = Broker::start(&[]);
    let mut subscriber = broker.connect(Wire::Tcp);
    subscriber.subscribe("1", "/topic/a", "");
    let mut publisher = broker.connect(Wire::Tcp);
    for number in 0..100 {
        publisher.publish("/topic/a", &number.to_string());
    }
    broker.terminate();
    for number in 0..100 {
        subscriber.expect("MESSAGE", &[], &number.to_string());
    }
    assert_eq!(subscriber.event(), Event::End);
    drop((subscriber, publisher));
    assert_eq!(broker.exit_status(SOON).code(), Some(0));
}

#[test]
fn a_second_signal_stops_at_once_with_128_and_its_number() {
    for (first, second, code) in [
        (Signal::TERM, Signal::TERM, 143),
        (Signal::TERM, Signal::INT, 130),
        (Signal::INT, Signal::TERM, 143),
    ] {
        let mut broker = Broker::start(&["--drain-time", "1h", "--linger", "1h", "--stall-timeout", "1h"]);
        // More than the sockets between hold waits for a client that does not read: the drain goes on.
        let mut stalled = broker.connect(Wire::Tcp);
        stalled.subscribe("1", "/queue/a", "");
        let body = "x".repeat(500_000);
        for _ in 0..30 {
            publish(&broker, "/queue/a", &body);
        }
        broker.signal(first);
        broker.log_line(|line| line.contains("a second signal stops at once"));
        broker.log_line(|line| line.contains("shutting down"));
        broker.signal(second);
        assert_eq!(broker.exit_status(SOON).code(), Some(code), "{first:?}, then {second:?}");
        broker.log_line(|line| line.contains("stopped at once"));
        drop(stalled);
    }
}

#[test]
fn a_second_signal_logs_the_number_of_queue_messages_that_are_lost() {
    let broker = Broker::start(&["--drain-time", "1h", "--linger", "1h"]);
    for destination in ["/queue/a", "/queue/b", "/queue/b", "/topic/c"] {
        publish(&broker, destination, "hello");
    }
    // A client that does not close its socket holds up the stop for `linger`.
    let client = broker.connect(Wire::Tcp);
    broker.signal(Signal::TERM);
    broker.log_line(|line| line.contains("shutting down"));
    broker.signal(Signal::TERM);
    let line = broker.log_line(|line| line.contains("discarding"));
    assert!(line.contains(" WARN ") && line.ends_with("messages=3"), "{line}");
    drop(client);
}

#[test]
fn who_is_cut_at_the_end_of_the_drain_has_its_line_in_the_log() {
    let broker = Broker::start(&["--drain-time", "300ms"]);
    let clients = Wire::ALL.map(|wire| broker.connect(wire));
    let log = broker.whole_log();
    drop(clients);
    for wire in Wire::ALL {
        let of_wire = format!("transport=\"{}\"", wire.label());
        let of_wire = |line: &&str| line.contains("connection closed") && line.contains(&of_wire);
        let lines: Vec<_> = log.lines().filter(of_wire).collect();
        assert!(matches!(lines[..], [line] if line.contains("reason=\"shutdown\"")), "{wire:?}:\n{log}");
    }
}

#[test]
fn who_stalls_through_the_drain_has_its_line_in_the_log() {
    let broker = Broker::start(&["--drain-time", "300ms"]);
    let mut stalled = broker.connect(Wire::Tcp);
    stalled.subscribe("1", "/queue/a", "");
    let body = "x".repeat(500_000);
    for _ in 0..30 {
        publish(&broker, "/queue/a", &body);
    }
    broker.until("connections_closed_total", 30);
    let log = broker.whole_log();
    drop(stalled);
    assert_eq!(log.matches("connection closed").count(), 31, "{log}");
}

#[test]
fn the_log_says_at_a_stop_how_many_queue_messages_are_discarded() {
    let broker = Broker::start(&["--drain-time", "300ms"]);
    let mut consumer = broker.connect(Wire::Tcp);
    consumer.subscribe("1", "/queue/a", "ack:client\n");
    for destination in ["/queue/a", "/queue/b", "/queue/b", "/topic/c"] {
        publish(&broker, destination, "hello");
    }
    consumer.expect("MESSAGE", &[], "hello");
    let log = broker.whole_log();
    drop(consumer);
    let line = log.lines().find(|line| line.contains("discarding")).unwrap_or_default();
    assert!(line.contains(" WARN ") && line.ends_with("messages=3"), "one was given to a consumer: {log}");
    let nothing = Broker::start(&["--drain-time", "300ms"]).whole_log();
    assert!(!nothing.contains("discarding"), "{nothing}");
}
