//! Slow consumers and bursts: who is slow pays for it, nobody else does, and a backlog is not a burst.

use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use std::thread::JoinHandle;

/// Reads `count` MESSAGEs whose bodies begin with their number, on a thread of its own.
fn reader(mut client: Client, count: usize) -> JoinHandle<Client> {
    std::thread::spawn(move || {
        for number in 0..count {
            let (_, body) = client.message();
            assert_eq!(body.split(' ').next(), Some(number.to_string().as_str()));
        }
        client
    })
}

on_each_wire! {
    fn a_backlog_of_100_000_meets_one_slow_consumer(wire: Wire) {
        const COUNT: usize = 100_000;
        let broker = Broker::start(&["--outbox-bytes-max", "2200KiB"]);
        let mut publisher = broker.connect(Wire::Tcp);
        for first in (0..COUNT).step_by(1000) {
            let frames = (first..first + 1000).map(|n| format!("SEND\ndestination:/queue/a\n\n{n} of many\0"));
            publisher.send(&frames.collect::<String>());
        }
        publisher.publish("/topic/a", "all sent");
        assert_eq!(broker.metric("queue_messages"), COUNT as i64);
        let mut consumer = broker.connect(wire);
        consumer.subscribe("1", "/queue/a", "");
        for number in 0..COUNT {
            consumer.expect("MESSAGE", &[], &format!("{number} of many"));
            if number % 1000 == 0 {
                // Slow: something else is done in between.
                broker.get("/health");
            }
        }
        broker.until("queue_messages", 0);
        consumer.disconnect();
        publisher.disconnect();
    }

    fn a_stalled_subscriber_among_20_is_closed_and_the_others_receive_all(wire: Wire) {
        let broker = Broker::start(&[
            "--outbox-bytes-max=256KiB",
            "--frame-bytes-max=64KiB",
            "--burst-patience=200ms",
        ]);
        let mut stalled = broker.connect(wire);
        stalled.subscribe("1", "/topic/a", "");
        let others: Vec<Client> = (0..19).map(|_| broker.connect(wire)).collect();
        let others = others.into_iter().map(|mut client| {
            client.subscribe("1", "/topic/a", "");
            client
        });
        let count = 10_000;
        let readers: Vec<_> = others.map(|client| reader(client, count)).collect();
        let mut publisher = broker.connect(Wire::Tcp);
        let padding = "x".repeat(1000);
        for number in 0..count {
            publisher.send(&format!("SEND\ndestination:/topic/a\n\n{number} {padding}\0"));
        }
        publisher.publish("/topic/b", "all sent");
        for reader in readers {
            let mut client = reader.join().expect("everything arrives, in order");
            client.expect_quiet();
        }
        broker.until("limit_hits_total{limit=\"outbox-bytes-max\"}", 1);
        // It comes to itself in time to learn why it is closed.
        let mut received = 0;
        let last = loop {
            match stalled.event() {
                Event::Frame(frame) if frame.command == "MESSAGE" => received += 1,
                Event::Frame(frame) => break frame,
                other => panic!("{other:?} behind {received} messages"),
            }
        };
        assert_eq!(last.command, "ERROR", "the last word to a slow consumer");
        assert!(received < count, "it was not stalled");
        stalled.expect_end();
        broker.until("connections_closed_total{reason=\"slow-consumer\"}", 1);
    }

    fn a_burst_of_2_000_reaches_200_subscribers(wire: Wire) {
        let broker = Broker::start(&[]);
        let clients: Vec<Client> = (0..200)
            .map(|_| {
                let mut client = broker.connect(wire);
                client.subscribe("1", "/topic/a", "");
                client
            })
            .collect();
        let mut publisher = broker.connect(wire);
        let frames = (0..2000).map(|number| format!("SEND\ndestination:/topic/a\n\n{number} burst\0"));
        publisher.send(&frames.collect::<String>());
        let readers: Vec<_> = clients.into_iter().map(|client| reader(client, 2000)).collect();
        for reader in readers {
            reader.join().expect("everything arrives, in order");
        }
        publisher.publish("/topic/b", "still there");
        assert_eq!(broker.metric("connections_closed_total{reason=\"slow-consumer\"}"), 0);
    }
}
