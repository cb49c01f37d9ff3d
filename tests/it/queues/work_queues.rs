//! Work queues: each message goes to one consumer and is kept while the queue has no consumer.

use crate::support::client::publish;
use crate::support::{Broker, Client, Wire, on_each_wire};

/// Publishes the numbers from 1 to `count` to a queue.
fn fill(broker: &Broker, queue: &str, count: usize) {
    let mut publisher = broker.connect(Wire::Tcp);
    for number in 1..=count {
        publisher.publish(queue, &number.to_string());
    }
    publisher.disconnect();
}

/// Asserts that the next MESSAGE has this body and returns its `ack` header.
#[track_caller]
fn take(client: &mut Client, body: &str) -> String {
    client.expect("MESSAGE", &[], body).expect_header("ack").to_string()
}

fn settle(client: &mut Client, command: &str, ack: &str) {
    client.done(&format!("{command}\nid:{ack}\nreceipt:done\n\n\0"));
}

on_each_wire! {
    fn messages_wait_for_a_consumer_in_order(wire: Wire) {
        let broker = Broker::start(&[]);
        fill(&broker, "/queue/a", 50);
        assert_eq!(broker.metric("queue_messages"), 50);
        let mut consumer = broker.connect(wire);
        consumer.subscribe("1", "/queue/a", "");
        for number in 1..=50 {
            consumer.expect("MESSAGE", &[("destination", "/queue/a")], &number.to_string());
        }
        consumer.expect_quiet();
        broker.wait_for_metric("queue_messages", 0);
    }

    /// When the first consumer is lost, some of its messages have been written to its socket, and others wait in its
    /// outbound queue.
    fn deliveries_of_a_lost_consumer_go_to_the_next_one_in_order(wire: Wire) {
        const COUNT: usize = 100;
        let broker = Broker::start(&["--prefetch-bytes=64MiB", "--outbound-queue-bytes-max=64MiB"]);
        let mut first = broker.connect(wire);
        first.shrink_receive_buffer();
        first.subscribe("1", "/queue/a", "ack:client-individual\n");
        let padding = "x".repeat(64 * 1024);
        let mut publisher = broker.connect(Wire::Tcp);
        for number in 0..COUNT {
            publisher.publish("/queue/a", &format!("{number} {padding}"));
        }
        publisher.disconnect();
        let mut second = broker.connect(wire);
        second.subscribe("1", "/queue/a", "ack:client-individual\n");
        second.expect_quiet();
        first.reset();
        for number in 0..COUNT {
            let (_, body) = second.message();
            assert_eq!(body.split(' ').next(), Some(&*number.to_string()));
        }
    }

    fn messages_are_distributed_round_robin(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut consumers = [0, 1, 2].map(|_| broker.connect(wire));
        for consumer in &mut consumers {
            consumer.subscribe("1", "/queue/a", "ack:client-individual\n");
        }
        fill(&broker, "/queue/a", 9);
        let mut seen = Vec::new();
        for consumer in &mut consumers {
            seen.extend((0..3).map(|_| consumer.message().1.parse::<u32>().expect("a number")));
            consumer.expect_quiet();
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=9).collect::<Vec<_>>());
    }

    fn a_consumer_gets_no_more_messages_than_its_prefetch_limit(wire: Wire) {
        let broker = Broker::start(&["--prefetch-count", "2"]);
        fill(&broker, "/queue/a", 5);
        let mut consumer = broker.connect(wire);
        consumer.subscribe("1", "/queue/a", "ack:client-individual\n");
        let first = take(&mut consumer, "1");
        take(&mut consumer, "2");
        consumer.expect_quiet();
        settle(&mut consumer, "ACK", &first);
        take(&mut consumer, "3");
        consumer.expect_quiet();
    }

    fn a_subscription_may_set_its_own_prefetch_limit(wire: Wire) {
        let broker = Broker::start(&[]);
        fill(&broker, "/queue/a", 3);
        let mut consumer = broker.connect(wire);
        consumer.subscribe("1", "/queue/a", "ack:client-individual\nprefetch-count:1\n");
        let first = take(&mut consumer, "1");
        consumer.expect_quiet();
        settle(&mut consumer, "ACK", &first);
        take(&mut consumer, "2");
        consumer.expect_quiet();
    }

    fn prefetch_is_limited_in_bytes_and_one_message_is_always_allowed(wire: Wire) {
        let broker = Broker::start(&["--prefetch-bytes", "1KiB"]);
        let mut consumer = broker.connect(wire);
        let large = "x".repeat(5000);
        for body in [&large, "2", "3"] {
            publish(&broker, "/queue/a", body);
        }
        consumer.subscribe("1", "/queue/a", "ack:client-individual\n");
        let first = take(&mut consumer, &large);
        consumer.expect_quiet();
        settle(&mut consumer, "ACK", &first);
        take(&mut consumer, "2");
        take(&mut consumer, "3");
    }

    fn auto_mode_delivers_more_than_the_prefetch_limit(wire: Wire) {
        let broker = Broker::start(&["--prefetch-count", "2"]);
        fill(&broker, "/queue/a", 50);
        let mut consumer = broker.connect(wire);
        consumer.subscribe("1", "/queue/a", "");
        for number in 1..=50 {
            consumer.expect("MESSAGE", &[], &number.to_string());
        }
        broker.wait_for_metric("queue_messages", 0);
    }

    fn nack_returns_a_message_to_its_position(wire: Wire) {
        let broker = Broker::start(&["--prefetch-count", "1"]);
        fill(&broker, "/queue/a", 3);
        let mut consumer = broker.connect(wire);
        consumer.subscribe("1", "/queue/a", "ack:client-individual\n");
        let first = consumer.expect("MESSAGE", &[], "1");
        assert_eq!((first.header("redelivered"), first.header("delivery-count")), (None, None));
        settle(&mut consumer, "NACK", first.expect_header("ack"));
        let headers = [("redelivered", "true"), ("delivery-count", "2")];
        let again = consumer.expect("MESSAGE", &headers, "1");
        assert_eq!(again.expect_header("message-id"), first.expect_header("message-id"));
        settle(&mut consumer, "ACK", again.expect_header("ack"));
        take(&mut consumer, "2");
        assert_eq!(broker.metric("redeliveries_total"), 1);
    }

    fn another_consumer_gets_a_returned_message_first(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut one = broker.connect(wire);
        one.subscribe("1", "/queue/a", "ack:client-individual\n");
        publish(&broker, "/queue/a", "hot");
        let ack = take(&mut one, "hot");
        let mut two = broker.connect(wire);
        two.subscribe("1", "/queue/a", "ack:client-individual\n");
        settle(&mut one, "NACK", &ack);
        two.expect("MESSAGE", &[("delivery-count", "2")], "hot");
        one.expect_quiet();
    }

    fn a_message_is_dead_lettered_after_max_deliveries(wire: Wire) {
        let broker = Broker::start(&["--max-deliveries", "3"]);
        let mut consumer = broker.connect(wire);
        consumer.subscribe("1", "/queue/a", "ack:client-individual\n");
        publish(&broker, "/queue/a", "poison");
        for delivery in 1..=3 {
            let ack = take(&mut consumer, "poison");
            settle(&mut consumer, "NACK", &ack);
            assert_eq!(broker.metric("dead_letters_total"), i64::from(delivery == 3));
        }
        consumer.expect_quiet();
        consumer.subscribe("dead", "/queue/dead.a", "");
        let dead = consumer.expect("MESSAGE", &[("destination", "/queue/dead.a")], "poison");
        let values: Vec<&str> = dead.headers.iter().map(|(_, value)| value.as_str()).collect();
        assert!(values.contains(&"/queue/a"), "a dead letter names its original queue: {dead:?}");
        broker.wait_for_metric("queue_messages", 0);
    }

    fn unsettled_deliveries_of_a_lost_consumer_go_to_another(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut lost = broker.connect(wire);
        lost.subscribe("1", "/queue/a", "ack:client-individual\n");
        fill(&broker, "/queue/a", 3);
        let [first, ..] = ["1", "2", "3"].map(|body| take(&mut lost, body));
        settle(&mut lost, "ACK", &first);
        lost.reset();
        let mut successor = broker.connect(wire);
        successor.subscribe("1", "/queue/a", "");
        for body in ["2", "3"] {
            successor.expect("MESSAGE", &[("redelivered", "true"), ("delivery-count", "2")], body);
        }
        successor.expect_quiet();
    }

    fn unsubscribe_requeues_unsettled_deliveries(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/queue/a", "ack:client\n");
        fill(&broker, "/queue/a", 2);
        take(&mut client, "1");
        take(&mut client, "2");
        client.done("UNSUBSCRIBE\nid:1\nreceipt:done\n\n\0");
        assert_eq!(broker.metric("queue_messages"), 2);
        client.subscribe("2", "/queue/a", "ack:client\n");
        take(&mut client, "1");
        take(&mut client, "2");
    }

    fn disconnect_requeues_unsettled_deliveries(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.subscribe("1", "/queue/a", "ack:client\n");
        fill(&broker, "/queue/a", 1);
        take(&mut client, "1");
        client.disconnect();
        let mut successor = broker.connect(wire);
        successor.subscribe("1", "/queue/a", "");
        successor.expect("MESSAGE", &[("redelivered", "true")], "1");
    }

    fn a_queue_subscription_with_a_wildcard_is_rejected(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        client.send("SUBSCRIBE\nid:1\ndestination:/queue/*\nreceipt:5\n\n\0");
        client.expect_error(&[("receipt-id", "5")]);
    }
}
