//! Clients that were written for other brokers, or before the STOMP specification existed.

use crate::support::{Broker, Client, Event, Wire, on_each_wire};

/// Returns the headers of a MESSAGE as a client echoes them in its ACK.
fn echoed(headers: &[(String, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect()
}

fn fill(client: &mut Client, queue: &str, messages: usize, body: &str) {
    for _ in 0..messages {
        client.publish(queue, body);
    }
}

on_each_wire! {
    fn an_ack_that_echoes_the_headers_of_its_message_settles_it(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let mut client = broker.connect_with(wire, version);
            fill(&mut client, "/queue/a", 2, "hello");
            client.done(
                "SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual\ncontent-length:5\nreceipt:done\n\n\0",
            );
            let messages = [(); 2].map(|()| client.expect("MESSAGE", &[("content-length", "5")], "hello"));
            for (left, message) in [(1, &messages[0]), (0, &messages[1])] {
                let id = message.header("ack").map_or(String::new(), |ack| format!("id:{ack}\n"));
                client.done(&format!("ACK\n{id}{}receipt:done\n\n\0", echoed(&message.headers)));
                assert_eq!(broker.metric("queue_messages"), left, "{version}");
            }
            client.done("UNSUBSCRIBE\nid:s\ncontent-length:5\nreceipt:done\n\n\0");
            client.done("BEGIN\ntransaction:t\ncontent-length:9999999999\nreceipt:done\n\n\0");
            client.done("COMMIT\ntransaction:t\ncontent-length:x\nreceipt:done\n\n\0");
            client.done("DISCONNECT\ncontent-length:1\nreceipt:done\n\n\0");
            client.expect_closed(1000);
        }
    }

    fn a_body_on_ack_is_an_error_with_any_content_length(wire: Wire) {
        let broker = Broker::start(&[]);
        for length in ["", "content-length:3\n", "content-length:0\n"] {
            let mut client = broker.connect(wire);
            let head = format!("ACK\nid:1\nreceipt:r\n{length}\n");
            client.send(&format!("{head}abc\0"));
            let error = client.expect_error(&[("message", "body not allowed"), ("receipt-id", "r")]);
            let text = format!("ACK has a body: byte {} of the frame is 0x61;", head.len() + 1);
            assert!(error.text().starts_with(&text), "{error:?}");
        }
    }

    fn frame_endings_of_clients_older_than_the_specification_are_accepted(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send("CONNECT\nlogin:a\npasscode:b\n\n\n\0\n");
        let connected = client.expect("CONNECTED", &[("version", "1.0")], "");
        assert_eq!(connected.header("heart-beat"), None, "1.0 has no heartbeats");
        client.done("SUBSCRIBE\r\ndestination:/topic/a\r\nreceipt:done\r\n\r\n\r\n\0\r\n");
        client.send("SEND\ndestination:/topic/a\n\nhi\0");
        client.expect("MESSAGE", &[], "hi");
        client.done("DISCONNECT\nreceipt:done\n\0");
        client.expect_closed(1000);
    }

    fn subscribe_with_an_unsupported_header_is_rejected_and_consumes_nothing(wire: Wire) {
        let broker = Broker::start(&[]);
        for header in ["browser:true", "durable:true", "exclusive:true", "no-local:true", "selector:a=1"] {
            let mut client = broker.connect(wire);
            fill(&mut client, &format!("/queue/{}", &header[..4]), 1, "kept");
            let kept = broker.metric("queue_messages");
            client.send(&format!("SUBSCRIBE\nid:1\ndestination:/queue/{}\n{header}\n\n\0", &header[..4]));
            let error = client.expect_error(&[("message", "unsupported header")]);
            assert!(error.text().contains(header.split(':').next().expect("a name")), "{error:?}");
            assert_eq!(broker.metric("queue_messages"), kept);
        }
    }

    fn an_ignored_header_of_send_is_logged_once_as_a_warning(wire: Wire) {
        let broker = Broker::start(&[]);
        for _ in 0..2 {
            let mut client = broker.connect(wire);
            for _ in 0..2 {
                client.done("SEND\ndestination:/queue/a\npriority:9\nreceipt:done\n\nhi\0");
                client.done("SEND\ndestination:/queue/a\npriority:4\nexpires:0\nreceipt:done\n\nhi\0");
            }
            client.disconnect();
        }
        broker.terminate();
        let log = broker.log_after_exit();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("ignored a header of SEND")).collect();
        let [line] = lines[..] else { panic!("expected one line:\n{log}") };
        assert!(line.contains("WARN") && line.contains("priority") && line.contains("strict-headers"), "{log}");
    }

    fn the_warning_about_persistent_does_not_mention_strict_headers(wire: Wire) {
        let broker = Broker::start(&["--strict-headers"]);
        let mut client = broker.connect(wire);
        client.done("SEND\ndestination:/queue/a\npersistent:true\nreceipt:done\n\nhi\0");
        let line = broker.log_line(|line| line.contains("ignored a header of SEND"));
        assert!(line.contains("header=\"persistent\"") && !line.contains("strict-headers"), "{line}");
    }

    fn strict_headers_rejects_a_send_with_a_header_that_would_be_ignored(wire: Wire) {
        let broker = Broker::start(&["--strict-headers"]);
        let mut client = broker.connect(wire);
        client.done("SEND\ndestination:/queue/a\npersistent:true\nexpires:0\nreceipt:done\n\nhi\0");
        client.send("SEND\ndestination:/queue/a\nexpires:1700000000000\nreceipt:r\n\nhi\0");
        let error = client.expect_error(&[("message", "unsupported header"), ("receipt-id", "r")]);
        assert!(error.text().starts_with("SEND has the header expires with the value \"1700000000000\""), "{error:?}");
        assert_eq!(broker.metric("queue_messages"), 1);
    }

    fn a_consumer_window_in_bytes_limits_unacknowledged_messages(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        fill(&mut client, "/queue/a", 6, &"x".repeat(10_000));
        // The broker delivers messages until their bytes reach the window; 0 means one message at a time.
        let windows = [("consumer-window-size:0", 1), ("consumer-window-size:25000", 3), ("credit:9,15000", 2)];
        for (window, delivered) in windows {
            client.subscribe("s", "/queue/a", &format!("ack:client-individual\n{window}\n"));
            for _ in 0..delivered {
                client.frame("MESSAGE");
            }
            client.expect_quiet();
            client.done("UNSUBSCRIBE\nid:s\nreceipt:done\n\n\0");
        }
        client.subscribe("s", "/queue/a", "ack:client-individual\nconsumer-window-size:0\n");
        for _ in 0..6 {
            let message = client.frame("MESSAGE");
            client.expect_quiet();
            client.done(&format!("ACK\nid:{}\nreceipt:done\n\n\0", message.expect_header("ack")));
        }
        assert_eq!(broker.metric("queue_messages"), 0);
    }

    fn trailing_lf_can_be_disabled_and_heartbeats_are_still_a_lf(wire: Wire) {
        let broker = Broker::start(&["--trailing-lf=false", "--heart-beat=500,0"]);
        let mut client = broker.open(wire).without_trailing_lf();
        let next = |client: &mut Client, text: &str| {
            client.send(text);
            match client.event() {
                Event::Frame(frame) => frame,
                other => panic!("expected a frame, got {other:?}"),
            }
        };
        assert_eq!(next(&mut client, "CONNECT\naccept-version:1.2\nhost:a\n\n\0").command, "CONNECTED");
        let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:1\n\n\0";
        assert_eq!(next(&mut client, subscribe).command, "RECEIPT");
        // Covers both ways to write a MESSAGE: the broker copies a small tail and shares a large one.
        for body in ["hi".to_owned(), "x".repeat(100_000)] {
            let message = next(&mut client, &format!("SEND\ndestination:/topic/a\n\n{body}\0"));
            assert_eq!((&*message.command, message.text()), ("MESSAGE", body));
        }
        assert_eq!(next(&mut client, "SEND\n\n\0").command, "ERROR");
        client.expect_end();
        let mut beating = broker.open(wire).without_trailing_lf();
        beating.send("CONNECT\naccept-version:1.2\nhost:a\nheart-beat:0,500\n\n\0");
        assert!(matches!(beating.event(), Event::Frame(_)));
        assert_eq!(beating.event(), Event::HeartBeat);
    }
}
