//! Version negotiation, and the differences between the versions.

use crate::support::{Broker, Wire, on_each_wire};

on_each_wire! {
    fn the_highest_common_version_is_chosen(wire: Wire) {
        let broker = Broker::start(&[]);
        let table = [
            ("1.0", "1.0"),
            ("1.1", "1.1"),
            ("1.2", "1.2"),
            ("1.2,1.1,1.0", "1.2"),
            ("1.0,1.1", "1.1"),
            ("1.0, 1.2", "1.2"),
            ("1.1,1.3,2.0", "1.1"),
        ];
        for (accepted, chosen) in table {
            let mut client = broker.open(wire);
            client.send(&format!("CONNECT\naccept-version:{accepted}\nhost:a\n\n\0"));
            client.expect("CONNECTED", &[("version", chosen)], "");
            client.disconnect();
        }
    }

    fn without_accept_version_it_is_1_0(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send("CONNECT\n\n\0");
        client.expect("CONNECTED", &[("version", "1.0")], "");
        client.disconnect();
    }

    fn without_a_common_version_the_error_lists_the_supported_versions(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.3,2.0\nhost:a\n\n\0");
        let error = client.expect_error(&[("version", "1.0,1.1,1.2")]);
        assert!(error.text().contains("Supported protocol versions are 1.0 1.1 1.2"), "{error:?}");
    }

    fn escapes_of_1_2_come_back_as_sent(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "");
        client.send("SEND\ndestination:/topic/a\nodd\\cname:a\\nb\\rc\\\\d\\ce\n\nx\0");
        client.expect("MESSAGE", &[("odd:name", "a\nb\rc\\d:e")], "x");
        client.disconnect();
    }

    fn version_1_1_has_no_escape_for_carriage_return(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect_with(wire, "1.1");
        client.subscribe("1", "/topic/a", "");
        client.send("SEND\ndestination:/topic/a\nodd:a\\nb\\\\c\\cd\n\nx\0");
        client.expect("MESSAGE", &[("odd", "a\nb\\c:d")], "x");
        client.send("SEND\ndestination:/topic/a\nodd:a\\rb\n\nx\0");
        client.expect_error(&[]);
    }

    fn version_1_0_has_no_escapes(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut old = broker.connect_with(wire, "1.0");
        let mut new = broker.connect(wire);
        new.subscribe("1", "/topic/a", "");
        old.done("SEND\ndestination:/topic/a\npath:C\\new\\d\nreceipt:done\n\nx\0");
        new.expect("MESSAGE", &[("path", "C\\new\\d")], "x");
        old.disconnect();
        new.disconnect();
    }

    fn an_unknown_escape_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.1", "1.2"] {
            let mut client = broker.connect_with(wire, version);
            client.send("SEND\ndestination:/topic/a\nodd:a\\tb\n\nx\0");
            client.expect_error(&[]);
        }
    }

    fn a_1_0_subscription_may_have_no_id(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect_with(wire, "1.0");
        client.done("SUBSCRIBE\ndestination:/topic/a\nreceipt:done\n\n\0");
        client.publish("/topic/b", "elsewhere");
        client.send("SEND\ndestination:/topic/a\n\nhi\0");
        let message = client.expect("MESSAGE", &[("destination", "/topic/a")], "hi");
        assert_eq!(message.header("subscription"), None);
        assert!(!message.expect_header("message-id").is_empty());
        client.done("UNSUBSCRIBE\ndestination:/topic/a\nreceipt:done\n\n\0");
        client.publish("/topic/a", "late");
        client.disconnect();
    }

    fn a_subscription_needs_an_id_from_1_1_on(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.1", "1.2"] {
            let mut client = broker.connect_with(wire, version);
            client.send("SUBSCRIBE\ndestination:/topic/a\nreceipt:5\n\n\0");
            client.expect_error(&[("receipt-id", "5")]);
        }
    }

    fn one_message_reaches_subscribers_of_all_versions(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut subscribers = ["1.0", "1.1", "1.2"].map(|version| broker.connect_with(wire, version));
        for subscriber in &mut subscribers {
            subscriber.subscribe("s", "/topic/all", "");
        }
        let mut publisher = broker.connect(wire);
        publisher.done("SEND\ndestination:/topic/all\nkind:plain\nreceipt:done\n\nhi\0");
        for subscriber in &mut subscribers {
            let headers = [("subscription", "s"), ("destination", "/topic/all"), ("kind", "plain")];
            subscriber.expect("MESSAGE", &headers, "hi");
        }
    }
}
