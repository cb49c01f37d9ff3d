//! Slow consumers and bursts. Only a slow consumer is closed, not a consumer that works through a backlog.

use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use std::thread::JoinHandle;

/// Reads `count` MESSAGEs whose bodies begin with their number, on a thread of its own. Returns the client.
fn reader(mut client: Client, count: usize) -> JoinHandle<Client> {
    std::thread::spawn(move || {
        for number in 0..count {
            let (_, body) = client.message();
            assert_eq!(body.split(' ').next(), Some(number.to_string().as_str()));
        }
        client
    })
}

/// Waits until the socket buffers are full, so that the number of deliveries stays the same. Returns this number.
#[track_caller]
fn wait_until_full(broker: &Broker) -> usize {
    let mut seen = vec![broker.metric("deliveries_total")];
    while seen.len() < 10 {
        let now = broker.metric("deliveries_total");
        if now != seen[0] {
            seen.clear();
        }
        seen.push(now);
    }
    usize::try_from(seen[0]).expect("a counter is not negative")
}

on_each_wire! {
    fn a_consumer_that_pauses_repeatedly_receives_a_backlog_of_100_000(wire: Wire) {
        const COUNT: usize = 100_000;
        const STOP_EVERY: usize = 20_000;
        let padding = "x".repeat(1000);
        // Some bodies are large, so that the backlog exceeds the socket buffers.
        let body = |number: usize| match number / 10_000 {
            1 | 4 | 7 => format!("{number} of many {padding}"),
            _ => format!("{number} of many"),
        };
        let broker = Broker::start(&["--outbound-queue-bytes-max", "2200KiB"]);
        let mut publisher = broker.connect(Wire::Tcp);
        for first in (0..COUNT).step_by(1000) {
            let frames =
                (first..first + 1000).map(|number| format!("SEND\ndestination:/queue/a\n\n{}\0", body(number)));
            publisher.send(&frames.collect::<String>());
        }
        publisher.publish("/topic/a", "all sent");
        assert_eq!(broker.metric("queue_messages"), COUNT as i64);
        let mut consumer = broker.connect(wire);
        consumer.subscribe("1", "/queue/a", "");
        let mut stops = 0;
        for number in 0..COUNT {
            if number % STOP_EVERY == 0 {
                let handed = wait_until_full(&broker);
                assert!(handed >= number, "{handed} were delivered, but {number} were read");
                stops += usize::from(number < handed && handed < COUNT);
            }
            consumer.expect("MESSAGE", &[], &body(number));
        }
        assert!(stops >= 3, "the consumer paused only {stops} times");
        broker.wait_for_metric("queue_messages", 0);
        assert_eq!(broker.metric("deliveries_total"), COUNT as i64);
        assert_eq!(broker.metric("redeliveries_total"), 0);
        assert_eq!(broker.metric("limit_hits_total"), 0);
        consumer.disconnect();
        publisher.disconnect();
        // No other connection was closed.
        broker.wait_for_metric("connections_closed_total{reason=\"disconnected\"}", 2);
        assert_eq!(broker.metric("connections_closed_total"), 2);
    }

    fn a_stalled_subscriber_is_closed_and_19_others_receive_all_messages(wire: Wire) {
        // Even on a busy machine a healthy subscriber is late by less than `slow-consumer-grace`. If publishers waited
        // for this time at each message, the test would not end.
        let broker = Broker::start(&[
            "--outbound-queue-bytes-max=256KiB",
            "--frame-bytes-max=64KiB",
            "--slow-consumer-grace=4s",
            "--stall-timeout=1h",
            "--linger=1h",
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
            reader.join().expect("everything arrives, in order").expect_quiet();
        }
        broker.wait_for_metric("limit_hits_total{limit=\"outbound-queue-bytes-max\"}", 1);
        // The stalled client reads again before the broker closes its connection, so that it receives the reason.
        let mut received = 0;
        let last = loop {
            match stalled.event() {
                Event::Frame(frame) if frame.command == "MESSAGE" => received += 1,
                Event::Frame(frame) => break frame,
                other => panic!("{other:?} after {received} messages"),
            }
        };
        assert_eq!(last.command, "ERROR", "the last frame to a slow consumer");
        assert!(last.text().starts_with("More than 262144 bytes waited for this client"), "{last:?}");
        assert!(received < count, "the subscriber was not stalled");
        stalled.expect_end();
        drop(stalled);
        broker.wait_for_metric("connections_closed_total{reason=\"slow-consumer\"}", 1);
    }

    fn a_burst_of_2_000_messages_reaches_200_subscribers(wire: Wire) {
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
