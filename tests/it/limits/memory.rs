//! The broker-wide memory budget: near the limit publishers are throttled, at the limit new messages are rejected, and
//! memory that consumers free is used again.

use crate::support::http::{Http, Request};
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use std::time::Duration;

/// The smallest value of `memory-bytes-max`.
const LIMIT: i64 = 1 << 20;
/// Number of used bytes at which the broker begins to throttle publishers.
const THROTTLED_FROM: i64 = LIMIT / 8 * 7;
const BODY_BYTES: usize = 100_000;
/// Time after which a missing RECEIPT shows that the publisher is throttled, unless the machine is busy.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(300);

fn start(slow_consumer_grace: &str) -> Broker {
    Broker::start(&[
        "--memory-bytes-max=1MiB",
        "--frame-bytes-max=128KiB",
        "--slow-consumer-grace",
        slow_consumer_grace,
    ])
}

fn body() -> String {
    "x".repeat(BODY_BYTES)
}

/// Returns a SEND to the queue `number` with the receipt id `number`.
fn send_frame(number: usize) -> String {
    format!("SEND\ndestination:/queue/{number}\nreceipt:{number}\n\n{}\0", body())
}

/// Publishes to /queue/0, /queue/1, … until the broker rejects a message and closes the connection. Returns the number
/// of accepted messages.
#[track_caller]
fn fill(broker: &Broker) -> usize {
    let mut client = broker.connect(Wire::Tcp);
    for accepted in 0.. {
        client.send(&send_frame(accepted));
        let Event::Frame(frame) = client.event() else { panic!("expected a frame") };
        if frame.command == "ERROR" {
            assert!(frame.text().contains("memory-bytes-max"), "{frame:?}");
            assert_eq!(frame.expect_header("receipt-id"), accepted.to_string());
            client.expect_end();
            assert!(broker.metric("memory_used_bytes") >= LIMIT);
            return accepted;
        }
        assert_eq!(frame.command, "RECEIPT");
    }
    unreachable!("the loop ends only by return")
}

/// Receives the messages of the first `count` queues.
#[track_caller]
fn drain(client: &mut Client, count: usize) {
    for number in 0..count {
        client.subscribe(&number.to_string(), &format!("/queue/{number}"), "");
        client.expect("MESSAGE", &[], &body());
    }
}

/// Asserts that the client gets an ERROR about the limit, and that both counters have reached `hits`.
#[track_caller]
fn assert_rejected(broker: &Broker, mut client: Client, hits: i64) {
    let error = client.expect_error(&[]);
    assert!(error.text().contains("memory-bytes-max"), "{error:?}");
    drop(client);
    broker.wait_for_metric("limit_hits_total{limit=\"memory-bytes-max\"}", hits);
    broker.wait_for_metric("connections_closed_total{reason=\"limit\"}", hits);
}

/// Options with a memory limit of 8 MiB. A quarter of it ([`SHARE`]) is for unfinished frames, which is enough for
/// three frames of [`UNFINISHED_BYTES`].
const SHARED: &[&str] = &["--memory-bytes-max=8MiB", "--default-permissions=open", "--stall-timeout=1h"];
const SHARE: i64 = 2 << 20;
const UNFINISHED_BYTES: usize = 600_000;
/// Minimum charge for such a frame. Its last 4 KiB may not be charged yet.
const CHARGED_BYTES: usize = UNFINISHED_BYTES - 4096;

/// Returns an unfinished SEND frame.
fn unfinished_send() -> String {
    format!("SEND\ndestination:/queue/a\ncontent-length:700000\n\n{}", "x".repeat(UNFINISHED_BYTES))
}

on_each_wire! {
    fn clients_with_unfinished_frames_are_rejected_and_others_continue(wire: Wire) {
        let broker = Broker::start(SHARED);
        let (mut receiver, mut sender) = (broker.connect(wire), broker.connect(wire));
        receiver.subscribe("1", "/topic/a", "");
        let mut unfinished_clients: Vec<_> = (0..20).map(|_| broker.connect(wire)).collect();
        for (number, unfinished) in unfinished_clients.iter_mut().enumerate() {
            unfinished.send(&unfinished_send());
            if number < 3 {
                let charged = ((number + 1) * CHARGED_BYTES) as i64;
                broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes >= charged);
                continue;
            }
            let error = unfinished.expect_error(&[("message", "memory limit reached")]);
            let text = error.text();
            assert!(text.contains("memory-bytes-max") && text.contains(&format!("is full ({SHARE} bytes")), "{text}");
        }
        assert_eq!(broker.limit_hits("memory-bytes-max"), 17);
        assert!(broker.metric("memory_used_bytes") <= SHARE + SHARE / 4, "{}", broker.metric("memory_used_bytes"));
        for number in 0..5 {
            // Complete frames do not count as unfinished, even if many arrive at once.
            sender.send(&"SEND\ndestination:/topic/b\n\nhi\0".repeat(3000));
            sender.publish("/topic/a", &number.to_string());
            receiver.expect("MESSAGE", &[], &number.to_string());
        }
        broker.connect(wire).publish("/queue/b", "of a client that comes now");
        // A client whose unfinished frame was admitted can finish it.
        unfinished_clients[0].send(&format!("{}\0", "x".repeat(700_000 - UNFINISHED_BYTES)));
        broker.wait_for_metric("queue_messages", 2);
        drop(unfinished_clients);
        broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes < SHARE / 2);
        sender.publish("/queue/a", &"x".repeat(700_000));
    }

    fn a_new_frame_takes_over_the_memory_of_stalled_frames(wire: Wire) {
        let broker = Broker::start(&["--memory-bytes-max=8MiB", "--default-permissions=open"]);
        let mut unfinished_clients: Vec<_> = (0..3).map(|_| broker.connect(wire)).collect();
        for (number, unfinished) in unfinished_clients.iter_mut().enumerate() {
            unfinished.send(&unfinished_send());
            let charged = ((number + 1) * CHARGED_BYTES) as i64;
            broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes >= charged);
        }
        // The broker admits this frame when the unfinished frames have stalled for a tenth of `stall-timeout`. A frame
        // of this size arrives in several reads, so it needs memory.
        let frame = format!("SEND\ndestination:/queue/a\nreceipt:r\n\n{}\0", "x".repeat(700_000));
        let mut rejected = 0;
        loop {
            let mut newcomer = broker.connect(wire);
            let _ = newcomer.try_send_bytes(frame.as_bytes());
            if matches!(newcomer.event(), Event::Frame(frame) if frame.command == "RECEIPT") {
                break;
            }
            rejected += 1;
        }
        let error = unfinished_clients[0].expect_error(&[("message", "memory limit reached")]);
        assert!(error.text().contains("The frame stalled after"), "{error:?}");
        assert!(error.text().contains("memory-bytes-max"), "{error:?}");
        assert_eq!(broker.limit_hits("memory-bytes-max"), rejected + 1);
        broker.log_line(|line| line.contains("rejected the unfinished input of a client: memory-bytes-max"));
        unfinished_clients[1].send(&format!("{}\0", "x".repeat(700_000 - UNFINISHED_BYTES)));
        broker.wait_for_metric("queue_messages", 2);
    }

    fn a_stalled_frame_closes_its_connection(wire: Wire) {
        let broker = Broker::start(&["--stall-timeout=200ms", "--default-permissions=open"]);
        let mut client = broker.connect(wire);
        client.send(&unfinished_send());
        let error = client.expect_error(&[("message", "unfinished frame")]);
        let text = error.text();
        assert!(text.contains("600"), "{text}");
        assert!(text.contains("in the last 0.2 seconds (stall-timeout)"), "{text}");
        assert_eq!(broker.limit_hits("stall-timeout"), 1);
        broker.log_line(|line| line.contains("rejected the unfinished input of a client: stall-timeout"));
        drop(client);
        broker.wait_for_metric("memory_used_bytes", 0);
    }

    fn one_client_may_send_a_frame_above_the_share_for_input(wire: Wire) {
        let broker = Broker::start(&["--memory-bytes-max=1MiB", "--frame-bytes-max=768KiB"]);
        broker.connect(wire).publish("/topic/a", &"x".repeat(700_000));
        broker.wait_for_metric("memory_used_bytes", 0);
    }

    fn near_the_limit_a_publisher_that_has_closed_is_not_throttled(wire: Wire) {
        let broker = start("1h");
        let mut filled = 0;
        while broker.metric("memory_used_bytes") < THROTTLED_FROM {
            broker.connect(wire).publish("/queue/full", &body());
            // The input of the publisher stays charged until its connection has ended.
            broker.wait_for_metric("connections", 0);
            filled += 1;
        }
        let mut publisher = broker.connect(wire);
        publisher.send(&"SEND\ndestination:/queue/a\n\nhi\0".repeat(50));
        publisher.shutdown_write();
        broker.wait_for_metric("queue_messages", filled + 50);
        assert_eq!(broker.limit_hits("memory-bytes-max"), 0);
        broker.wait_for_metric("connections", 0);
    }

    fn at_the_limit_a_send_is_rejected_and_consumers_continue(wire: Wire) {
        let broker = start("50ms");
        let mut bystander = broker.connect(wire);
        bystander.subscribe("1", "/topic/a", "");
        let accepted = fill(&broker);
        assert!((9..=11).contains(&accepted), "{accepted} bodies of {BODY_BYTES} bytes were accepted");
        assert_eq!(broker.metric("queue_messages"), accepted as i64);
        for destination in ["/topic/a", "/queue/0", "/queue/new"] {
            let mut client = broker.connect(wire);
            client.send(&format!("SEND\ndestination:{destination}\n\nhi\0"));
            let error = client.expect_error(&[]);
            assert!(error.text().contains("memory-bytes-max"), "{error:?}");
        }
        assert_eq!(broker.limit_hits("memory-bytes-max"), 4);
        assert_eq!(broker.metric("queue_messages"), accepted as i64);
        let mut consumer = broker.connect(wire);
        drain(&mut consumer, accepted);
        broker.wait_for_metric("queue_messages", 0);
        broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes < THROTTLED_FROM);
        // Memory is available again, and the bystander has received no ERROR.
        bystander.expect_quiet();
        consumer.publish("/topic/a", "accepted again");
        bystander.expect("MESSAGE", &[], "accepted again");
    }

    fn at_the_limit_a_send_within_a_transaction_is_rejected(wire: Wire) {
        let broker = start("50ms");
        let mut client = broker.connect(wire);
        client.done("BEGIN\ntransaction:t\nreceipt:done\n\n\0");
        let accepted = fill(&broker);
        client.send("SEND\ndestination:/queue/t\ntransaction:t\n\nparked\0");
        assert_rejected(&broker, client, 2);
        assert_eq!(broker.metric("queue_messages"), accepted as i64);
        broker.wait_for_metric("transactions", 0);
    }

    fn open_transactions_are_charged(wire: Wire) {
        let broker = start("50ms");
        let mut client = broker.connect(wire);
        client.send("BEGIN\ntransaction:t\n\n\0");
        for _ in 0..12 {
            client.send(&format!("SEND\ndestination:/queue/t\ntransaction:t\n\n{}\0", body()));
        }
        assert_rejected(&broker, client, 1);
        broker.wait_for_metric("memory_used_bytes", 0);
        assert_eq!(broker.metric("messages_published_total"), 0);
    }

    fn at_the_limit_a_commit_is_rejected_as_a_whole(wire: Wire) {
        let broker = start("50ms");
        let mut client = broker.connect(wire);
        client.send("BEGIN\ntransaction:t\n\n\0");
        let parked = "SEND\ndestination:/queue/t\ntransaction:t\nreceipt:done\n\nparked\0";
        client.done(parked);
        client.done(parked);
        let accepted = fill(&broker);
        client.send("COMMIT\ntransaction:t\nreceipt:5\n\n\0");
        assert_rejected(&broker, client, 2);
        assert_eq!(broker.metric("queue_messages"), accepted as i64);
        broker.wait_for_metric("transactions", 0);
    }

    fn at_the_limit_ack_and_nack_are_accepted(wire: Wire) {
        let broker = start("50ms");
        let mut client = broker.connect(wire);
        client.subscribe("1", "/queue/work", "ack:client-individual\n");
        let mut publisher = broker.connect(wire);
        publisher.publish("/queue/work", "one");
        publisher.publish("/queue/work", "two");
        let acks = ["one", "two"]
            .map(|body| client.expect("MESSAGE", &[], body).expect_header("ack").to_string());
        client.done("BEGIN\ntransaction:t\nreceipt:done\n\n\0");
        let accepted = fill(&broker);
        client.done(&format!("ACK\nid:{}\nreceipt:done\n\n\0", acks[0]));
        client.done(&format!("NACK\nid:{}\nreceipt:done\n\n\0", acks[1]));
        client.expect("MESSAGE", &[("redelivered", "true")], "two");
        assert_eq!(broker.metric("queue_messages"), 1 + accepted as i64);
    }

    fn near_the_limit_a_publisher_waits_until_consumers_free_memory(wire: Wire) {
        let broker = start("1h");
        let mut publisher = broker.connect(wire);
        let mut sent = 0;
        let waits_for = loop {
            publisher.send(&send_frame(sent));
            sent += 1;
            let event = loop {
                // Below the threshold, a missing RECEIPT only means that the machine is busy.
                match publisher.event_within(ANSWER_TIMEOUT) {
                    None if broker.metric("memory_used_bytes") < THROTTLED_FROM => {}
                    event => break event,
                }
            };
            let Some(event) = event else { break sent - 1 };
            assert!(matches!(&event, Event::Frame(frame) if frame.command == "RECEIPT"), "{event:?}");
        };
        let held = broker.metric("memory_used_bytes");
        assert!((THROTTLED_FROM..LIMIT).contains(&held), "{held} bytes must be near the limit");
        let mut consumer = broker.connect(wire);
        drain(&mut consumer, waits_for);
        publisher.expect("RECEIPT", &[("receipt-id", &waits_for.to_string())], "");
        for number in sent..sent + 5 {
            publisher.send(&send_frame(number));
            publisher.expect("RECEIPT", &[("receipt-id", &number.to_string())], "");
        }
        assert_eq!(broker.limit_hits("memory-bytes-max"), 0);
        publisher.disconnect();
    }
}

#[test]
fn unfinished_sockjs_bodies_are_rejected_and_others_continue() {
    let broker = Broker::start(SHARED);
    let body = serde_json::to_string(&[unfinished_send()]).expect("JSON");
    let unfinished_clients: Vec<_> = (0..20)
        .map(|number| {
            let mut session = Session::new(broker.http, "/ws", Transport::XhrPolling).opened();
            session.connect("1.2");
            let mut sender = Http::connect(broker.http);
            sender.write_bytes(
                format!(
                    "POST {}/xhr_send HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
                    session.path,
                    body.len() + 1
                )
                .as_bytes(),
            );
            if number < 3 {
                let held = (number + 1) * CHARGED_BYTES;
                broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes >= held as i64);
            } else {
                let rejected = sender.read_response();
                assert_eq!(rejected.status, 503, "{rejected:?}");
                assert!(rejected.body.contains("The limit memory-bytes-max is reached."), "{rejected:?}");
            }
            (session, sender)
        })
        .collect();
    assert!(
        broker.metric("memory_used_bytes") <= SHARE + SHARE / 4,
        "{}",
        broker.metric("memory_used_bytes")
    );
    let mut session = Session::new(broker.http, "/ws", Transport::XhrPolling).opened();
    session.connect("1.2");
    session.done("SEND\ndestination:/queue/a\nreceipt:done\n\nhi\0");
    broker.connect(Wire::Tcp).publish("/queue/a", "hi");
    drop((unfinished_clients, session));
    broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes < SHARE / 4);
}

/// Returns the beginning of a request with a large head.
fn unfinished_head(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {}", "x".repeat(12_000))
}

/// Memory that is charged for a large request head.
const HEAD_BYTES: i64 = 16 << 10;
/// Number of large heads that fit into the memory for request heads, which is an eighth of 1 MiB.
const HEADS: i64 = (1 << 20) / 8 / HEAD_BYTES;

/// Fills the memory for request heads with the beginnings of large heads, each on a connection of its own.
fn hold_large_heads(broker: &Broker) -> Vec<Http> {
    (1..=HEADS)
        .map(|number| {
            let mut http = Http::connect(broker.http);
            http.write_bytes(unfinished_head("/health").as_bytes());
            broker.wait_for_metric("memory_used_bytes", number * HEAD_BYTES);
            http
        })
        .collect()
}

#[test]
fn large_request_heads_that_do_not_fit_get_503_and_small_ones_are_served() {
    let broker = Broker::start(&["--memory-bytes-max=1MiB"]);
    let unfinished_clients = hold_large_heads(&broker);
    for hits in 1..=3 {
        let mut http = Http::connect(broker.http);
        http.write_bytes(unfinished_head("/health").as_bytes());
        let rejected = http.read_response();
        assert_eq!(rejected.status, 503, "{rejected:?}");
        assert!(rejected.body.contains(" bytes, an eighth of memory-bytes-max)"), "{rejected:?}");
        assert_eq!(broker.limit_hits("memory-bytes-max"), hits);
    }
    assert_eq!(broker.get("/health").status, 200);
    broker.log_line(|line| line.contains("rejected the unfinished input of a client: memory-bytes-max"));
    broker.connect(Wire::Tcp).publish("/queue/a", "hi");
    broker.connect(Wire::WebSocket).done("SEND\ndestination:/queue/a\nreceipt:done\n\nhi\0");
    drop(unfinished_clients);
    broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes < HEAD_BYTES);
    let mut http = Http::connect(broker.http);
    http.write_bytes(format!("{}\r\n\r\n", unfinished_head("/health")).as_bytes());
    assert_eq!(http.read_response().status, 200);
}

#[test]
fn a_large_request_head_is_charged_until_its_connection_closes_or_is_upgraded() {
    let broker = Broker::start(&["--memory-bytes-max=1MiB"]);
    let mut http = Http::connect(broker.http);
    // Sends a complete request, and the beginning of a second one.
    let first = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    http.write_bytes(format!("{first}{}", unfinished_head("/health")).as_bytes());
    assert_eq!(http.read_response().status, 200);
    broker.wait_for_metric("memory_used_bytes", HEAD_BYTES);
    http.write_bytes(b"\r\n\r\n");
    assert_eq!(http.read_response().status, 200);
    assert_eq!(broker.metric("memory_used_bytes"), HEAD_BYTES);
    drop(http);
    broker.wait_for_metric("memory_used_bytes", 0);
    let mut upgraded = broker.open_websocket(Request::get("/ws").header("Cookie", &"x".repeat(12_000)));
    upgraded.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
    upgraded.frame("CONNECTED");
    broker.wait_for_metric("memory_used_bytes", 0);
}

#[test]
fn a_body_in_one_piece_with_its_head_is_answered_when_the_memory_for_heads_is_used_up() {
    let broker = Broker::start(&["--memory-bytes-max=1MiB"]);
    let mut session = Session::new(broker.http, "/ws", Transport::XhrPolling).opened();
    session.connect("1.2");
    let request = |frame: &str| {
        let body = serde_json::to_string(&[frame]).expect("JSON");
        format!(
            "POST {}/xhr_send HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            session.path,
            body.len()
        )
    };
    let mut kept = Http::connect(broker.http);
    kept.write_bytes(request("\n").as_bytes());
    assert_eq!(kept.read_response().status, 204);
    broker.wait_for_metric("memory_used_bytes", 0);
    let _hoarders = hold_large_heads(&broker);
    let send = request(&format!("SEND\ndestination:/queue/a\n\n{}\0", "x".repeat(6000)));
    for number in 1..=3 {
        kept.write_bytes(send.as_bytes());
        assert_eq!(kept.read_response().status, 204, "on a reused connection");
        let mut new = Http::connect(broker.http);
        new.write_bytes(send.as_bytes());
        assert_eq!(new.read_response().status, 204, "on a new connection");
        broker.wait_for_metric("queue_messages", 2 * number);
    }
    assert_eq!(broker.limit_hits("memory-bytes-max"), 0);
}
