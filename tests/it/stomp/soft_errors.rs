//! `soft-errors:true`: a rejected frame is reported in a MESSAGE and does not end the connection.

use crate::support::frame::Frame;
use crate::support::sign_in::{by_token, with_tokens};
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Wire, on_each_wire};

#[track_caller]
fn connect_soft(broker: &Broker, wire: Wire, version: &str) -> Client {
    let headers = format!("{}soft-errors:true\n", by_token("alice"));
    let (mut client, _) = broker.sign_in_with(wire, version, &headers);
    client.subscribe("errors", "/user/queue/errors", "");
    client
}

/// Sends a frame and returns the MESSAGE that reports its rejection.
#[track_caller]
fn rejection_of(client: &mut Client, head: &str, message: &str) -> Frame {
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
    fn a_rejection_is_a_message_and_the_connection_stays_open(wire: Wire) {
        let broker = with_tokens(&[]);
        for version in ["1.0", "1.1", "1.2"] {
            let mut client = connect_soft(&broker, wire, version);
            // Other sessions of the user receive no report.
            let (mut other, _) = broker.sign_in(wire, &by_token("alice"));
            other.subscribe("errors", "/user/queue/errors", "");
            for (head, rejected) in [
                ("SEND\ndestination:/topic/a", "/topic/a"),
                ("SEND\ndestination:/queue/a", "/queue/a"),
                ("SUBSCRIBE\nid:1\ndestination:/queue/a", "/queue/a"),
                ("SUBSCRIBE\nid:1\ndestination:/user/bob/queue/a", "/user/bob/queue/a"),
            ] {
                let frame = rejection_of(&mut client, head, "access denied");
                assert_eq!(frame.expect_header("refused"), rejected, "{frame:?}");
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
                rejection_of(&mut client, head, message);
            }
            // The id of the rejected SUBSCRIBE is free. The rejection of a frame without a receipt is reported, too.
            client.subscribe("1", "/topic/a", "");
            client.send("SEND\ndestination:/topic/a\n\n\0");
            let frame = client.expect("MESSAGE", &[("message", "access denied")], &frame_text("/topic/a"));
            assert_eq!(frame.header("receipt-id"), None);
            client.expect_quiet_as_user();
            other.expect_quiet_as_user();
            client.disconnect();
        }
    }

    fn reached_limits_are_soft_errors(wire: Wire) {
        let flags = ["--subscriptions-max=3", "--queue-messages-max=1", "--default-permissions=open", "--queues-max=2"];
        let broker = with_tokens(&flags);
        let mut client = connect_soft(&broker, wire, "1.2");
        client.subscribe("1", "/topic/a", "");
        client.subscribe("2", "/topic/a", "");
        let subscribe = "SUBSCRIBE\nid:3\ndestination:/topic/a";
        let frame = rejection_of(&mut client, subscribe, "too many subscriptions");
        assert!(frame.text().contains("subscriptions-max"), "{frame:?}");
        client.publish("/queue/a", "first");
        let frame = rejection_of(&mut client, "SEND\ndestination:/queue/a", "limit reached");
        assert!(frame.text().contains("queue-messages-max"), "{frame:?}");
        client.done("UNSUBSCRIBE\nid:2\nreceipt:done\n\n\0");
        client.publish("/queue/b", "second");
        let frame = rejection_of(&mut client, "SUBSCRIBE\nid:3\ndestination:/queue/c", "limit reached");
        assert!(frame.text().contains("queues-max"), "{frame:?}");
        for limit in ["subscriptions-max", "queue-messages-max", "queues-max"] {
            assert_eq!(broker.limit_hits(limit), 1, "{limit}");
        }
        // A rejected subscription does not count towards `subscriptions-max`.
        client.subscribe("3", "/topic/b", "");
        client.disconnect();
        broker.wait_for_metric("subscriptions", 0);
    }

    fn a_transaction_with_a_rejected_frame_cannot_be_committed(wire: Wire) {
        let broker = with_tokens(&["--permission", "allow send users /topic/good"]);
        let mut client = connect_soft(&broker, wire, "1.2");
        client.subscribe("1", "/topic/good", "");
        client.send("BEGIN\ntransaction:t\n\n\0");
        client.send_with_receipt("/topic/good", "transaction:t\n", "never");
        rejection_of(&mut client, "SEND\ndestination:/topic/bad\ntransaction:t", "access denied");
        client.send_with_receipt("/topic/good", "transaction:t\n", "never");
        // ABORT is still accepted.
        client.done("ABORT\ntransaction:t\nreceipt:done\n\n\0");
        client.send("BEGIN\ntransaction:t\n\n\0");
        client.send_with_receipt("/topic/good", "transaction:t\n", "done");
        client.done("COMMIT\ntransaction:t\nreceipt:done\n\n\0");
        client.expect_message("/topic/good", "done");
        client.send("BEGIN\ntransaction:u\n\n\0");
        client.send_with_receipt("/topic/good", "transaction:u\n", "never");
        rejection_of(&mut client, "SEND\ndestination:/topic/bad\ntransaction:u", "access denied");
        client.send("COMMIT\ntransaction:u\nreceipt:c\n\n\0");
        client.expect_error(&[("message", "transaction cannot be committed"), ("receipt-id", "c")]);
        broker.wait_for_metric("transactions", 0);
    }

    fn rejected_acks_nacks_and_unsubscribes_are_soft_errors(wire: Wire) {
        let broker = with_tokens(&[]);
        for (version, name) in [("1.0", "message-id:7"), ("1.1", "message-id:7\nsubscription:1"), ("1.2", "id:7")] {
            let mut client = connect_soft(&broker, wire, version);
            client.subscribe("1", "/topic/a", "ack:client\n");
            rejection_of(&mut client, &format!("ACK\n{name}"), "nothing to settle");
            let message = if version == "1.0" { "NACK is not known in 1.0" } else { "nothing to settle" };
            rejection_of(&mut client, &format!("NACK\n{name}"), message);
            rejection_of(&mut client, "UNSUBSCRIBE\nx:y", "missing header");
            client.disconnect();
        }
    }

    fn unknown_transactions_and_commands_still_end_the_connection(wire: Wire) {
        let broker = with_tokens(&[]);
        for (frame, message) in [
            ("ABORT\ntransaction:7\n\n\0", "unknown transaction"),
            ("COMMIT\ntransaction:7\n\n\0", "unknown transaction"),
            ("BOGUS\n\n\0", "unknown command"),
        ] {
            let mut client = connect_soft(&broker, wire, "1.2");
            client.send(frame);
            let error = client.expect_error(&[]);
            let summary = error.expect_header("message");
            assert!(summary.contains(message.split(' ').next_back().unwrap_or("")), "{error:?}");
        }
    }

    fn without_soft_errors_a_rejection_is_an_error_and_the_end(wire: Wire) {
        let broker = with_tokens(&[]);
        for ask in ["", "soft-errors:false\n", "soft-errors:\n"] {
            let (mut client, _) = broker.sign_in(wire, &format!("{}{ask}", by_token("alice")));
            client.subscribe("errors", "/user/queue/errors", "");
            client.send("SEND\ndestination:/topic/a\nreceipt:r\n\n\0");
            let headers = [("message", "access denied"), ("destination", "/topic/a"), ("receipt-id", "r")];
            client.expect_error(&headers);
        }
    }

    fn clients_cannot_forge_soft_errors(wire: Wire) {
        let broker = with_tokens(&[]);
        let mut alice = connect_soft(&broker, wire, "1.2");
        for destination in ["/user/alice/queue/errors", "/users/queue/errors", "/user/queue/errors"] {
            let (mut bob, _) = broker.sign_in(wire, &by_token("bob"));
            let fake = "to:alice\nmessage:access denied\nreceipt-id:r\n";
            bob.send(&format!("SEND\ndestination:{destination}\n{fake}\nx\0"));
            bob.expect_error(&[("message", "access denied")]);
        }
        // The first message that alice receives is a report of the broker.
        alice.send("SEND\ndestination:/topic/a\nreceipt:own\n\n\0");
        alice.expect("MESSAGE", &[("receipt-id", "own")], &frame_text("/topic/a"));
    }
}

fn frame_text(destination: &str) -> String {
    format!(
        "This user may not send to \"{destination}\". The operator of the broker can allow it with a rule (option permission)."
    )
}

#[test]
fn sockjs_clients_receive_soft_errors() {
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
