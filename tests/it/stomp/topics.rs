//! Topics: every matching subscription receives its own copy.

use crate::support::client::publish;
use crate::support::{Broker, Wire, on_each_wire};

on_each_wire! {
    fn every_subscription_gets_a_copy(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut one = broker.connect(wire);
        let mut two = broker.connect(wire);
        one.subscribe("a", "/topic/news", "");
        one.subscribe("b", "/topic/news", "");
        two.subscribe("a", "/topic/news", "");
        publish(&broker, "/topic/news", "hi");
        let mut copies = [one.message().0, one.message().0];
        copies.sort();
        assert_eq!(copies, ["a", "b"]);
        two.expect("MESSAGE", &[("subscription", "a"), ("destination", "/topic/news")], "hi");
        one.expect_quiet();
        two.expect_quiet();
    }

    fn wildcards_stand_for_whole_segments(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        let patterns = [
            ("exact", "a.b"),
            ("star", "a.*"),
            ("hash", "a.#"),
            ("greater", "a.>"),
            ("all", "**"),
            ("inner", "*/b"),
            ("middle", "a/**/z"),
        ];
        for (id, pattern) in patterns {
            client.subscribe(id, &format!("/topic/w/{pattern}"), "");
        }
        let expected = [
            ("a.b", "all exact greater hash inner star"),
            ("a/b", "all greater hash inner star"),
            ("a.b.c", "all greater hash"),
            ("a", "all greater hash"),
            ("b", "all"),
            ("c/b", "all inner"),
            ("a.z", "all greater hash middle star"),
            ("a.b/c.z", "all greater hash middle"),
        ];
        for (name, subscriptions) in expected {
            client.send(&format!("SEND\ndestination:/topic/w/{name}\n\n\0"));
            let mut reached: Vec<_> = subscriptions.split(' ').map(|_| client.message().0).collect();
            reached.sort();
            assert_eq!(reached.join(" "), subscriptions, "{name}");
        }
        client.expect_quiet();
        client.disconnect();
    }

    fn names_are_compared_byte_by_byte(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/Straße.a", "");
        for other in ["/topic/straße.a", "/topic/Strasse.a", "/topic/Straße/a", "/topic/Straße.a.b"] {
            client.publish(other, "other");
        }
        client.send("SEND\ndestination:/topic/Straße.a\n\nsame\0");
        client.expect("MESSAGE", &[("destination", "/topic/Straße.a")], "same");
        client.disconnect();
    }

    fn all_subscribers_see_the_same_order(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut subscribers = [broker.connect(wire), broker.connect(wire)];
        for subscriber in &mut subscribers {
            subscriber.subscribe("1", "/topic/order", "");
        }
        let mut publishers = [broker.connect(wire), broker.connect(wire)];
        for number in 0..200 {
            for (name, publisher) in publishers.iter_mut().enumerate() {
                publisher.send(&format!("SEND\ndestination:/topic/order\nname:{name}\n\n{number}\0"));
            }
        }
        let [first, second] = subscribers.map(|mut subscriber| {
            let frames = (0..400).map(|_| subscriber.frame("MESSAGE"));
            frames.map(|frame| (frame.expect_header("name").to_string(), frame.text())).collect::<Vec<_>>()
        });
        assert_eq!(first, second, "all subscribers must see the same order");
        for name in ["0", "1"] {
            let own = first.iter().filter(|(from, _)| from == name).map(|(_, body)| body.clone());
            assert_eq!(own.collect::<Vec<_>>(), (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
        }
    }

    fn headers_come_back_as_sent(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "");
        let long = "x".repeat(8000);
        client.send(&format!(
            "SEND\ndestination:/topic/a\ncontent-type:text/plain;charset=utf-8\ntimestamp:5\nreply-to:/queue/b\n\
             empty:\n padded : both \nlong:{long}\nä:ö\ntwice:first\ntwice:second\n\nbödy\0"
        ));
        let headers = [
            ("content-type", "text/plain;charset=utf-8"),
            ("timestamp", "5"),
            ("reply-to", "/queue/b"),
            ("empty", ""),
            (" padded ", " both "),
            ("long", &long),
            ("ä", "ö"),
            ("twice", "first"),
            ("content-length", "5"),
        ];
        client.expect("MESSAGE", &headers, "bödy");
        client.disconnect();
    }

    fn headers_set_by_the_broker_cannot_be_forged(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("mine", "/topic/a", "");
        client.send(
            "SEND\ndestination:/topic/a\nmessage-id:forged\nsubscription:forged\nack:forged\nseq:1\n\
             epoch:1\nredelivered:true\ndelivery-count:9\nuser-name:root\nsession:forged\nlogin:l\npasscode:p\n\
             kept:yes\nreceipt:r\n\nhi\0",
        );
        let mut frames = [client.event(), client.event()].map(|event| match event {
            crate::support::Event::Frame(frame) => frame,
            other => panic!("expected a frame, got {other:?}"),
        });
        frames.sort_by(|left, right| left.command.cmp(&right.command));
        let message = &frames[0];
        assert_eq!(message.expect_header("subscription"), "mine");
        assert_ne!(message.expect_header("message-id"), "forged");
        assert_eq!(message.expect_header("kept"), "yes");
        let gone = ["ack", "seq", "epoch", "redelivered", "delivery-count", "user-name", "session", "login", "passcode"];
        for name in gone.iter().chain(&["receipt"]) {
            assert_eq!(message.header(name), None, "{message:?}");
        }
        for name in ["destination", "message-id", "subscription", "content-length"] {
            assert_eq!(message.headers.iter().filter(|(other, _)| other == name).count(), 1, "{message:?}");
        }
        client.disconnect();
    }

    fn a_body_may_contain_any_byte(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "");
        let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let head = format!("SEND\ndestination:/topic/a\ncontent-length:{}\n\n", body.len());
        client.send_bytes(&[head.as_bytes(), &body, b"\0"].concat());
        let message = client.frame("MESSAGE");
        assert!(message.body == body, "{} bytes came back changed", message.body.len());
        client.disconnect();
    }

    fn messages_are_not_kept_for_later_subscribers(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.publish("/topic/a", "early");
        client.subscribe("1", "/topic/a", "");
        client.expect_quiet();
        client.disconnect();
    }

    fn no_message_arrives_after_unsubscribe(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/a", "");
        client.subscribe("2", "/topic/a", "");
        client.done("UNSUBSCRIBE\nid:1\nreceipt:done\n\n\0");
        client.send("SEND\ndestination:/topic/a\n\nhi\0");
        client.expect("MESSAGE", &[("subscription", "2")], "hi");
        client.expect_quiet();
        client.subscribe("1", "/topic/b", "");
        client.disconnect();
    }

    fn message_ids_are_unique(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/#", "");
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..100 {
            client.send(&format!("SEND\ndestination:/topic/a.{}\n\n\0", number % 3));
            assert!(seen.insert(client.frame("MESSAGE").expect_header("message-id").to_string()));
        }
    }
}
