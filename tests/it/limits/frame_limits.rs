//! Limits: a client that reaches a limit gets a clear error, the limit is counted under the name of its option, and
//! other clients are not affected.

use crate::support::http::exchange;
use crate::support::websocket::upgrade;
use crate::support::{Broker, Client, Event, HANG_TIMEOUT, Wire, on_each_wire};
use std::time::{Duration, Instant};

/// Starts a broker with `--option value` and lets a connected client reach the limit. Asserts that an ERROR names the
/// option, that the limit is counted, and that a bystander receives nothing.
#[track_caller]
fn assert_limit(wire: Wire, option: &str, value: &str, provoke: impl FnOnce(&mut Client)) {
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

/// Returns the name of the metric that counts the connections closed for `reason`.
fn closed_for(reason: &str) -> String {
    format!("connections_closed_total{{reason=\"{reason}\"}}")
}

on_each_wire! {
    fn frame_bytes_max(wire: Wire) {
        assert_limit(wire, "frame-bytes-max", "64KiB", |client| {
            client.publish("/topic/a", &"x".repeat(60_000));
            client.send(&format!("SEND\ndestination:/topic/a\n\n{}\0", "x".repeat(70_000)));
        });
    }

    fn frame_bytes_max_applies_to_content_length_before_the_body_arrives(wire: Wire) {
        assert_limit(wire, "frame-bytes-max", "64KiB", |client| {
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
        assert_limit(wire, "header-count-max", "10", |client| {
            client.done(&format!("SEND\ndestination:/topic/a\nreceipt:done\n{}\n\0", "a:b\n".repeat(8)));
            client.send(&format!("SEND\ndestination:/topic/a\n{}\n\0", "a:b\n".repeat(10)));
        });
    }

    fn header_bytes_max(wire: Wire) {
        assert_limit(wire, "header-bytes-max", "256", |client| {
            client.done(&format!("SEND\ndestination:/topic/a\nreceipt:done\na:{}\n\n\0", "b".repeat(254)));
            client.send(&format!("SEND\ndestination:/topic/a\na:{}\n\n\0", "b".repeat(255)));
        });
    }

    fn destination_bytes_max(wire: Wire) {
        assert_limit(wire, "destination-bytes-max", "100", |client| {
            client.publish(&format!("/topic/{}", "a".repeat(93)), "hi");
            client.send(&format!("SEND\ndestination:/topic/{}\n\nhi\0", "a".repeat(94)));
        });
    }

    fn subscriptions_max(wire: Wire) {
        assert_limit(wire, "subscriptions-max", "3", |client| {
            for id in ["1", "2", "3"] {
                client.subscribe(id, "/topic/a", "");
            }
            client.send("SUBSCRIBE\nid:4\ndestination:/topic/a\n\n\0");
        });
    }

    fn transactions_max(wire: Wire) {
        assert_limit(wire, "transactions-max", "2", |client| {
            client.done("BEGIN\ntransaction:1\n\n\0BEGIN\ntransaction:2\nreceipt:done\n\n\0");
            client.send("BEGIN\ntransaction:3\n\n\0");
        });
    }

    fn transaction_frames_max(wire: Wire) {
        assert_limit(wire, "transaction-frames-max", "3", |client| {
            client.send("BEGIN\ntransaction:1\n\n\0");
            for _ in 0..4 {
                client.send("SEND\ndestination:/topic/a\ntransaction:1\n\nhi\0");
            }
        });
    }

    fn transaction_bytes_max(wire: Wire) {
        assert_limit(wire, "transaction-bytes-max", "64KiB", |client| {
            client.send("BEGIN\ntransaction:1\n\n\0BEGIN\ntransaction:2\n\n\0");
            let body = "x".repeat(40_000);
            for transaction in [1, 2] {
                client.send(&format!("SEND\ndestination:/topic/a\ntransaction:{transaction}\n\n{body}\0"));
            }
        });
    }

    fn temp_queues_max(wire: Wire) {
        assert_limit(wire, "temp-queues-max", "2", |client| {
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
        let error = client.expect_error(&[("message", "slow consumer")]);
        let text = "5 deliveries of the subscription \"1\" wait for an ACK or NACK. The limit unsettled-max is reached.";
        assert!(error.text().starts_with(text) && error.text().contains("unsettled-max"), "{error:?}");
        assert!(!error.text().contains("Read faster"), "{error:?}");
        assert_eq!(broker.limit_hits("unsettled-max"), 1);
        drop(client);
        broker.wait_for_metric(&closed_for("slow-consumer"), 1);
        bystander.expect_quiet();
    }

    fn frames_per_second_max(wire: Wire) {
        assert_limit(wire, "frames-per-second-max", "50", |client| {
            client.send(&"SEND\ndestination:/topic/a\n\n\0".repeat(500));
        });
    }

    fn queues_max(wire: Wire) {
        assert_limit(wire, "queues-max", "2", |client| {
            client.publish("/queue/a", "hi");
            client.publish("/queue/b", "hi");
            client.send("SEND\ndestination:/queue/c\n\nhi\0");
        });
    }

    fn queue_messages_max(wire: Wire) {
        assert_limit(wire, "queue-messages-max", "3", |client| {
            for _ in 0..3 {
                client.publish("/queue/a", "hi");
            }
            client.publish("/queue/b", "another queue");
            client.send("SEND\ndestination:/queue/a\n\nhi\0");
        });
    }

    fn queue_bytes_max(wire: Wire) {
        assert_limit(wire, "queue-bytes-max", "64KiB", |client| {
            client.publish("/queue/a", &"x".repeat(40_000));
            client.send(&format!("SEND\ndestination:/queue/a\n\n{}\0", "x".repeat(40_000)));
        });
    }

    fn connections_max(wire: Wire) {
        let broker = Broker::start(&["--connections-max", "2"]);
        let mut clients = [broker.connect(wire), broker.connect(wire)];
        assert_rejected(&broker, wire, "connections-max");
        for client in &mut clients {
            client.expect_quiet();
        }
        let [first, second] = clients;
        first.disconnect();
        // The broker logs this line after it has released the permit. The test does not wait for a metric instead,
        // because a request for `/metrics` would need a permit itself.
        broker.log_line(|line| line.contains("connection closed") && line.contains("disconnected"));
        broker.connect(wire).disconnect();
        second.disconnect();
    }

    fn connections_per_address_max(wire: Wire) {
        let broker = Broker::start(&["--connections-per-address-max", "1"]);
        let mut client = broker.connect(wire);
        assert_rejected(&broker, wire, "connections-per-address-max");
        client.expect_quiet();
    }

    fn connect_silence(wire: Wire) {
        let broker = Broker::start(&["--connect-silence", "2s"]);
        let mut bystander = broker.connect(wire);
        for sent in ["", "CONN"] {
            let started = Instant::now();
            let mut silent = broker.open(wire);
            if !sent.is_empty() {
                silent.send(sent);
            }
            let error = silent.expect_error(&[("message", "connect timeout")]);
            let took = started.elapsed();
            assert!(took >= Duration::from_millis(1900), "{took:?}");
            assert!(error.text().contains("connect-silence"), "{error:?}");
        }
        broker.wait_for_metric(&closed_for("connect-timeout"), 2);
        bystander.expect_quiet();
    }

    fn connect_timeout(wire: Wire) {
        let broker = Broker::start(&["--connect-timeout", "3s", "--connect-silence", "2s"]);
        let started = Instant::now();
        let mut client = broker.open(wire);
        let first = loop {
            assert!(started.elapsed() < HANG_TIMEOUT, "line ends keep a connection open without CONNECT");
            let _ = client.try_send_bytes(b"\n");
            if let Some(event) = client.event_within(Duration::from_millis(20)) {
                break event;
            }
        };
        assert!(started.elapsed() >= Duration::from_millis(2900), "{:?}", started.elapsed());
        let Event::Frame(error) = first else { panic!("expected an ERROR, got {first:?}") };
        assert_eq!((error.command.as_str(), error.expect_header("message")), ("ERROR", "connect timeout"));
        assert!(error.text().contains("connect-timeout"), "{error:?}");
        client.expect_end();
        drop(client);
        broker.wait_for_metric(&closed_for("connect-timeout"), 1);
    }

    fn stall_timeout(wire: Wire) {
        let broker = Broker::start(&["--stall-timeout=300ms", "--linger=1m"]);
        let mut bystander = broker.connect(wire);
        let mut stalled = broker.connect(wire);
        stalled.subscribe("1", "/queue/a", "");
        let body = "x".repeat(500_000);
        for _ in 0..30 {
            bystander.publish("/queue/a", &body);
        }
        broker.wait_for_metric("limit_hits_total{limit=\"stall-timeout\"}", 1);
        let error = loop {
            match stalled.event() {
                Event::Frame(frame) if frame.command == "ERROR" => break frame,
                Event::Frame(frame) => assert_eq!(frame.command, "MESSAGE"),
                other => panic!("expected an ERROR, got {other:?}"),
            }
        };
        let text = "This client read nothing for 300ms (stall-timeout). At least ";
        assert!(error.text().starts_with(text), "{error:?}");
        drop(stalled);
        let line = broker.log_line(|line| line.contains("connection closed"));
        assert!(line.contains("reason=\"slow-consumer\" limit=\"stall-timeout\""), "{line}");
        broker.wait_for_metric(&closed_for("slow-consumer"), 1);
        broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", wire.label()), 1);
        assert_eq!(broker.metric("connections_closed_total"), 1);
        bystander.expect_quiet();
        assert!(broker.metric("queue_messages") > 0, "messages that the client did not read must stay in the queue");
    }

    fn linger(wire: Wire) {
        let broker = Broker::start(&["--linger", "300ms"]);
        let mut client = broker.connect(wire);
        client.send("HELLO\n\n\0");
        client.frame("ERROR");
        let started = Instant::now();
        while client.try_send_bytes(b"\n").is_ok() {
            assert!(started.elapsed() < HANG_TIMEOUT, "the connection is not closed after an ERROR");
        }
        broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
    }
}

/// Asserts that the broker rejects a connection above the limit at once (over HTTP with status 503), and that the
/// answer and the log name the option.
#[track_caller]
fn assert_rejected(broker: &Broker, wire: Wire, option: &str) {
    let text = match wire {
        Wire::Tcp => broker.open(wire).expect_error(&[("message", "too many connections")]).text(),
        Wire::WebSocket => {
            let (_, response) = upgrade(broker.http, "/ws", None);
            assert_eq!(response.status, 503);
            response.body
        }
    };
    // Compares whole words, because the name of an option may be a part of another name.
    let words: Vec<_> = text.split([' ', '.', ',']).collect();
    assert!(words.contains(&option), "{option} in {text}");
    assert_eq!(broker.limit_hits(option), 1);
    let line = broker.log_line(|line| line.contains("rejected a client"));
    assert!(line.contains(&format!("limit=\"{option}\"")) && line.contains("address=127.0.0.1"), "{line}");
    assert!(line.contains("find the clients that use so many connections"), "{line}");
}

#[test]
fn an_http_request_head_that_is_too_large_is_rejected() {
    let broker = Broker::start(&[]);
    let request = format!("GET /health HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let (_, response) = exchange(broker.http, request.as_bytes());
    assert!([400, 431].contains(&response.status), "{response:?}");
    broker.assert_serves();
}

#[test]
fn the_other_options_are_accepted() {
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
