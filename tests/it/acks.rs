//! Three modes of acknowledgement in three versions.

use crate::support::frame::Frame;
use crate::support::{Broker, Client, Wire, on_each_wire};

/// ACK or NACK as each version spells it.
fn settle(client: &mut Client, version: &str, command: &str, message: &Frame) {
    let name = match version {
        "1.2" => format!("id:{}", message.must("ack")),
        "1.1" => format!("message-id:{}\nsubscription:s", message.must("message-id")),
        _ => format!("message-id:{}", message.must("message-id")),
    };
    client.done(&format!("{command}\n{name}\nreceipt:done\n\n\0"));
}

/// A consumer in the given mode with three messages, and those messages.
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
    fn auto_needs_no_acknowledgement(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "auto");
            assert!(messages.iter().all(|message| message.header("ack").is_none()), "{messages:?}");
            broker.until("queue_messages", 0);
            client.expect_quiet();
        }
    }

    fn client_settles_all_up_to_the_named_one(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "client");
            settle(&mut client, version, "ACK", &messages[1]);
            assert_eq!(broker.metric("queue_messages"), 1, "{version}");
            settle(&mut client, version, "ACK", &messages[2]);
            assert_eq!(broker.metric("queue_messages"), 0, "{version}");
        }
    }

    fn client_individual_settles_exactly_one(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "client-individual");
            for (left, message) in [(2, &messages[1]), (1, &messages[2]), (0, &messages[0])] {
                settle(&mut client, version, "ACK", message);
                assert_eq!(broker.metric("queue_messages"), left, "{version}");
            }
        }
    }

    fn nack_in_client_mode_returns_all_up_to_the_named_one(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "client");
            settle(&mut client, version, "NACK", &messages[1]);
            client.expect("MESSAGE", &[("delivery-count", "2")], "1");
            let again = client.expect("MESSAGE", &[("delivery-count", "2")], "2");
            client.expect_quiet();
            settle(&mut client, version, "ACK", &again);
            assert_eq!(broker.metric("queue_messages"), 0, "{version}: the third was delivered before");
        }
    }

    fn only_1_2_in_the_client_modes_has_an_ack_header(wire: Wire) {
        let broker = Broker::start(&[]);
        for (version, mode, has) in [("1.0", "client", false), ("1.1", "client", false), ("1.2", "client", true)] {
            let (_, messages) = consumer(&broker, wire, version, mode);
            assert_eq!(messages[0].header("ack").is_some(), has, "{version} {mode}");
        }
    }

    fn each_consumer_of_one_broadcast_has_its_own_ack(wire: Wire) {
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

    fn a_topic_redelivers_nothing_on_nack(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("s", "/topic/a", "ack:client-individual\n");
        client.send("SEND\ndestination:/topic/a\n\nhi\0");
        let message = client.expect("MESSAGE", &[], "hi");
        settle(&mut client, "1.2", "NACK", &message);
        client.expect_quiet();
    }

    fn a_second_ack_is_refused(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "client");
            settle(&mut client, version, "ACK", &messages[2]);
            let name = match version {
                "1.2" => format!("id:{}", messages[2].must("ack")),
                _ => format!("message-id:{}\nsubscription:s", messages[2].must("message-id")),
            };
            client.send(&format!("ACK\n{name}\nreceipt:5\n\n\0"));
            client.expect_error(&[("receipt-id", "5")]);
        }
    }

    fn an_unknown_ack_is_refused(wire: Wire) {
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

    fn nack_does_not_exist_in_1_0(wire: Wire) {
        let broker = Broker::start(&[]);
        let (mut client, messages) = consumer(&broker, wire, "1.0", "client");
        client.send(&format!("NACK\nmessage-id:{}\nreceipt:5\n\n\0", messages[0].must("message-id")));
        client.expect_error(&[("receipt-id", "5")]);
    }

    fn a_1_2_client_may_ack_by_message_id(wire: Wire) {
        let broker = Broker::start(&[]);
        let (mut client, messages) = consumer(&broker, wire, "1.2", "client");
        settle(&mut client, "1.1", "ACK", &messages[2]);
        assert_eq!(broker.metric("queue_messages"), 0);
        client.disconnect();
    }

    fn in_1_2_the_id_may_be_the_message_id(wire: Wire) {
        let broker = Broker::start(&[]);
        for mode in ["client", "client-individual"] {
            let queue = format!("/queue/dialect.{mode}");
            let mut client = broker.connect(wire);
            client.publish(&queue, "m");
            client.subscribe("s", &queue, &format!("ack:{mode}\n"));
            let message = client.expect("MESSAGE", &[], "m");
            client.done(&format!("ACK\nid:{}\nreceipt:done\n\n\0", message.must("message-id")));
            assert_eq!(broker.metric("queue_messages"), 0);
            client.send(&format!("ACK\nid:{}\nreceipt:5\n\n\0", message.must("message-id")));
            let error = client.expect_error(&[("message", "nothing to settle"), ("receipt-id", "5")]);
            assert!(error.text().contains("In STOMP 1.2 id is the ack header of the MESSAGE"), "{error:?}");
            assert!(error.text().contains("After a reconnect wait for the MESSAGE to come again."), "{error:?}");
        }
    }

    fn an_ack_on_an_auto_subscription_is_harmless_whatever_its_id(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "auto");
            let message_id = messages[0].must("message-id");
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

    fn an_ack_by_the_message_id_of_an_auto_delivery_has_no_effect_beside_a_client_subscription(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let (mut client, messages) = consumer(&broker, wire, version, "auto");
            client.subscribe("c", "/queue/c", "ack:client\n");
            client.publish("/queue/c", "waits");
            let waiting = client.expect("MESSAGE", &[], "waits");
            let id = if version == "1.2" { "id" } else { "message-id" };
            let delivered = messages[0].must("message-id");
            client.done(&format!("ACK\n{id}:{delivered}\nreceipt:done\n\n\0"));
            client.done(&format!("ACK\n{id}:{delivered}\nsubscription:s\nreceipt:done\n\n\0"));
            // A message that waits in the client subscription was not delivered to the auto subscription.
            let waiting = waiting.must("message-id");
            client.send(&format!("ACK\n{id}:{waiting}\nsubscription:s\nreceipt:5\n\n\0"));
            client.expect_error(&[("message", "nothing to settle"), ("receipt-id", "5")]);
            let mut other = broker.connect_with(wire, version);
            other.subscribe("c", "/queue/c", "");
            other.expect("MESSAGE", &[], "waits");
            other.disconnect();
        }
    }

    fn unsubscribe_of_an_unknown_id_is_receipted(wire: Wire) {
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

    fn an_ack_for_an_auto_subscription_is_ignored(wire: Wire) {
        let broker = Broker::start(&[]);
        let (mut client, messages) = consumer(&broker, wire, "1.1", "auto");
        settle(&mut client, "1.1", "ACK", &messages[0]);
        client.disconnect();
    }

    fn an_unknown_mode_is_refused(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:sometimes\nreceipt:5\n\n\0");
        client.expect_error(&[("receipt-id", "5")]);
    }
}
