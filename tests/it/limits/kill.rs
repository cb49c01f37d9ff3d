//! A client may disconnect at any step. The broker then releases all resources of the client.

use crate::support::client::publish;
use crate::support::websocket::{FIN, TEXT, head, upgrade};
use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A conversation that uses every resource a session can hold.
const STEPS: &[fn(&mut Client)] = &[
    |client| client.send("CONN"),
    |client| {
        client.send("ECT\naccept-version:1.2\nhost:a\n\n\0");
        client.expect("CONNECTED", &[], "");
    },
    |client| client.subscribe("t", "/topic/a", "ack:client\n"),
    |client| client.subscribe("w", "/topic/a.#", ""),
    |client| client.subscribe("q", "/queue/a", "ack:client-individual\n"),
    |client| client.subscribe("x", "/temp-queue/x", ""),
    |client| {
        client.send("SEND\ndestination:/topic/a\n\nhi\0");
        let mut got = [client.message().0, client.message().0];
        got.sort();
        assert_eq!(got, ["t", "w"]);
    },
    |client| {
        client.send("SEND\ndestination:/queue/a\nreply-to:/temp-queue/y\n\nhi\0");
        assert_eq!(client.message().0, "q");
    },
    |client| {
        client.send("SEND\ndestination:/temp-queue/x\n\nhi\0");
        assert_eq!(client.message().0, "x");
    },
    |client| client.done("BEGIN\ntransaction:t\nreceipt:done\n\n\0"),
    |client| client.done("SEND\ndestination:/queue/a\ntransaction:t\nreceipt:done\n\nparked\0"),
    |client| client.send("SEND\ndestination:/queue/b\ncontent-length:100000\n\nbegun"),
];

/// Gauges that must return to zero. Another client drains the queue's messages first.
const GAUGES: &[&str] = &[
    "subscriptions",
    "topics",
    "transactions",
    "queue_messages",
    "queue_bytes",
    "queues",
    "outbound_queue_bytes",
    "memory_used_bytes",
];

/// Methods to end a connection without DISCONNECT.
const ENDINGS: [fn(Client); 2] = [Client::reset, drop];

#[track_caller]
fn assert_nothing_is_left(broker: &Broker) {
    broker.wait_for_metric("connections", 0);
    for gauge in GAUGES {
        broker.wait_for_metric(gauge, 0);
    }
}

/// Runs the first `steps` steps, ends the connection with `leave`, and asserts that nothing is left.
fn leave_after(broker: &Broker, wire: Wire, steps: usize, leave: fn(Client)) {
    let mut client = broker.open(wire);
    for step in &STEPS[..steps] {
        step(&mut client);
    }
    leave(client);
    broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
    if broker.metric("queue_messages") > 0 {
        let mut successor = broker.connect(Wire::Tcp);
        successor.subscribe("1", "/queue/a", "");
        successor.expect("MESSAGE", &[("redelivered", "true")], "hi");
        successor.disconnect();
    }
    assert_nothing_is_left(broker);
}

on_each_wire! {
    fn a_client_that_is_reset_leaves_nothing_behind(wire: Wire) {
        let broker = Broker::start(&[]);
        for steps in 0..=STEPS.len() {
            leave_after(&broker, wire, steps, Client::reset);
        }
        broker.assert_serves();
    }

    fn a_client_that_closes_leaves_nothing_behind(wire: Wire) {
        let broker = Broker::start(&[]);
        for steps in 0..=STEPS.len() {
            leave_after(&broker, wire, steps, drop);
        }
        broker.assert_serves();
    }

    fn a_publisher_may_disconnect_while_it_waits_for_a_receiver(wire: Wire) {
        const OUTBOUND_QUEUE_BYTES: i64 = 256 << 10;
        let flags =
            ["--outbound-queue-bytes-max=256KiB", "--frame-bytes-max=64KiB", "--slow-consumer-grace=5s", "--stall-timeout=1h"];
        let body = "x".repeat(20_000);
        for leave in ENDINGS {
            let broker = Broker::start(&flags);
            let mut stalled = broker.connect(wire);
            stalled.subscribe("1", "/topic/a", "");
            let mut publisher = broker.connect(wire);
            publisher.subscribe("1", "/topic/b", "");
            publisher.subscribe("2", "/temp-queue/b", "");
            publisher.done("BEGIN\ntransaction:t\nreceipt:done\n\n\0");
            publisher.done("SEND\ndestination:/queue/b\ntransaction:t\nreceipt:done\n\nparked\0");
            // Publishes until the broker no longer reads the publisher's frames.
            let frame = format!("SEND\ndestination:/topic/a\nreceipt:more\n\n{body}\0");
            let is_far_behind = || broker.metric("outbound_queue_bytes") > OUTBOUND_QUEUE_BYTES / 2 - (16 << 10);
            loop {
                publisher.send(&frame);
                let answer = loop {
                    // Until the receiver is far behind, a missing RECEIPT only means that the machine is busy.
                    match publisher.event_within(Duration::from_millis(300)) {
                        None if !is_far_behind() => {}
                        answer => break answer,
                    }
                };
                match answer {
                    Some(Event::Frame(frame)) => assert_eq!(frame.command, "RECEIPT", "{frame:?}"),
                    Some(other) => panic!("{other:?}"),
                    None => break,
                }
            }
            leave(publisher);
            broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", wire.label()), 1);
            broker.wait_for_metric("subscriptions", 1);
            broker.wait_for_metric("transactions", 0);
            leave(stalled);
            assert_nothing_is_left(&broker);
            assert_eq!(broker.metric("connections_closed_total{reason=\"peer-left\"}"), 2);
            broker.assert_serves();
        }
    }

    fn a_receiver_may_disconnect_while_a_message_is_partly_written(wire: Wire) {
        const BODY_BYTES: usize = 30 << 20;
        let body = "x".repeat(BODY_BYTES);
        for leave in ENDINGS {
            let flags = ["--frame-bytes-max=32MiB", "--ws-message-bytes-max=32MiB", "--outbound-queue-bytes-max=64MiB"];
            let broker = Broker::start(&flags);
            let mut receiver = broker.connect(wire);
            receiver.subscribe("t", "/topic/a", "");
            receiver.subscribe("q", "/queue/a", "");
            publish(&broker, "/queue/a", &body);
            publish(&broker, "/topic/a", "behind it");
            broker.wait_for_metric_where("sent_bytes_total", |sent| sent > 10_000);
            assert_eq!(broker.metric("deliveries_total"), 1, "the second message waits behind the first");
            leave(receiver);
            broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
            assert!(broker.metric("sent_bytes_total") < BODY_BYTES as i64, "the message must be only partly written");
            assert_eq!(broker.metric("queue_messages"), 1, "a partly written message must stay in the queue");
            let mut successor = broker.connect(wire);
            successor.subscribe("q", "/queue/a", "");
            let (_, received) = successor.message();
            assert!(received == body, "{} bytes arrived", received.len());
            successor.disconnect();
            assert_nothing_is_left(&broker);
        }
    }
}

#[test]
fn a_client_may_disconnect_within_a_websocket_frame() {
    let send = b"SEND\ndestination:/queue/a\n\nhi\0";
    let mask = [0; 4];
    // The client disconnects within the head of a WebSocket frame, within the mask, at the start of the payload, within
    // the payload, or between two frames of a message.
    let whole = [&head(FIN | TEXT, 1000, true)[..], &mask, send].concat();
    let fragment = [&head(TEXT, 5, true)[..], &mask, &send[..5]].concat();
    let parts = [&whole[..1], &whole[..3], &whole[..6], &whole[..8], &whole[..20], &fragment];
    for leave in ENDINGS {
        let broker = Broker::start(&[]);
        for part in parts {
            let mut client = broker.connect(Wire::WebSocket);
            client.subscribe("1", "/topic/a", "");
            client.write_bytes(part);
            leave(client);
            assert_nothing_is_left(&broker);
        }
        assert_eq!(broker.metric("messages_published_total"), 0);
        broker.assert_serves();
    }
}

#[test]
fn a_client_may_disconnect_within_an_upgrade() {
    let request = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    // There are fewer permits than clients that disconnect, so the test fails if permits are not released. (A request
    // for `/metrics` needs a permit, too.)
    let broker = Broker::start(&["--connections-max", "8"]);
    let leaves: [fn(TcpStream); 3] = [
        |stream| Client::new(Wire::WebSocket, stream).reset(),
        |stream| stream.shutdown(Shutdown::Write).expect("a socket can be shut down"),
        drop,
    ];
    // With the last length the client sends the whole request, but does not wait for the answer.
    for length in [0, 1, 3, 20, 60, request.len() - 1, request.len()] {
        for leave in leaves {
            let mut stream = TcpStream::connect(broker.http).expect("the HTTP port accepts");
            stream.write_all(&request.as_bytes()[..length]).expect("a request can be sent");
            leave(stream);
        }
    }
    assert_nothing_is_left(&broker);
    while upgrade(broker.http, "/ws", None).1.status != 101 {}
    assert_nothing_is_left(&broker);
    broker.assert_serves();
}
