//! Slow or numerous clients do not affect others, and healthy clients are not disconnected.

use crate::support::{Broker, Client, HANG_TIMEOUT, Wire, on_each_wire};
use std::time::{Duration, Instant};

on_each_wire! {
    fn a_slow_reader_that_sends_heartbeats_is_not_disconnected(wire: Wire) {
        const COUNT: usize = 8;
        let broker = Broker::start(&["--heart-beat=1000,1000", "--stall-timeout=60s"]);
        let mut publisher = broker.connect(Wire::Tcp);
        let body = "x".repeat(1_900_000);
        for _ in 0..COUNT {
            publisher.publish("/queue/a", &body);
        }
        let mut reader = broker.open(wire);
        reader.shrink_receive_buffer();
        reader.send("CONNECT\naccept-version:1.2\nhost:a\nheart-beat:1000,0\n\n\0");
        reader.expect("CONNECTED", &[], "");
        reader.send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0");
        // Reading one message takes longer than the heartbeat timeout.
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(6) {
            assert!(reader.read_ahead(100_000), "disconnected after {:?}", started.elapsed());
            reader.send("\n");
            let pause = Instant::now();
            while pause.elapsed() < Duration::from_millis(150) {
                assert!(broker.metric("queue_messages") > 0, "the reader must be slower than the broker");
            }
        }
        for _ in 0..COUNT {
            assert_eq!(reader.message().1.len(), body.len());
            reader.send("\n");
        }
        reader.disconnect();
    }

    fn one_slow_client_with_many_subscriptions_is_closed_and_healthy_clients_continue(wire: Wire) {
        const COUNT: usize = 4000;
        let broker =
            Broker::start(&["--outbound-queue-bytes-max=4MiB", "--frame-bytes-max=64KiB", "--slow-consumer-grace=500ms"]);
        let mut slow = broker.connect(wire);
        slow.shrink_receive_buffer();
        for id in 0..10 {
            slow.subscribe(&id.to_string(), "/topic/a", "");
        }
        let healthy = [0, 1, 2].map(|_| {
            let mut client = broker.connect(wire);
            client.subscribe("1", "/topic/a", "");
            std::thread::spawn(move || {
                for number in 0..COUNT {
                    let (_, body) = client.message();
                    assert_eq!(body.split(' ').next(), Some(number.to_string().as_str()));
                }
                client
            })
        });
        let mut publisher = broker.connect(wire);
        let padding = "x".repeat(1000);
        let publishing = std::thread::spawn(move || {
            for number in 0..COUNT {
                publisher.send(&format!("SEND\ndestination:/topic/a\n\n{number} {padding}\0"));
            }
            publisher.publish("/topic/b", "all sent");
        });
        // The slow client keeps reading. It has 10 of the 13 subscriptions, but is only one of four receivers. If the
        // broker counted subscriptions, most receivers would be behind, and publishers would wait without limit.
        let reason = "connections_closed_total{reason=\"slow-consumer\"}";
        let started = Instant::now();
        while broker.limit_hits("outbound-queue-bytes-max") == 0 {
            assert!(started.elapsed() < HANG_TIMEOUT, "all receivers wait for one slow client");
            slow.read_ahead(40_000);
            broker.request_health_for(Duration::from_millis(40));
        }
        publishing.join().expect("the publisher does not panic");
        for client in healthy {
            client.join().expect("everything arrives, in order").expect_quiet();
        }
        drop(slow);
        broker.wait_for_metric(reason, 1);
    }

    fn a_commit_of_thousands_of_messages_reaches_a_healthy_subscriber(wire: Wire) {
        const COUNT: usize = 9990;
        let broker = Broker::start(&["--transaction-bytes-max=64MiB"]);
        let mut subscriber = broker.connect(wire);
        subscriber.subscribe("1", "/topic/a", "");
        let mut publisher = broker.connect(wire);
        publisher.send("BEGIN\ntransaction:1\n\n\0");
        let padding = "x".repeat(294);
        for number in 0..COUNT {
            publisher.send(&format!("SEND\ndestination:/topic/a\ntransaction:1\n\n{number:05} {padding}\0"));
        }
        let committing = std::thread::spawn(move || publisher.done("COMMIT\ntransaction:1\nreceipt:done\n\n\0"));
        for number in 0..COUNT {
            assert_eq!(subscriber.message().1, format!("{number:05} {padding}"));
        }
        committing.join().expect("the commit succeeds");
        subscriber.expect_quiet();
    }

    fn a_burst_of_large_messages_from_12_publishers_reaches_a_healthy_subscriber(wire: Wire) {
        // 12 messages of 1 MB are less than four times `outbound-queue-bytes-max`, which an outbound queue may hold
        // during the grace period.
        const COUNT: usize = 12;
        let broker = Broker::start(&[]);
        let mut subscriber = broker.connect(wire);
        subscriber.subscribe("1", "/topic/a", "");
        let publishers: Vec<Client> = (0..COUNT).map(|_| broker.connect(wire)).collect();
        let publishing: Vec<_> = publishers
            .into_iter()
            .map(|mut client| std::thread::spawn(move || client.publish("/topic/a", &"x".repeat(1_000_000))))
            .collect();
        for number in 0..COUNT {
            assert_eq!(subscriber.message().1.len(), 1_000_000, "message {number}");
        }
        publishing.into_iter().for_each(|one| one.join().expect("a RECEIPT arrives"));
        subscriber.expect_quiet();
    }

    fn destinations_with_too_many_segments_or_wildcards_get_an_error(wire: Wire) {
        let broker = Broker::start(&[]);
        let long = "a.".repeat(64) + "a";
        for (frame, detail) in [
            (format!("SUBSCRIBE\nid:1\ndestination:/topic/{long}\n\n\0"), "65 segments"),
            (format!("SUBSCRIBE\nid:1\ndestination:/topic/{long}.*\n\n\0"), "66 segments"),
            (format!("SEND\ndestination:/topic/{long}\n\n\0"), "65 segments"),
            ("SUBSCRIBE\nid:1\ndestination:/topic/**.a.**.b.**.c.**.d.**\n\n\0".into(), "5 wildcards"),
        ] {
            let mut client = broker.connect(wire);
            client.send(&frame);
            let error = client.expect_error(&[]);
            assert!(error.text().contains(detail), "{error:?}");
        }
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/**.a.**.b.**.c.**.d", "");
        client.publish(&format!("/topic/{}", &long[2..]), "64 are not too many");
        client.disconnect();
    }

    fn hundreds_of_expensive_patterns_do_not_stop_the_broker(wire: Wire) {
        let broker = Broker::start(&["--subscription-bytes-max=64MiB"]);
        let mut subscriber = broker.connect(wire);
        let literals = |count: usize| "a.".repeat(count);
        let mut patterns = (1..58).flat_map(|i| (1..58).flat_map(move |j| (1..58).map(move |k| (i, j, k))));
        let patterns = patterns.by_ref().filter(|(i, j, k)| i + j + k < 59).step_by(29).take(900);
        let frames: Vec<String> = patterns
            .enumerate()
            .map(|(id, (i, j, k))| {
                let rest = literals(60 - i - j - k);
                let pattern = format!("**.{}**.{}**.{}**.{rest}", literals(i), literals(j), literals(k));
                let pattern = pattern.trim_end_matches('.');
                format!("SUBSCRIBE\nid:{id}\ndestination:/topic/{pattern}\n\n\0")
            })
            .collect();
        assert_eq!(frames.len(), 900);
        subscriber.send(&frames.concat());
        subscriber.subscribe("last", "/topic/b", "");
        assert_eq!(broker.metric("subscriptions"), 901);
        let mut publisher = broker.connect(wire);
        publisher.publish(&format!("/topic/{}a", literals(63)), "hi");
        for _ in 0..900 {
            subscriber.expect("MESSAGE", &[], "hi");
        }
        subscriber.expect_quiet();
    }
}
