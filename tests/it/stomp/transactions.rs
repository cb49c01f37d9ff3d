//! BEGIN, COMMIT, ABORT.

use crate::support::{Broker, Wire, on_each_wire};

on_each_wire! {
    fn commit_publishes_all_in_order(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "");
        client.done("BEGIN\ntransaction:t\nreceipt:done\n\n\0");
        for number in 0..10 {
            client.done(&format!("SEND\ndestination:/topic/a\ntransaction:t\nreceipt:done\n\n{number}\0"));
        }
        client.expect_quiet();
        client.send("COMMIT\ntransaction:t\n\n\0");
        for number in 0..10 {
            let message = client.expect("MESSAGE", &[], &number.to_string());
            assert_eq!(message.header("transaction"), None);
        }
        client.disconnect();
    }

    fn abort_publishes_nothing(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.done(
            "BEGIN\ntransaction:t\n\n\0SEND\ndestination:/queue/a\ntransaction:t\n\nhi\0\
             ABORT\ntransaction:t\nreceipt:done\n\n\0",
        );
        assert_eq!(broker.metric("queue_messages"), 0);
        assert_eq!(broker.metric("transactions"), 0);
        client.disconnect();
    }

    fn a_lost_connection_aborts(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.done("BEGIN\ntransaction:t\n\n\0SEND\ndestination:/queue/a\ntransaction:t\nreceipt:done\n\nhi\0");
        assert_eq!(broker.metric("transactions"), 1);
        client.reset();
        broker.wait_for_metric("transactions", 0);
        assert_eq!(broker.metric("queue_messages"), 0);
    }

    fn disconnect_aborts(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("BEGIN\ntransaction:t\n\n\0SEND\ndestination:/queue/a\ntransaction:t\n\nhi\0");
        client.disconnect();
        broker.wait_for_metric("transactions", 0);
        assert_eq!(broker.metric("queue_messages"), 0);
    }

    fn an_aborted_ack_leaves_the_message_unsettled(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/queue/a", "ack:client-individual\n");
        client.send("SEND\ndestination:/queue/a\n\nhi\0");
        let ack = client.expect("MESSAGE", &[], "hi").expect_header("ack").to_string();
        client.done(&format!(
            "BEGIN\ntransaction:t\n\n\0ACK\nid:{ack}\ntransaction:t\n\n\0ABORT\ntransaction:t\nreceipt:done\n\n\0"
        ));
        assert_eq!(broker.metric("queue_messages"), 1);
        client.done(&format!("ACK\nid:{ack}\nreceipt:done\n\n\0"));
        assert_eq!(broker.metric("queue_messages"), 0);
        client.disconnect();
    }

    fn a_committed_ack_settles_and_a_committed_nack_requeues(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/queue/a", "ack:client-individual\n");
        client.send("SEND\ndestination:/queue/a\n\nkeep\0SEND\ndestination:/queue/a\n\nreturn\0");
        let keep = client.expect("MESSAGE", &[], "keep").expect_header("ack").to_string();
        let back = client.expect("MESSAGE", &[], "return").expect_header("ack").to_string();
        client.done(&format!(
            "BEGIN\ntransaction:t\n\n\0ACK\nid:{keep}\ntransaction:t\n\n\0\
             NACK\nid:{back}\ntransaction:t\nreceipt:done\n\n\0"
        ));
        assert_eq!(broker.metric("queue_messages"), 2);
        client.done("COMMIT\ntransaction:t\nreceipt:done\n\n\0");
        client.expect("MESSAGE", &[("redelivered", "true")], "return");
        assert_eq!(broker.metric("queue_messages"), 1);
        client.disconnect();
    }

    fn transactions_of_one_connection_do_not_mix(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "");
        client.done(
            "BEGIN\ntransaction:t\n\n\0BEGIN\ntransaction:u\n\n\0\
             SEND\ndestination:/topic/a\ntransaction:t\n\nt\0SEND\ndestination:/topic/a\ntransaction:u\n\nu\0\
             SEND\ndestination:/topic/a\ntransaction:t\n\nt\0ABORT\ntransaction:t\nreceipt:done\n\n\0",
        );
        client.send("COMMIT\ntransaction:u\n\n\0");
        client.expect("MESSAGE", &[], "u");
        client.expect_quiet();
        client.disconnect();
    }

    fn transaction_ids_are_local_to_their_connection(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut one = broker.connect(wire);
        let mut two = broker.connect(wire);
        one.done("BEGIN\ntransaction:t\nreceipt:done\n\n\0");
        two.done("BEGIN\ntransaction:t\nreceipt:done\n\n\0");
        one.disconnect();
        two.done("COMMIT\ntransaction:t\nreceipt:done\n\n\0");
        two.disconnect();
    }

    fn an_unknown_or_repeated_transaction_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        for frame in [
            "SEND\ndestination:/queue/a\ntransaction:x",
            "COMMIT\ntransaction:x",
            "ABORT\ntransaction:x",
            "BEGIN\ntransaction:open",
            "BEGIN",
            "COMMIT",
        ] {
            let mut client = broker.connect(wire);
            client.done("BEGIN\ntransaction:open\nreceipt:done\n\n\0");
            client.send(&format!("{frame}\nreceipt:5\n\n\0"));
            client.expect_error(&[("receipt-id", "5")]);
        }
        assert_eq!(broker.metric("queue_messages"), 0);
    }

    fn a_commit_is_all_or_nothing(wire: Wire) {
        let broker = Broker::start(&["--queue-messages-max", "2"]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "");
        let send = |destination: &str| format!("SEND\ndestination:{destination}\ntransaction:t\n\nhi\0");
        client.send("BEGIN\ntransaction:t\n\n\0");
        for destination in ["/topic/a", "/queue/a", "/queue/a", "/queue/a"] {
            client.send(&send(destination));
        }
        client.send("COMMIT\ntransaction:t\nreceipt:5\n\n\0");
        client.expect_error(&[("receipt-id", "5")]);
        assert_eq!(broker.metric("queue_messages"), 0);
    }
}
