//! `/temp-queue/x`: private to a session; other clients reply to it by the address in `reply-to`.

use crate::support::client::publish;
use crate::support::{Broker, Client, Wire, on_each_wire};

/// Reads one request from `/queue/service` and echoes it to the address in `reply-to`. Returns this address.
fn answer_once(service: &mut Client) -> String {
    let request = service.frame("MESSAGE");
    let address = request.expect_header("reply-to").to_string();
    service.done(&format!("SEND\ndestination:{address}\nreceipt:done\n\nre: {}\0", request.text()));
    address
}

fn service(broker: &Broker, wire: Wire) -> Client {
    let mut service = broker.connect(wire);
    service.subscribe("s", "/queue/service", "");
    service
}

on_each_wire! {
    fn a_subscribed_temp_queue_receives_the_replies(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut service = service(&broker, wire);
        let mut client = broker.connect(wire);
        client.subscribe("answers", "/temp-queue/x", "");
        for question in ["one", "two"] {
            client.send(&format!("SEND\ndestination:/queue/service\nreply-to:/temp-queue/x\n\n{question}\0"));
            let address = answer_once(&mut service);
            assert!(address.starts_with("/temp-queue/") && address.len() > 30, "{address}");
            client.expect("MESSAGE", &[("subscription", "answers")], &format!("re: {question}"));
        }
        client.disconnect();
    }

    fn reply_to_subscribes_to_the_temp_queue_implicitly(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut service = service(&broker, wire);
        let mut client = broker.connect(wire);
        client.send("SEND\ndestination:/queue/service\nreply-to:/temp-queue/x\n\nhow\0");
        answer_once(&mut service);
        client.expect("MESSAGE", &[("subscription", "/temp-queue/x")], "re: how");
        client.expect_quiet();
        client.disconnect();
    }

    fn the_same_name_on_two_sessions_is_two_queues(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut service = service(&broker, wire);
        let mut clients = [broker.connect(wire), broker.connect(wire)];
        let mut addresses = Vec::new();
        for (client, name) in clients.iter_mut().zip(["a", "b"]) {
            client.send(&format!("SEND\ndestination:/queue/service\nreply-to:/temp-queue/x\n\n{name}\0"));
            addresses.push(answer_once(&mut service));
        }
        assert_ne!(addresses[0], addresses[1]);
        for (client, name) in clients.iter_mut().zip(["a", "b"]) {
            client.expect("MESSAGE", &[], &format!("re: {name}"));
            client.expect_quiet();
        }
    }

    fn a_session_may_send_to_its_own_temp_queue(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/temp-queue/x", "");
        client.send("SEND\ndestination:/temp-queue/x\n\nself\0");
        client.expect("MESSAGE", &[("subscription", "1")], "self");
        client.disconnect();
    }

    fn other_sessions_cannot_subscribe_to_a_temp_queue_address(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut service = service(&broker, wire);
        let mut client = broker.connect(wire);
        client.send("SEND\ndestination:/queue/service\nreply-to:/temp-queue/x\n\nhow\0");
        let address = service.frame("MESSAGE").expect_header("reply-to").to_string();
        service.send(&format!("SUBSCRIBE\nid:1\ndestination:{address}\nreceipt:5\n\n\0"));
        service.expect_error(&[("receipt-id", "5")]);
    }

    fn a_temp_queue_ends_with_its_session(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut service = service(&broker, wire);
        let mut client = broker.connect(wire);
        client.send("SEND\ndestination:/queue/service\nreply-to:/temp-queue/x\n\nhow\0");
        let address = service.frame("MESSAGE").expect_header("reply-to").to_string();
        let queues = broker.metric("queues");
        client.reset();
        broker.wait_for_metric("queues", queues - 1);
        publish(&broker, &address, "too late");
        broker.wait_for_metric("messages_dropped_total", 1);
        assert_eq!(broker.metric("queue_messages"), 0);
    }
}
