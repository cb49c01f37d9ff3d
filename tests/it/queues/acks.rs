//! Acknowledgements in each of the three modes and the three STOMP versions.

use crate::support::frame::Frame;
use crate::support::{Broker, Client, Wire, on_each_wire};

/// Sends ACK or NACK with the headers that this STOMP version requires, and waits for the RECEIPT.
fn settle(client: &mut Client, version: &str, command: &str, message: &Frame) {
    let name = match version {
        "1.2" => format!("id:{}", message.expect_header("ack")),
        "1.1" => format!("message-id:{}\nsubscription:s", message.expect_header("message-id")),
        _ => format!("message-id:{}", message.expect_header("message-id")),
    };
    client.done(&format!("{command}\n{name}\nreceipt:done\n\n\0"));
}

/// Returns a consumer in the given mode, and the three messages that it has received.
fn consumer(broker: &Broker, wire: Wire, version: &str, mode: &str) -> (Client, Vec<Frame>) {
    let mut client = broker.connect_with(wire, version);
    let queue = format!("/queue/{mode}.{version}");
    for body in ["1", "2", "3"] {
        client.publish(&queue, body);
    }
    client.subscribe("s", &queue, &format!("ack:{mode}\n"));
    let messages = ["1", "2", "3"].map(|body| client.expect("MESSAGE", &[("subscription", "s")], body));
    (client, messages.into())
}

on_each_wire! {
    fn auto_mode_needs_no_ack(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "auto");
            assert!(messages.iter().all(|message| message.header("ack").is_none()), "{messages:?}");
            broker.wait_for_metric("queue_messages", 0);
            client.expect_quiet();
        }
    }

    fn client_mode_ack_settles_all_deliveries_up_to_the_given_id(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "client");
            settle(&mut client, version, "ACK", &messages[1]);
            assert_eq!(broker.metric("queue_messages"), 1, "{version}");
            settle(&mut client, version, "ACK", &messages[2]);
            assert_eq!(broker.metric("queue_messages"), 0, "{version}");
        }
    }

    fn client_individual_ack_settles_exactly_one_delivery(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "client-individual");
            for (left, message) in [(2, &messages[1]), (1, &messages[2]), (0, &messages[0])] {
                settle(&mut client, version, "ACK", message);
                assert_eq!(broker.metric("queue_messages"), left, "{version}");
            }
        }
    }

    fn client_mode_nack_requeues_all_deliveries_up_to_the_given_id(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "client");
            settle(&mut client, version, "NACK", &messages[1]);
            client.expect("MESSAGE", &[("delivery-count", "2")], "1");
            let again = client.expect("MESSAGE", &[("delivery-count", "2")], "2");
            client.expect_quiet();
            settle(&mut client, version, "ACK", &again);
            assert_eq!(broker.metric("queue_messages"), 0, "{version}: the ACK also settles the third");
        }
    }

    fn message_has_an_ack_header_only_in_1_2_and_client_modes(wire: Wire) {
        let broker = Broker::start(&[]);
        for (version, mode, has) in [("1.0", "client", false), ("1.1", "client", false), ("1.2", "client", true)] {
            let (_, messages) = consumer(&broker, wire, version, mode);
            assert_eq!(messages[0].header("ack").is_some(), has, "{version} {mode}");
        }
    }

    fn each_subscriber_of_a_topic_acks_its_own_delivery(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut clients = [broker.connect(wire), broker.connect(wire)];
        for client in &mut clients {
            client.subscribe("s", "/topic/a", "ack:client-individual\n");
        }
        let mut publisher = broker.connect(wire);
        publisher.publish("/topic/a", "hi");
        for client in &mut clients {
            let message = client.expect("MESSAGE", &[], "hi");
            settle(client, "1.2", "ACK", &message);
            client.expect_quiet();
        }
    }

    fn nack_on_a_topic_redelivers_nothing(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("s", "/topic/a", "ack:client-individual\n");
        client.send("SEND\ndestination:/topic/a\n\nhi\0");
        let message = client.expect("MESSAGE", &[], "hi");
        settle(&mut client, "1.2", "NACK", &message);
        client.expect_quiet();
    }

    fn a_second_ack_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "client");
            settle(&mut client, version, "ACK", &messages[2]);
            let name = match version {
                "1.2" => format!("id:{}", messages[2].expect_header("ack")),
                _ => format!("message-id:{}\nsubscription:s", messages[2].expect_header("message-id")),
            };
            client.send(&format!("ACK\n{name}\nreceipt:5\n\n\0"));
            client.expect_error(&[("receipt-id", "5")]);
        }
    }

    fn an_ack_with_an_unknown_id_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        for (version, frame) in [
            ("1.2", "ACK\nid:unknown"),
            ("1.2", "NACK\nid:unknown"),
            ("1.2", "ACK"),
            ("1.1", "ACK\nmessage-id:unknown\nsubscription:s"),
            ("1.1", "ACK\nsubscription:s"),
            ("1.0", "ACK\nmessage-id:unknown"),
        ] {
            let mut client = broker.connect_with(wire, version);
            client.subscribe("s", "/queue/none", "ack:client\n");
            client.send(&format!("{frame}\nreceipt:5\n\n\0"));
            client.expect_error(&[("receipt-id", "5")]);
        }
    }

    fn nack_is_rejected_in_1_0(wire: Wire) {
        let broker = Broker::start(&[]);
        let (mut client, messages) = consumer(&broker, wire, "1.0", "client");
        let message_id = messages[0].expect_header("message-id");
        client.send(&format!("NACK\nmessage-id:{message_id}\nreceipt:5\n\n\0"));
        client.expect_error(&[("receipt-id", "5")]);
    }

    fn a_1_2_client_may_ack_with_the_headers_of_1_1(wire: Wire) {
        let broker = Broker::start(&[]);
        let (mut client, messages) = consumer(&broker, wire, "1.2", "client");
        settle(&mut client, "1.1", "ACK", &messages[2]);
        assert_eq!(broker.metric("queue_messages"), 0);
        client.disconnect();
    }

    fn in_1_2_the_id_header_may_hold_the_message_id(wire: Wire) {
        let broker = Broker::start(&[]);
        for mode in ["client", "client-individual"] {
            let queue = format!("/queue/dialect.{mode}");
            let mut client = broker.connect(wire);
            client.publish(&queue, "m");
            client.subscribe("s", &queue, &format!("ack:{mode}\n"));
            let message = client.expect("MESSAGE", &[], "m");
            client.done(&format!("ACK\nid:{}\nreceipt:done\n\n\0", message.expect_header("message-id")));
            assert_eq!(broker.metric("queue_messages"), 0);
            client.send(&format!("ACK\nid:{}\nreceipt:5\n\n\0", message.expect_header("message-id")));
            let error = client.expect_error(&[("message", "nothing to settle"), ("receipt-id", "5")]);
            assert!(error.text().contains("In STOMP 1.2, copy the header ack of the MESSAGE into the header id"), "{error:?}");
            assert!(error.text().contains("After a reconnect, wait until the MESSAGE is delivered again."), "{error:?}");
        }
    }

    fn an_ack_on_an_auto_subscription_is_ignored_for_any_id(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "auto");
            let message_id = messages[0].expect_header("message-id");
            for name in [
                format!("id:{message_id}"),
                format!("id:{message_id}\nsubscription:s"),
                "id:undefined\nsubscription:s".into(),
                "id:1-0".into(),
                "id:".into(),
                "subscription:s".into(),
            ] {
                client.done(&format!("ACK\n{name}\nreceipt:done\n\n\0"));
            }
            client.disconnect();
        }
    }

    fn an_ack_of_an_auto_delivery_does_not_settle_a_delivery_in_client_mode(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "auto");
            client.subscribe("c", "/queue/c", "ack:client\n");
            client.publish("/queue/c", "waits");
            let waiting = client.expect("MESSAGE", &[], "waits");
            let id = if version == "1.2" { "id" } else { "message-id" };
            let delivered = messages[0].expect_header("message-id");
            client.done(&format!("ACK\n{id}:{delivered}\nreceipt:done\n\n\0"));
            client.done(&format!("ACK\n{id}:{delivered}\nsubscription:s\nreceipt:done\n\n\0"));
            // The unsettled message belongs to the client-mode subscription, not to the auto subscription.
            let waiting = waiting.expect_header("message-id");
            client.send(&format!("ACK\n{id}:{waiting}\nsubscription:s\nreceipt:5\n\n\0"));
            client.expect_error(&[("message", "nothing to settle"), ("receipt-id", "5")]);
            let mut other = broker.connect_with(wire, version);
            other.subscribe("c", "/queue/c", "");
            other.expect("MESSAGE", &[], "waits");
            other.disconnect();
        }
    }

    fn unsubscribe_of_an_unknown_id_gets_a_receipt(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let mut client = broker.connect_with(wire, version);
            client.subscribe("s", "/topic/a", "");
            for id in ["unknown", "s", "s"] {
                client.done(&format!("UNSUBSCRIBE\nid:{id}\nreceipt:done\n\n\0"));
            }
            client.expect_quiet();
        }
    }

    fn an_ack_on_an_auto_subscription_is_ignored_in_1_1(wire: Wire) {
        let broker = Broker::start(&[]);
        let (mut client, messages) = consumer(&broker, wire, "1.1", "auto");
        settle(&mut client, "1.1", "ACK", &messages[0]);
        client.disconnect();
    }

    fn an_unknown_ack_mode_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:sometimes\nreceipt:5\n\n\0");
        client.expect_error(&[("receipt-id", "5")]);
    }
}
