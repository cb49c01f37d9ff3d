//! RECEIPT: sent for every frame that requests one, after the frame has been processed.

use crate::support::{Broker, Wire, on_each_wire};

on_each_wire! {
    fn every_frame_is_receipted(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        let frames = [
            "SUBSCRIBE\nid:1\ndestination:/topic/a\nack:auto",
            "SEND\ndestination:/topic/b",
            "BEGIN\ntransaction:t",
            "SEND\ndestination:/topic/b\ntransaction:t",
            "COMMIT\ntransaction:t",
            "BEGIN\ntransaction:t",
            "ABORT\ntransaction:t",
            "UNSUBSCRIBE\nid:1",
            "DISCONNECT",
        ];
        for (number, frame) in frames.iter().enumerate() {
            client.send(&format!("{frame}\nreceipt:r-{number}\n\n\0"));
            client.expect("RECEIPT", &[("receipt-id", &format!("r-{number}"))], "");
        }
        client.expect_closed(1000);
    }

    fn ack_and_nack_are_receipted(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/queue/a", "ack:client-individual\n");
        for command in ["NACK", "ACK"] {
            if command == "NACK" {
                client.send("SEND\ndestination:/queue/a\n\nhi\0");
            }
            let message = client.expect("MESSAGE", &[], "hi");
            client.send(&format!("{command}\nid:{}\nreceipt:r\n\n\0", message.expect_header("ack")));
            client.expect("RECEIPT", &[("receipt-id", "r")], "");
        }
        client.disconnect();
    }

    fn receipts_leave_in_order(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        let frames = (0..1000).map(|n| format!("SEND\ndestination:/topic/a.{}\nreceipt:{n}\n\n\0", n % 7));
        client.send(&frames.collect::<String>());
        for number in 0..1000 {
            client.expect("RECEIPT", &[("receipt-id", &number.to_string())], "");
        }
        client.disconnect();
    }

    fn the_receipt_of_subscribe_comes_before_its_first_message(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        for number in 0..20 {
            client.publish(&format!("/queue/a.{number}"), "waiting");
            client.send(&format!("SUBSCRIBE\nid:{number}\ndestination:/queue/a.{number}\nreceipt:r\n\n\0"));
            client.expect("RECEIPT", &[("receipt-id", "r")], "");
            client.expect("MESSAGE", &[("subscription", &number.to_string())], "waiting");
        }
        client.disconnect();
    }

    fn a_receipt_id_comes_back_byte_for_byte(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("SEND\ndestination:/topic/a\nreceipt: ä\\cb\\\\c\\n \n\n\0");
        client.expect("RECEIPT", &[("receipt-id", " ä:b\\c\n ")], "");
        client.disconnect();
    }

    fn the_receipt_of_send_is_sent_after_routing(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut publisher = broker.connect(wire);
        publisher.publish("/queue/a", "hi");
        assert_eq!(broker.metric("queue_messages"), 1);
        publisher.disconnect();
    }
}
