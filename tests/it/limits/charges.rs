//! The broker charges, limits and releases the memory that it uses for clients.

use crate::support::http::read_response;
use crate::support::websocket::{self, CONTINUATION, FIN, TEXT, upgrade};
use crate::support::{Broker, Client, Event, HANG_TIMEOUT, Wire, on_each_wire};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Instant;

on_each_wire! {
    fn an_unfinished_frame_is_charged_until_its_connection_closes(wire: Wire) {
        let broker = Broker::start(&[]);
        broker.wait_for_metric("memory_used_bytes", 0);
        let mut client = broker.connect(wire);
        client.send(&format!("SEND\ndestination:/queue/a\ncontent-length:1900000\n\n{}", "x".repeat(1_500_000)));
        // Input is charged whenever it has grown by 4 KiB, so the charge may be up to 4 KiB behind.
        broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes >= 1_500_000 - 4096);
        client.reset();
        broker.wait_for_metric("connections", 0);
        broker.wait_for_metric("memory_used_bytes", 0);
    }

    fn unwritten_output_is_charged_until_its_connection_closes(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.shrink_receive_buffer();
        client.subscribe("1", "/topic/a", "");
        let mut publisher = broker.connect(Wire::Tcp);
        publisher.publish("/topic/a", &"x".repeat(1_900_000));
        broker.wait_for_metric("deliveries_total", 1);
        broker.wait_for_metric("outbound_queue_bytes", 0);
        broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes >= 1_000_000);
        client.reset();
        publisher.disconnect();
        broker.wait_for_metric("connections", 0);
        broker.wait_for_metric("memory_used_bytes", 0);
    }

    fn memory_of_unauthenticated_clients_is_limited_separately(wire: Wire) {
        // A sixteenth of the limit is for unauthenticated clients.
        let broker = Broker::start(&["--memory-bytes-max", "16MiB", "--user", "a:b"]);
        let begun = format!("CONNECT\n{}", format!("x:{}\n", "x".repeat(15_000)).repeat(4));
        let mut unauthenticated: Vec<_> = (0..40).map(|_| broker.open(wire)).collect();
        for peer in &mut unauthenticated {
            let _ = peer.try_send_bytes(begun.as_bytes());
        }
        broker.wait_for_metric_where("limit_hits_total{limit=\"memory-bytes-max\"}", |hits| hits >= 10);
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.2\nlogin:a\npasscode:b\n\n\0");
        client.frame("CONNECTED");
        client.done("SEND\ndestination:/queue/a\nreceipt:done\n\nhas room\0");
        assert!(broker.metric("memory_used_bytes") < 100_000);
    }

    fn large_pending_logins_above_their_share_are_rejected_and_small_ones_are_not(wire: Wire) {
        // The hook never answers, so the logins stay pending.
        let hook = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let hook = format!("--hook-url=http://{}/", hook.local_addr().expect("an address"));
        let waits = [&*hook, "--hook-timeout=1h", "--auth-timeout=1h"];
        let flags = ["--memory-bytes-max=16MiB", "--user=a:b", "--default-permissions=open"];
        let broker = Broker::start(&[&flags[..], &waits].concat());
        let login = |number: usize| {
            let passcode = "x".repeat(15_000);
            format!("CONNECT\naccept-version:1.2\nlogin:{number}\npasscode:{passcode}\n\n\0")
        };
        // Unauthenticated clients share a sixteenth of the limit, which has space for 69 of these logins.
        let mut clients: Vec<_> = (0..100).map(|_| broker.open(wire)).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(&login(number));
        }
        broker.wait_for_metric("limit_hits_total{limit=\"memory-bytes-max\"}", 31);
        // The broker continues to check a login after its client has disconnected.
        clients.into_iter().for_each(Client::reset);
        broker.wait_for_metric("connections", 0);
        let mut late = broker.open(wire);
        late.send(&login(100));
        let error = late.expect_error(&[("message", "login not checked")]);
        assert!(error.text().contains("memory-bytes-max"), "{error:?}");
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.2\nlogin:a\npasscode:b\n\n\0");
        client.frame("CONNECTED");
    }

    fn unsettled_deliveries_of_many_subscriptions_are_charged(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        let frames = (1..500).map(|id| format!("SUBSCRIBE\nid:{id}\ndestination:/topic/a\nack:client\n\n\0"));
        client.send(&frames.collect::<String>());
        client.subscribe("500", "/topic/a", "ack:client\n");
        let mut publisher = broker.connect(Wire::Tcp);
        for _ in 0..100 {
            publisher.publish("/topic/a", "hi");
            for _ in 0..500 {
                client.expect("MESSAGE", &[], "hi");
            }
        }
        // There are 50,000 unsettled deliveries. The broker stores a number, a tag and an id of each.
        broker.wait_for_metric_where("memory_used_bytes", |bytes| bytes >= 50_000 * 24);
        client.reset();
        publisher.disconnect();
        broker.wait_for_metric("connections", 0);
        broker.wait_for_metric("memory_used_bytes", 0);
    }

    fn at_the_limit_a_send_in_a_transaction_gets_an_error_with_its_receipt_id(wire: Wire) {
        let broker =
            Broker::start(&["--memory-bytes-max=1MiB", "--frame-bytes-max=256KiB", "--slow-consumer-grace=10ms"]);
        let mut filler = broker.connect(wire);
        for _ in 0..6 {
            filler.publish("/queue/a", &"x".repeat(200_000));
        }
        assert!(broker.metric("memory_used_bytes") >= 1 << 20);
        let mut client = broker.connect(wire);
        client.done("BEGIN\ntransaction:1\nreceipt:done\n\n\0");
        client.send("SEND\ndestination:/queue/b\ntransaction:1\nreceipt:7\n\nhi\0");
        let error = client.expect_error(&[("receipt-id", "7")]);
        assert!(error.text().contains("memory-bytes-max"), "{error:?}");
        assert_eq!(broker.limit_hits("memory-bytes-max"), 1);
    }

    fn a_transaction_that_grows_to_the_limit_gets_one_error_with_the_receipt_id(wire: Wire) {
        let broker =
            Broker::start(&["--memory-bytes-max=1MiB", "--frame-bytes-max=256KiB", "--slow-consumer-grace=10ms"]);
        let mut client = broker.connect(wire);
        client.send("BEGIN\ntransaction:1\n\n\0");
        let body = "x".repeat(100_000);
        let mut receipted = 0;
        let rejected = loop {
            let frame = format!("SEND\ndestination:/queue/a\ntransaction:1\nreceipt:{receipted}\n\n{body}\0");
            client.send(&frame);
            match client.event() {
                Event::Frame(frame) if frame.command == "RECEIPT" => {
                    assert_eq!(frame.expect_header("receipt-id"), receipted.to_string());
                    receipted += 1;
                }
                Event::Frame(frame) => break frame,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(rejected.command, "ERROR");
        assert_eq!(rejected.expect_header("receipt-id"), receipted.to_string());
        assert!(rejected.text().contains("memory-bytes-max"), "{rejected:?}");
        assert!((8..12).contains(&receipted), "{receipted} messages of 100 kB each");
        client.expect_end();
        broker.wait_for_metric("memory_used_bytes", 0);
        assert_eq!(broker.metric("queue_messages"), 0);
    }
}

// ---- WebSocket messages ----

const MESSAGES: &[&str] =
    &["--ws-message-bytes-max=64KiB", "--frame-bytes-max=32KiB", "--connect-frame-bytes-max=16KiB"];

/// Returns `count` SEND frames of about 1000 bytes each.
fn frames(count: usize) -> String {
    format!("SEND\ndestination:/queue/a\n\n{}\0", "x".repeat(970)).repeat(count)
}

#[track_caller]
fn assert_rejected_as_too_large(broker: &Broker, mut client: Client) {
    let error = client.expect("ERROR", &[], "");
    assert!(error.text().contains("ws-message-bytes-max"), "{error:?}");
    client.expect_closed(1009);
    assert_eq!(broker.limit_hits("ws-message-bytes-max"), 1);
    broker.assert_serves();
}

#[test]
fn a_websocket_message_above_its_limit_gets_an_error() {
    let broker = Broker::start(MESSAGES);
    let mut client = broker.connect(Wire::WebSocket);
    client.send(&frames(70));
    assert_rejected_as_too_large(&broker, client);
}

#[test]
fn a_fragmented_message_above_its_limit_gets_an_error_after_the_frames_that_fit() {
    let broker = Broker::start(MESSAGES);
    let mut client = broker.connect(Wire::WebSocket);
    client.write_bytes(&websocket::frame(TEXT, frames(60).as_bytes()));
    client.write_bytes(&websocket::frame(FIN | CONTINUATION, frames(10).as_bytes()));
    assert_rejected_as_too_large(&broker, client);
    assert_eq!(broker.metric("queue_messages"), 60);
}

#[test]
fn a_websocket_message_of_many_frames_below_its_limit_is_accepted() {
    let broker = Broker::start(MESSAGES);
    let mut client = broker.connect(Wire::WebSocket);
    client.send(&frames(60));
    client.publish("/topic/a", "and the next message");
    assert_eq!(broker.metric("queue_messages"), 60);
    client.disconnect();
}

#[test]
fn check_config_rejects_a_frame_limit_above_the_websocket_message_limit() {
    for (frame, fits) in [("65KiB", false), ("64KiB", true)] {
        let flags = ["--ws-message-bytes-max=64KiB", "--frame-bytes-max", frame];
        let output = Command::new(env!("CARGO_BIN_EXE_stompbox"))
            .arg("check-config")
            .args(flags)
            .arg("--connect-frame-bytes-max=16KiB")
            .output()
            .expect("the command runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), fits, "{errors}");
        assert_eq!(errors.contains("ws-message-bytes-max (65536)"), !fits, "{errors}");
    }
}

// ---- connection permits ----

/// Asserts that two silent HTTP connections use up the permits of `--option 2`.
fn assert_silent_sockets_hold_connection_permits(option: &str) {
    let broker = Broker::start(&[&format!("--{option}"), "2"]);
    let silent = [0, 1].map(|_| TcpStream::connect(broker.http).expect("the HTTP port accepts"));
    // No permit is free. The broker serves this connection on one of its spare sockets.
    assert_eq!(broker.get("/health").status, 200);
    let mut rejected = Client::new(Wire::Tcp, TcpStream::connect(broker.tcp).expect("the kernel accepts"));
    let error = rejected.expect_error(&[]);
    assert!(error.text().contains(option), "{error:?}");
    let (_, response) = upgrade(broker.http, "/ws", None);
    assert_eq!(response.status, 503);
    assert!(response.body.contains(option), "{response:?}");
    assert_eq!(broker.limit_hits(option), 2);
    // The broker has 64 spare sockets. It rejects a connection when all of them are in use.
    let spare = [0; 64].map(|_| TcpStream::connect(broker.http).expect("the HTTP port accepts"));
    let mut rejected = TcpStream::connect(broker.http).expect("the kernel accepts");
    rejected.set_read_timeout(Some(HANG_TIMEOUT)).expect("the timeout is valid");
    assert_eq!(read_response(&mut rejected).status, 503);
    drop((spare, silent));
    let started = Instant::now();
    loop {
        let mut client = TcpStream::connect(broker.tcp).expect("the kernel accepts");
        client.set_read_timeout(Some(HANG_TIMEOUT)).expect("the timeout is valid");
        std::io::Write::write_all(&mut client, b"CONNECT\naccept-version:1.2\nhost:a\n\n\0")
            .expect("the request is sent");
        let mut first = [0; 9];
        if client.read_exact(&mut first).is_ok() && &first == b"CONNECTED" {
            break;
        }
        assert!(started.elapsed() < HANG_TIMEOUT, "connection permits are not released");
    }
}

#[test]
fn http_sockets_count_in_connections_max() {
    assert_silent_sockets_hold_connection_permits("connections-max");
}

#[test]
fn http_sockets_count_in_connections_per_address_max() {
    assert_silent_sockets_hold_connection_permits("connections-per-address-max");
}
