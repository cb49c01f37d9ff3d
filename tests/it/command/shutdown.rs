//! Shutdown on SIGTERM: all clients are notified, and the process exits in time with code 0.

use crate::support::client::publish;
use crate::support::{Broker, Event, HANG_TIMEOUT, Wire};
use rustix::process::Signal;
use std::net::TcpStream;
use std::time::Duration;

const EXIT_TIMEOUT: Duration = HANG_TIMEOUT;

#[test]
fn shutdown_closes_tcp_without_an_error_frame_and_websocket_with_1001() {
    let mut broker = Broker::start(&["--drain-time", "5s"]);
    let mut tcp = broker.connect(Wire::Tcp);
    let mut websocket = broker.connect(Wire::WebSocket);
    tcp.subscribe("1", "/topic/a", "");
    websocket.subscribe("1", "/topic/a", "");
    broker.terminate();
    // The broker ends the stream with FIN, not with a reset.
    assert_eq!(tcp.event(), Event::End);
    assert_eq!(websocket.event(), Event::Close(Some(1001)));
    drop((tcp, websocket));
    assert_eq!(broker.exit_status(EXIT_TIMEOUT).code(), Some(0));
}

#[test]
fn shutdown_error_sends_an_error_frame_over_tcp_and_1001_over_websocket() {
    let mut broker = Broker::start(&["--drain-time", "5s", "--shutdown-error"]);
    let mut tcp = broker.connect(Wire::Tcp);
    let mut websocket = broker.connect(Wire::WebSocket);
    broker.terminate();
    tcp.expect("ERROR", &[("message", "shutting down")], "");
    assert_eq!(tcp.event(), Event::End);
    assert_eq!(websocket.event(), Event::Close(Some(1001)));
    drop((tcp, websocket));
    assert_eq!(broker.exit_status(EXIT_TIMEOUT).code(), Some(0));
}

#[test]
fn shutdown_closes_the_listeners() {
    let mut broker = Broker::start(&[]);
    broker.terminate();
    assert!(broker.exit_status(EXIT_TIMEOUT).success());
    for address in [broker.tcp, broker.http] {
        assert!(TcpStream::connect(address).is_err(), "{address} still accepts");
    }
}

#[test]
fn a_client_that_does_not_disconnect_does_not_delay_the_shutdown() {
    let mut broker = Broker::start(&["--drain-time", "300ms"]);
    let clients = Wire::ALL.map(|wire| broker.connect(wire));
    let silent = Wire::ALL.map(|wire| broker.open(wire));
    let stalled = broker.connect(Wire::Tcp);
    broker.terminate();
    assert_eq!(broker.exit_status(EXIT_TIMEOUT).code(), Some(0));
    drop((clients, silent, stalled));
}

#[test]
fn receipted_messages_are_delivered_before_the_shutdown_ends() {
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
    assert_eq!(broker.exit_status(EXIT_TIMEOUT).code(), Some(0));
}

#[test]
fn a_second_signal_exits_at_once_with_128_plus_its_number() {
    for (first, second, code) in [
        (Signal::TERM, Signal::TERM, 143),
        (Signal::TERM, Signal::INT, 130),
        (Signal::INT, Signal::TERM, 143),
    ] {
        let mut broker = Broker::start(&["--drain-time", "1h", "--linger", "1h", "--stall-timeout", "1h"]);
        // The client does not read, and more data is queued than the socket buffers can hold. Therefore the broker
        // cannot finish draining.
        let mut stalled = broker.connect(Wire::Tcp);
        stalled.subscribe("1", "/queue/a", "");
        let body = "x".repeat(500_000);
        for _ in 0..30 {
            publish(&broker, "/queue/a", &body);
        }
        broker.signal(first);
        broker.log_line(|line| line.contains("A second signal stops the broker at once"));
        broker.log_line(|line| line.contains("shutting down"));
        broker.signal(second);
        assert_eq!(broker.exit_status(EXIT_TIMEOUT).code(), Some(code), "{first:?}, then {second:?}");
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
    // A client that does not close its socket delays the shutdown for `linger`.
    let client = broker.connect(Wire::Tcp);
    broker.signal(Signal::TERM);
    broker.log_line(|line| line.contains("shutting down"));
    broker.signal(Signal::TERM);
    let line = broker.log_line(|line| line.contains("discarding"));
    assert!(line.contains(" WARN ") && line.ends_with("messages=3"), "{line}");
    drop(client);
}

#[test]
fn connections_cut_at_the_end_of_the_drain_are_logged() {
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
fn a_connection_that_stalls_during_the_drain_is_logged() {
    let broker = Broker::start(&["--drain-time", "300ms"]);
    let mut stalled = broker.connect(Wire::Tcp);
    stalled.subscribe("1", "/queue/a", "");
    let body = "x".repeat(500_000);
    for _ in 0..30 {
        publish(&broker, "/queue/a", &body);
    }
    broker.wait_for_metric("connections_closed_total", 30);
    let log = broker.whole_log();
    drop(stalled);
    assert_eq!(log.matches("connection closed").count(), 31, "{log}");
}

#[test]
fn the_log_states_at_shutdown_how_many_queue_messages_are_discarded() {
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
    assert!(
        line.contains(" WARN ") && line.ends_with("messages=3"),
        "the consumer has received the other: {log}"
    );
    let nothing = Broker::start(&["--drain-time", "300ms"]).whole_log();
    assert!(!nothing.contains("discarding"), "{nothing}");
}
