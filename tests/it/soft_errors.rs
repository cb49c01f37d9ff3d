//! `soft-errors:true`: what is refused costs no more than itself.

use crate::support::frame::Frame;
use crate::support::people::{by_token, with_tokens};
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Wire, on_each_wire};

#[track_caller]
fn soft(broker: &Broker, wire: Wire, version: &str) -> Client {
    let headers = format!("{}soft-errors:true\n", by_token("alice"));
    let (mut client, _) = broker.sign_in_with(wire, version, &headers);
    client.subscribe("errors", "/user/queue/errors", "");
    client
}

/// What is told of a refused frame.
#[track_caller]
fn told(client: &mut Client, head: &str, message: &str) -> Frame {
    client.send(&format!("{head}\nreceipt:r\n\n\0"));
    let headers = [
        ("destination", "/user/queue/errors"),
        ("subscription", "errors"),
        ("receipt-id", "r"),
        ("message", message),
        ("content-type", "text/plain"),
    ];
    let frame = client.frame("MESSAGE");
    for (name, value) in headers {
        assert_eq!(frame.header(name), Some(value), "{name} of {frame:?}");
    }
    assert!(!frame.text().is_empty());
    frame
}

on_each_wire! {
    fn what_is_refused_comes_as_a_message_and_the_connection_lives(wire: Wire) {
        let broker = with_tokens(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let mut client = soft(&broker, wire, version);
            // The user's other sessions are not told.
            let (mut other, _) = broker.sign_in(wire, &by_token("alice"));
            other.subscribe("errors", "/user/queue/errors", "");
            for (head, refused) in [
                ("SEND\ndestination:/topic/a", "/topic/a"),
                ("SEND\ndestination:/queue/a", "/queue/a"),
                ("SUBSCRIBE\nid:1\ndestination:/queue/a", "/queue/a"),
                ("SUBSCRIBE\nid:1\ndestination:/user/bob/queue/a", "/user/bob/queue/a"),
            ] {
                let frame = told(&mut client, head, "access denied");
                assert_eq!(frame.must("refused"), refused, "{frame:?}");
                assert!(frame.header("user-name").is_none() && frame.header("session").is_none(), "{frame:?}");
            }
            for (head, message) in [
                ("SEND\ndestination:/nowhere/a", "invalid destination"),
                ("SEND\ndestination:/topic/*", "invalid destination"),
                ("SEND\nx:y", "missing header"),
                ("SUBSCRIBE\nid:errors\ndestination:/topic/a", "duplicate subscription"),
                ("SUBSCRIBE\nid:2\ndestination:/topic/a\nack:never", "unknown ack mode"),
                ("SUBSCRIBE\nid:2\ndestination:/topic/a\nselector:a=1", "unsupported header"),
                ("SEND\ndestination:/app/a\nreply-to:/user/bob/queue/a", "reply-to is not yours"),
                ("SEND\ndestination:/users/queue/a", "missing header"),
            ] {
                told(&mut client, head, message);
            }
            // Nothing is left of it, and without a receipt it is told too.
            client.subscribe("1", "/topic/a", "");
            client.send("SEND\ndestination:/topic/a\n\n\0");
            let frame = client.expect("MESSAGE", &[("message", "access denied")], &frame_text("/topic/a"));
            assert_eq!(frame.header("receipt-id"), None);
            client.hears_nothing();
            other.hears_nothing();
            client.disconnect();
        }
    }

    fn limits_are_told_too(wire: Wire) {
        let flags = ["--subscriptions-max=3", "--queue-messages-max=1", "--permissions=open", "--queues-max=2"];
        let broker = with_tokens(&flags);
        let mut client = soft(&broker, wire, "1.2");
        client.subscribe("1", "/topic/a", "");
        client.subscribe("2", "/topic/a", "");
        let frame = told(&mut client, "SUBSCRIBE\nid:3\ndestination:/topic/a", "too many subscriptions");
        assert!(frame.text().contains("subscriptions-max"), "{frame:?}");
        client.publish("/queue/a", "first");
        let frame = told(&mut client, "SEND\ndestination:/queue/a", "limit reached");
        assert!(frame.text().contains("queue-messages-max"), "{frame:?}");
        client.done("UNSUBSCRIBE\nid:2\nreceipt:done\n\n\0");
        client.publish("/queue/b", "second");
        let frame = told(&mut client, "SUBSCRIBE\nid:3\ndestination:/queue/c", "limit reached");
        assert!(frame.text().contains("queues-max"), "{frame:?}");
        for limit in ["subscriptions-max", "queue-messages-max", "queues-max"] {
            assert_eq!(broker.limit_hits(limit), 1, "{limit}");
        }
        // The place of a subscription that the broker refused is free again.
        client.subscribe("3", "/topic/b", "");
        client.disconnect();
        broker.until("subscriptions", 0);
    }

    fn a_transaction_of_which_a_part_was_refused_cannot_be_committed(wire: Wire) {
        let broker = with_tokens(&["--permission", "allow send users /topic/good"]);
        let mut client = soft(&broker, wire, "1.2");
        client.subscribe("1", "/topic/good", "");
        client.send("BEGIN\ntransaction:t\n\n\0");
        client.tell("/topic/good", "transaction:t\n", "never");
        told(&mut client, "SEND\ndestination:/topic/bad\ntransaction:t", "access denied");
        client.tell("/topic/good", "transaction:t\n", "never");
        // It may be given up.
        client.done("ABORT\ntransaction:t\nreceipt:done\n\n\0");
        client.send("BEGIN\ntransaction:t\n\n\0");
        client.tell("/topic/good", "transaction:t\n", "done");
        client.done("COMMIT\ntransaction:t\nreceipt:done\n\n\0");
        client.hears("/topic/good", "done");
        client.send("BEGIN\ntransaction:u\n\n\0");
        client.tell("/topic/good", "transaction:u\n", "never");
        told(&mut client, "SEND\ndestination:/topic/bad\ntransaction:u", "access denied");
        client.send("COMMIT\ntransaction:u\nreceipt:c\n\n\0");
        client.expect_error(&[("message", "transaction cannot be committed"), ("receipt-id", "c")]);
        broker.until("transactions", 0);
    }

    fn acknowledgements_and_unsubscribe_are_covered_too(wire: Wire) {
        let broker = with_tokens(&[]);
        for (version, name) in [("1.0", "message-id:7"), ("1.1", "message-id:7\nsubscription:1"), ("1.2", "id:7")] {
            let mut client = soft(&broker, wire, version);
            client.subscribe("1", "/topic/a", "ack:client\n");
            told(&mut client, &format!("ACK\n{name}"), "nothing to settle");
            let message = if version == "1.0" { "NACK is not known in 1.0" } else { "nothing to settle" };
            told(&mut client, &format!("NACK\n{name}"), message);
            told(&mut client, "UNSUBSCRIBE\nx:y", "missing header");
            client.disconnect();
        }
    }

    fn what_has_no_message_and_no_subscription_ends_the_conversation_all_the_same(wire: Wire) {
        let broker = with_tokens(&[]);
        for (frame, message) in [
            ("ABORT\ntransaction:7\n\n\0", "unknown transaction"),
            ("COMMIT\ntransaction:7\n\n\0", "unknown transaction"),
            ("BOGUS\n\n\0", "unknown command"),
        ] {
            let mut client = soft(&broker, wire, "1.2");
            client.send(frame);
            let error = client.expect_error(&[]);
            assert!(error.must("message").contains(message.split(' ').next_back().unwrap_or("")), "{error:?}");
        }
    }

    fn without_asking_it_is_an_error_and_the_end(wire: Wire) {
        let broker = with_tokens(&[]);
        for ask in ["", "soft-errors:false\n", "soft-errors:\n"] {
            let (mut client, _) = broker.sign_in(wire, &format!("{}{ask}", by_token("alice")));
            client.subscribe("errors", "/user/queue/errors", "");
            client.send("SEND\ndestination:/topic/a\nreceipt:r\n\n\0");
            let headers = [("message", "access denied"), ("destination", "/topic/a"), ("receipt-id", "r")];
            client.expect_error(&headers);
        }
    }

    fn nobody_can_fake_an_error_of_the_brokers(wire: Wire) {
        let broker = with_tokens(&[]);
        let mut alice = soft(&broker, wire, "1.2");
        for destination in ["/user/alice/queue/errors", "/users/queue/errors", "/user/queue/errors"] {
            let (mut bob, _) = broker.sign_in(wire, &by_token("bob"));
            let fake = "to:alice\nmessage:access denied\nreceipt-id:r\n";
            bob.send(&format!("SEND\ndestination:{destination}\n{fake}\nx\0"));
            bob.expect_error(&[("message", "access denied")]);
        }
        // The first that comes is her own.
        alice.send("SEND\ndestination:/topic/a\nreceipt:own\n\n\0");
        alice.expect("MESSAGE", &[("receipt-id", "own")], &frame_text("/topic/a"));
    }
}

fn frame_text(destination: &str) -> String {
    format!(
        "This user may not send to \"{destination}\". The broker's operator grants it by a rule (permission)."
    )
}

#[test]
fn sockjs_clients_are_told_too() {
    let broker = with_tokens(&[]);
    for transport in Transport::ALL {
        let mut session = Session::new(broker.http, "/ws", transport).opened();
        session.sign_in(&format!("{}soft-errors:true\n", by_token("alice")));
        session.subscribe("errors", "/user/queue/errors", "");
        session.stomp("SEND\ndestination:/topic/a\nreceipt:r\n\n\0");
        let headers = [("message", "access denied"), ("receipt-id", "r"), ("refused", "/topic/a")];
        session.expect("MESSAGE", &headers, &frame_text("/topic/a"));
        session.subscribe("2", "/topic/a", "");
    }
}
