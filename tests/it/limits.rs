//! Every limit has a clear outcome, is counted by its option's name, and disturbs nobody else.

use crate::support::http::exchange;
use crate::support::websocket::upgrade;
use crate::support::{Broker, Client, Event, PATIENCE, Wire, on_each_wire};
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Starts a broker with `--option value`, lets a connected client meet the limit, and asserts an ERROR that
/// names the option, the counter, and that a bystander notices nothing.
#[track_caller]
fn meet(wire: Wire, option: &str, value: &str, provoke: impl FnOnce(&mut Client)) {
    let broker = Broker::start(&[&format!("--{option}"), value]);
    let mut bystander = broker.connect(wire);
    let mut client = broker.connect(wire);
    assert_eq!(broker.limit_hits(option), 0);
    provoke(&mut client);
    let error = client.expect_error(&[]);
    assert!(error.text().contains(option), "an ERROR names the option {option}: {}", error.text());
    assert_eq!(broker.limit_hits(option), 1);
    bystander.expect_quiet();
    bystander.disconnect();
}

/// Waits for the end of a connection, with an ERROR before it or without; how long it took.
#[track_caller]
fn ended(client: &mut Client) -> Duration {
    let started = Instant::now();
    while !matches!(client.event(), Event::End | Event::Reset) {}
    started.elapsed()
}

on_each_wire! {
    fn frame_bytes_max(wire: Wire) {
        meet(wire, "frame-bytes-max", "64KiB", |client| {
            client.publish("/topic/a", &"x".repeat(60_000));
            client.send(&format!("SEND\ndestination:/topic/a\n\n{}\0", "x".repeat(70_000)));
        });
    }

    fn frame_bytes_max_is_judged_by_content_length_before_the_body_comes(wire: Wire) {
        meet(wire, "frame-bytes-max", "64KiB", |client| {
            client.send("SEND\ndestination:/topic/a\ncontent-length:1000000000000\n\nbegun");
        });
    }

    fn connect_frame_bytes_max(wire: Wire) {
        let option = "connect-frame-bytes-max";
        let broker = Broker::start(&["--connect-frame-bytes-max", "1KiB"]);
        let mut client = broker.open(wire);
        client.send(&format!("CONNECT\naccept-version:1.2\nhost:{}\n\n\0", "a".repeat(2000)));
        let error = client.expect_error(&[]);
        assert!(error.text().contains(option), "{error:?}");
        assert_eq!(broker.limit_hits(option), 1);
        let mut client = broker.connect(wire);
        client.publish("/topic/a", &"x".repeat(2000));
        client.disconnect();
    }

    fn header_count_max(wire: Wire) {
        meet(wire, "header-count-max", "10", |client| {
            client.done(&format!("SEND\ndestination:/topic/a\nreceipt:done\n{}\n\0", "a:b\n".repeat(8)));
            client.send(&format!("SEND\ndestination:/topic/a\n{}\n\0", "a:b\n".repeat(10)));
        });
    }

    fn header_bytes_max(wire: Wire) {
        meet(wire, "header-bytes-max", "256", |client| {
            client.done(&format!("SEND\ndestination:/topic/a\nreceipt:done\na:{}\n\n\0", "b".repeat(254)));
            client.send(&format!("SEND\ndestination:/topic/a\na:{}\n\n\0", "b".repeat(255)));
        });
    }

    fn destination_bytes_max(wire: Wire) {
        meet(wire, "destination-bytes-max", "100", |client| {
            client.publish(&format!("/topic/{}", "a".repeat(93)), "hi");
            client.send(&format!("SEND\ndestination:/topic/{}\n\nhi\0", "a".repeat(94)));
        });
    }

    fn subscriptions_max(wire: Wire) {
        meet(wire, "subscriptions-max", "3", |client| {
            for id in ["1", "2", "3"] {
                client.subscribe(id, "/topic/a", "");
            }
            client.send("SUBSCRIBE\nid:4\ndestination:/topic/a\n\n\0");
        });
    }

    fn transactions_max(wire: Wire) {
        meet(wire, "transactions-max", "2", |client| {
            client.done("BEGIN\ntransaction:1\n\n\0BEGIN\ntransaction:2\nreceipt:done\n\n\0");
            client.send("BEGIN\ntransaction:3\n\n\0");
        });
    }

    fn transaction_frames_max(wire: Wire) {
        meet(wire, "transaction-frames-max", "3", |client| {
            client.send("BEGIN\ntransaction:1\n\n\0");
            for _ in 0..4 {
                client.send("SEND\ndestination:/topic/a\ntransaction:1\n\nhi\0");
            }
        });
    }

    fn transaction_bytes_max(wire: Wire) {
        meet(wire, "transaction-bytes-max", "64KiB", |client| {
            client.send("BEGIN\ntransaction:1\n\n\0BEGIN\ntransaction:2\n\n\0");
            let body = "x".repeat(40_000);
            for transaction in [1, 2] {
                client.send(&format!("SEND\ndestination:/topic/a\ntransaction:{transaction}\n\n{body}\0"));
            }
        });
    }

    fn temp_queues_max(wire: Wire) {
        meet(wire, "temp-queues-max", "2", |client| {
            for name in ["a", "b"] {
                client.subscribe(name, &format!("/temp-queue/{name}"), "");
            }
            client.send("SUBSCRIBE\nid:c\ndestination:/temp-queue/c\n\n\0");
        });
    }

    fn unsettled_max(wire: Wire) {
        let broker = Broker::start(&["--unsettled-max", "5"]);
        let mut bystander = broker.connect(wire);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "ack:client-individual\n");
        for number in 0..5 {
            bystander.publish("/topic/a", &number.to_string());
            client.expect("MESSAGE", &[], &number.to_string());
        }
        bystander.publish("/topic/a", "one too many");
        client.expect_error(&[]);
        assert_eq!(broker.limit_hits("unsettled-max"), 1);
        bystander.expect_quiet();
    }

    fn frames_per_second_max(wire: Wire) {
        meet(wire, "frames-per-second-max", "50", |client| {
            client.send(&"SEND\ndestination:/topic/a\n\n\0".repeat(500));
        });
    }

    fn queues_max(wire: Wire) {
        meet(wire, "queues-max", "2", |client| {
            client.publish("/queue/a", "hi");
            client.publish("/queue/b", "hi");
            client.send("SEND\ndestination:/queue/c\n\nhi\0");
        });
    }

    fn queue_messages_max(wire: Wire) {
        meet(wire, "queue-messages-max", "3", |client| {
            for _ in 0..3 {
                client.publish("/queue/a", "hi");
            }
            client.publish("/queue/b", "another queue");
            client.send("SEND\ndestination:/queue/a\n\nhi\0");
        });
    }

    fn queue_bytes_max(wire: Wire) {
        meet(wire, "queue-bytes-max", "64KiB", |client| {
            client.publish("/queue/a", &"x".repeat(40_000));
            client.send(&format!("SEND\ndestination:/queue/a\n\n{}\0", "x".repeat(40_000)));
        });
    }

    fn memory_bytes_max(wire: Wire) {
        let broker = Broker::start(&["--memory-bytes-max", "1MiB", "--frame-bytes-max", "128KiB"]);
        let mut bystander = broker.connect(wire);
        bystander.subscribe("1", "/topic/a", "");
        let mut client = broker.connect(wire);
        let body = "x".repeat(100_000);
        for number in 0..20 {
            client.send(&format!("SEND\ndestination:/queue/{number}\nreceipt:{number}\n\n{body}\0"));
        }
        let refused = loop {
            let Event::Frame(frame) = client.event() else { continue };
            if frame.command == "ERROR" {
                break frame;
            }
        };
        assert!(refused.text().contains("memory-bytes-max"), "{refused:?}");
        client.expect_end();
        assert_eq!(broker.limit_hits("memory-bytes-max"), 1);
        // Who only consumes goes on, and makes room.
        let mut consumer = broker.connect(wire);
        for number in 0..3 {
            consumer.subscribe(&number.to_string(), &format!("/queue/{number}"), "");
            consumer.expect("MESSAGE", &[], &body);
        }
        bystander.expect_quiet();
    }

    fn connections_max(wire: Wire) {
        let broker = Broker::start(&["--connections-max", "2"]);
        let mut clients = [broker.connect(wire), broker.connect(wire)];
        refused(&broker, wire);
        assert_eq!(broker.limit_hits("connections-max"), 1);
        for client in &mut clients {
            client.expect_quiet();
        }
        let [first, second] = clients;
        first.disconnect();
        broker.until(&format!("connections{{transport=\"{}\"}}", wire.label()), 1);
        broker.connect(wire).disconnect();
        second.disconnect();
    }

    fn connections_per_address_max(wire: Wire) {
        let broker = Broker::start(&["--connections-per-address-max", "1"]);
        let mut client = broker.connect(wire);
        refused(&broker, wire);
        assert_eq!(broker.limit_hits("connections-per-address-max"), 1);
        client.expect_quiet();
    }

    fn connect_silence(wire: Wire) {
        let broker = Broker::start(&["--connect-silence", "300ms"]);
        let mut bystander = broker.connect(wire);
        let mut silent = broker.open(wire);
        let took = ended(&mut silent);
        assert!(took >= Duration::from_millis(250), "{took:?}");
        let mut begun = broker.open(wire);
        begun.send("CONN");
        ended(&mut begun);
        bystander.expect_quiet();
    }

    fn connect_timeout(wire: Wire) {
        let broker = Broker::start(&["--connect-timeout", "500ms", "--connect-silence", "400ms"]);
        let mut client = broker.open(wire);
        let started = Instant::now();
        while client.event_within(Duration::from_millis(20)).is_none() {
            assert!(started.elapsed() < PATIENCE, "line ends keep a connection open without CONNECT");
            let _ = client.try_raw(b"\n");
        }
        assert!(started.elapsed() >= Duration::from_millis(450), "{:?}", started.elapsed());
    }

    fn stall_timeout(wire: Wire) {
        let broker = Broker::start(&["--stall-timeout", "300ms"]);
        let mut bystander = broker.connect(wire);
        let mut stalled = broker.connect(wire);
        stalled.subscribe("1", "/queue/a", "");
        let body = "x".repeat(500_000);
        for _ in 0..30 {
            bystander.publish("/queue/a", &body);
        }
        broker.until(&format!("connections{{transport=\"{}\"}}", wire.label()), 1);
        bystander.expect_quiet();
        broker.until_holds("queue_messages", |left| left > 0);
    }

    fn linger(wire: Wire) {
        let broker = Broker::start(&["--linger", "300ms"]);
        let mut client = broker.connect(wire);
        client.send("HELLO\n\n\0");
        client.frame("ERROR");
        let started = Instant::now();
        while client.try_raw(b"\n").is_ok() {
            assert!(started.elapsed() < PATIENCE, "the connection is not closed behind an ERROR");
        }
        broker.until(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
    }
}

/// A connection too many: turned away at once, over HTTP with 503.
#[track_caller]
fn refused(broker: &Broker, wire: Wire) {
    if wire == Wire::WebSocket {
        assert_eq!(upgrade(broker.http, "/ws", None).1.status, 503);
        return;
    }
    let mut stream = TcpStream::connect(broker.tcp).expect("the kernel accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    assert!(!said.contains("CONNECTED"), "{said}");
}

#[test]
fn a_head_that_is_too_large_is_refused_by_http() {
    let broker = Broker::start(&[]);
    let request = format!("GET /health HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let (_, response) = exchange(broker.http, request.as_bytes());
    assert!([400, 431].contains(&response.status), "{response:?}");
    broker.assert_serves();
}

#[test]
fn the_other_options_are_taken() {
    let broker = Broker::start(&[
        "--auth-timeout=5s",
        "--auth-waiting-max=10",
        "--auth-parallel-max=1",
        "--redelivery-backoff=1ms",
        "--redelivery-backoff-max=10ms",
        "--tcp-user-timeout=5s",
        "--tcp-keepalive=5s",
        "--backlog=16",
        "--worker-threads=2",
        "--log=debug",
        "--log-format=json",
        "--ws-path=/ws",
        "--drain-time=1s",
    ]);
    broker.assert_serves();
    let log = broker.log();
    assert!(log.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{log}");
}
