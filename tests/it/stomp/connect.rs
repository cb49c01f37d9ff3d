//! CONNECT, CONNECTED and DISCONNECT.

use crate::support::{Broker, Wire, on_each_wire};

on_each_wire! {
    fn connected_has_version_session_server_and_heart_beat(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.0,1.1,1.2\nhost:localhost\n\n\0");
        let connected = client.expect("CONNECTED", &[("version", "1.2"), ("heart-beat", "10000,10000")], "");
        assert!(connected.expect_header("server").starts_with("stompbox/"), "{connected:?}");
        assert!(connected.expect_header("session").len() >= 16, "{connected:?}");
        client.disconnect();
    }

    fn stomp_is_accepted_like_connect(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send("STOMP\naccept-version:1.2\nhost:localhost\n\n\0");
        client.expect("CONNECTED", &[("version", "1.2")], "");
        client.disconnect();
    }

    fn connect_is_accepted_with_any_host_or_none(wire: Wire) {
        let broker = Broker::start(&[]);
        for host in ["host:example.org\n", "host:\n", ""] {
            let mut client = broker.open(wire);
            client.send(&format!("CONNECT\naccept-version:1.1\n{host}\n\0"));
            client.expect("CONNECTED", &[("version", "1.1")], "");
            client.disconnect();
        }
    }

    fn line_ends_before_connect_and_between_frames_are_ignored(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send("\n\r\n\nCONNECT\r\naccept-version:1.2\r\nhost:a\r\n\r\n\0\n\r\n\n");
        client.expect("CONNECTED", &[], "");
        client.disconnect();
    }

    fn frames_may_follow_connect_without_waiting_for_connected(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send(
            "CONNECT\naccept-version:1.2\nhost:a\n\n\0SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0\
             SEND\ndestination:/topic/a\n\nhi\0",
        );
        client.expect("CONNECTED", &[], "");
        client.expect("MESSAGE", &[("subscription", "1")], "hi");
        client.disconnect();
    }

    fn a_frame_before_connect_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send("SEND\ndestination:/queue/a\n\nhi\0");
        client.expect_error(&[]);
        broker.wait_for_metric("queue_messages", 0);
    }

    fn a_second_connect_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
        client.expect_error(&[]);
    }

    fn a_receipt_header_on_connect_is_ignored(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.2\nhost:a\nreceipt:r\n\n\0");
        client.expect("CONNECTED", &[], "");
        client.expect_quiet();
        client.disconnect();
    }

    fn disconnect_gets_a_receipt_and_closes(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("DISCONNECT\nreceipt:77\n\n\0");
        client.expect("RECEIPT", &[("receipt-id", "77")], "");
        client.expect_closed(1000);
    }

    fn disconnect_without_receipt_closes(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("DISCONNECT\n\n\0");
        client.expect_closed(1000);
        broker.wait_for_metric("connections_closed_total", 1);
    }

    fn frames_after_disconnect_are_not_executed(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("DISCONNECT\nreceipt:bye\n\n\0SEND\ndestination:/queue/a\n\nlate\0");
        client.expect("RECEIPT", &[("receipt-id", "bye")], "");
        client.expect_closed(1000);
        assert_eq!(broker.metric("queue_messages"), 0);
        assert_eq!(broker.metric("messages_published_total"), 0);
    }

    fn closing_without_disconnect_is_accepted(wire: Wire) {
        let broker = Broker::start(&[]);
        let client = broker.connect(wire);
        client.shutdown_write();
        broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
        broker.assert_serves();
    }
}

#[test]
fn session_ids_differ() {
    let broker = Broker::start(&[]);
    let mut seen = std::collections::BTreeSet::new();
    for wire in [Wire::ALL, Wire::ALL].concat() {
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
        assert!(seen.insert(client.frame("CONNECTED").expect_header("session").to_string()), "{seen:?}");
    }
}
