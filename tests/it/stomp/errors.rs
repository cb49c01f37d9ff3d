//! ERROR frames: they arrive with a helpful text, and no frame after the offending one is executed.

use crate::support::client::publish;
use crate::support::{Broker, Event, Wire, on_each_wire};

on_each_wire! {
    fn an_error_has_the_receipt_id_of_the_offending_frame_and_an_explanation(wire: Wire) {
        let broker = Broker::start(&[]);
        let frames = [
            "SEND\nreceipt:5",
            "SEND\ndestination:\nreceipt:5",
            "SEND\ndestination:nowhere\nreceipt:5",
            "SEND\ndestination:/exchange/a\nreceipt:5",
            "SEND\ndestination:/topic/\nreceipt:5",
            "SEND\ndestination:/topic/a//b\nreceipt:5",
            "SEND\ndestination:/queue/a..b\nreceipt:5",
            "SEND\ndestination:/topic/a.*\nreceipt:5",
            "SUBSCRIBE\nid:1\nreceipt:5",
            "SUBSCRIBE\nid:1\ndestination:/nowhere\nreceipt:5",
            "UNSUBSCRIBE\nreceipt:5",
            "MESSAGE\ndestination:/topic/a\nreceipt:5",
        ];
        for frame in frames {
            let mut client = broker.connect(wire);
            client.send(&format!("{frame}\n\n\0"));
            client.expect_error(&[("receipt-id", "5")]);
        }
        broker.assert_serves();
    }

    fn an_error_for_an_unknown_prefix_lists_the_known_ones(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("SEND\ndestination:/exchange/amq.topic/a\n\n\0");
        let error = client.expect_error(&[]);
        for prefix in ["/topic/", "/queue/", "/temp-queue/"] {
            assert!(error.text().contains(prefix), "{error:?}");
        }
        assert!(error.text().contains("use /topic/KEY"), "{error:?}");
    }

    fn a_wildcard_in_a_send_is_rejected_inside_and_outside_a_transaction(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut subscriber = broker.connect(wire);
        subscriber.subscribe("1", "/topic/#", "");
        let destinations =
            ["/topic/*", "/topic/a.*", "/topic/*.b", "/topic/a.#", "/topic/#", "/topic/a/**", "/queue/*"];
        for destination in destinations {
            for transaction in ["", "transaction:t\n"] {
                let mut client = broker.connect(wire);
                client.send("BEGIN\ntransaction:t\n\n\0");
                client.send(&format!("SEND\ndestination:{destination}\nreceipt:5\n{transaction}\nhi\0"));
                let error = client.expect_error(&[("receipt-id", "5"), ("message", "invalid destination")]);
                assert!(error.text().contains(destination) && error.text().contains("wildcard"), "{error:?}");
            }
        }
        subscriber.done("UNSUBSCRIBE\nid:1\nreceipt:done\n\n\0");
        assert_eq!(broker.metric("messages_published_total"), 0);
    }

    fn a_malformed_frame_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        let frames: &[&[u8]] = &[
            b"HELLO\n\n\0",
            b"send\ndestination:/topic/a\n\n\0",
            b"SEND\ndestination\n\n\0",
            b"SEND\n:value\n\n\0",
            b"SEND\ndestination:/topic/a\ncontent-length:many\n\nhi\0",
            b"SEND\ndestination:/topic/a\ncontent-length:-1\n\nhi\0",
            b"SEND\ndestination:/topic/a\ncontent-length:1\n\nhi\0",
            b"SEND\ndestination:/topic/\xff\n\nhi\0",
            b"BEGIN\ntransaction:t\n\na body\0",
        ];
        for frame in frames {
            let mut client = broker.connect(wire);
            client.send_bytes(frame);
            client.expect_error(&[]);
        }
        broker.assert_serves();
    }

    fn a_repeated_subscription_id_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "");
        client.send("SUBSCRIBE\nid:1\ndestination:/topic/b\nreceipt:5\n\n\0");
        client.expect_error(&[("receipt-id", "5")]);
    }

    fn nothing_after_the_offending_frame_is_executed(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send(
            "SEND\ndestination:/queue/a\n\nbefore\0SEND\ndestination:/nowhere\n\n\0\
             SEND\ndestination:/queue/a\n\nafter\0",
        );
        client.expect_error(&[]);
        assert_eq!(broker.metric("queue_messages"), 1);
    }

    fn the_error_arrives_when_more_data_follows_the_offending_frame(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("SEND\ndestination:/nowhere\nreceipt:5\n\n\0");
        let more = format!("SEND\ndestination:/queue/a\n\n{}\0", "x".repeat(64 * 1024));
        for _ in 0..32 {
            client.send_bytes(more.as_bytes());
        }
        client.shutdown_write();
        client.expect_error(&[("receipt-id", "5")]);
        assert_eq!(broker.metric("queue_messages"), 0);
    }

    fn the_error_arrives_after_messages_that_the_client_has_not_read(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "");
        let body = "x".repeat(1000);
        for _ in 0..1000 {
            publish_from(&mut client, &body);
        }
        client.send("SEND\ndestination:/nowhere\nreceipt:5\n\n\0");
        let mut messages = 0;
        let error = loop {
            match client.event() {
                Event::Frame(frame) if frame.command == "MESSAGE" => messages += 1,
                Event::Frame(frame) => break frame,
                other => panic!("{other:?} after {messages} messages"),
            }
        };
        assert_eq!((error.command.as_str(), error.header("receipt-id")), ("ERROR", Some("5")));
        client.expect_end();
    }

    fn an_error_ends_only_its_own_connection(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut bystander = broker.connect(wire);
        bystander.subscribe("1", "/topic/a", "");
        let mut offender = broker.connect(wire);
        offender.subscribe("1", "/topic/a", "");
        offender.send("HELLO\n\n\0");
        offender.expect_error(&[]);
        publish(&broker, "/topic/a", "hi");
        bystander.expect("MESSAGE", &[], "hi");
        bystander.disconnect();
        broker.wait_for_metric("subscriptions", 0);
    }
}

fn publish_from(client: &mut crate::support::Client, body: &str) {
    client.send(&format!("SEND\ndestination:/topic/a\n\n{body}\0"));
}
