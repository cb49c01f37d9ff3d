//! Topics and patterns.

use super::fixture::*;
use crate::broker::Options;
use crate::outbound_queue::{Delivery, OutboundQueue, Pushed};
use crate::rejection::Limit;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

#[test]
fn a_message_reaches_every_subscription_that_matches_and_no_other() {
    let fixture = Fixture::new();
    let texts =
        ["/topic/a.b", "/topic/a.b", "/topic/a/b", "/topic/a.*", "/topic/**", "/topic/b.#", "/queue/a.b"];
    let receivers: Vec<_> = (1u32..).zip(texts).map(|(key, text)| (text, fixture.receiver(key))).collect();
    let _all: Vec<_> = receivers.iter().map(|(text, to)| fixture.subscribe(text, to, ALL)).collect();
    for (destination, reached) in [
        ("/topic/a.b", &["/topic/a.b", "/topic/a.b", "/topic/a.*", "/topic/**"][..]),
        ("/topic/a/b", &["/topic/a/b", "/topic/a.*", "/topic/**"]),
        ("/topic/b", &["/topic/**", "/topic/b.#"]),
        ("/topic/c", &["/topic/**"]),
        ("/queue/a.b", &["/queue/a.b"]),
    ] {
        assert_eq!(fixture.send(destination, "m"), reached.len(), "{destination}");
        let got: Vec<&str> = receivers
            .iter()
            .filter(|(_, receiver)| receiver.bodies() == ["m"])
            .map(|(text, _)| *text)
            .collect();
        assert_eq!(got, reached, "{destination}");
    }
    assert_eq!(fixture.metrics.messages_published.get(), 5);
}

#[test]
fn broadcast_delivery_has_the_subscription_key_and_count_one() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(42);
    let _exact = fixture.subscribe("/topic/t", &receiver, ALL);
    fixture.send("/topic/t", "m");
    let deliveries = receiver.deliveries();
    assert_eq!((deliveries[0].key, deliveries[0].count, deliveries[0].tag), (42, 1, 0));
    assert_eq!(deliveries[0].message.destination(), "/topic/t");
    assert_eq!(deliveries[0].message.id(), "000000000000-1");
}

#[test]
fn each_subscription_of_a_connection_gets_its_own_delivery() {
    let fixture = Fixture::new();
    let outbound_queue = fixture.outbound_queue();
    let _all: Vec<_> = (1u32..)
        .zip(["/topic/t", "/topic/t", "/topic/*"])
        .map(|(key, text)| {
            fixture.subscribe(text, &Receiver { outbound_queue: outbound_queue.clone(), key }, ALL)
        })
        .collect();
    fixture.send("/topic/t", "m");
    let deliveries = drain(&outbound_queue);
    let mut keys: Vec<u32> = deliveries.iter().map(|delivery| delivery.key).collect();
    keys.sort_unstable();
    assert_eq!(keys, [1, 2, 3]);
    assert!(
        deliveries.iter().all(|delivery| delivery.message.ptr_eq(&deliveries[0].message)),
        "the message is encoded once"
    );
}

#[test]
fn message_without_subscribers_is_counted_and_leaves_no_state() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    assert_eq!(fixture.send("/topic/unused", "m"), 0);
    let pattern = fixture.subscribe("/topic/other.*", &receiver, ALL);
    assert_eq!(fixture.send("/topic/unused", "m"), 0);
    assert_eq!(fixture.metrics.messages_published.get(), 2);
    assert_eq!(fixture.broker.stats().topics, 0);
    drop(pattern);
    assert!(fixture.broker.is_empty());
    assert_eq!(fixture.budget.used(), 0);
}

#[test]
fn topic_with_only_pattern_subscribers_is_removed_after_publish() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let _pattern = fixture.subscribe("/topic/*", &receiver, ALL);
    for n in 0..100 {
        assert_eq!(fixture.send(&format!("/topic/{n}"), "m"), 1);
    }
    assert_eq!(receiver.deliveries().len(), 100);
    let stats = fixture.broker.stats();
    assert_eq!((stats.topics, stats.patterns, fixture.metrics.topics.get()), (0, 1, 0));
}

#[test]
fn dropped_subscription_gets_no_more_messages_and_leaves_no_state() {
    let fixture = Fixture::new();
    let receivers: Vec<_> = (1..=3).map(|key| fixture.receiver(key)).collect();
    let mut subscriptions: Vec<_> = ["/topic/t", "/topic/t", "/topic/*"]
        .iter()
        .zip(&receivers)
        .map(|(text, receiver)| fixture.subscribe(text, receiver, ALL))
        .collect();
    let gauges = || (fixture.metrics.topics.get(), fixture.metrics.subscriptions.get());
    assert_eq!(gauges(), (1, 3));
    for left in (0..3).rev() {
        drop(subscriptions.remove(0));
        assert_eq!(fixture.send("/topic/t", "m"), left);
        assert_eq!(receivers.iter().filter(|receiver| receiver.deliveries().len() == 1).count(), left);
    }
    assert_eq!(gauges(), (0, 0));
    assert!(fixture.broker.is_empty());
}

#[test]
fn pattern_subscribed_later_matches_an_existing_topic() {
    let fixture = Fixture::new();
    let (exact, late) = (fixture.receiver(1), fixture.receiver(2));
    let _exact = fixture.subscribe("/topic/a.b", &exact, ALL);
    assert_eq!(fixture.send("/topic/a.b", "1"), 1);
    let first = fixture.subscribe("/topic/a.*", &late, ALL);
    assert_eq!(fixture.send("/topic/a.b", "2"), 2);
    let second = fixture.subscribe("/topic/**", &late, ALL);
    assert_eq!(fixture.send("/topic/a.b", "3"), 3);
    drop(first);
    assert_eq!(fixture.send("/topic/a.b", "4"), 2);
    drop(second);
    assert_eq!(fixture.send("/topic/a.b", "5"), 1);
    assert_eq!(exact.bodies(), ["1", "2", "3", "4", "5"]);
    assert_eq!(late.bodies(), ["2", "3", "3", "4"]);
}

#[test]
fn topic_that_caches_its_patterns_keeps_no_outbound_queue_alive() {
    let fixture = Fixture::new();
    let exact = fixture.receiver(1);
    let _exact = fixture.subscribe("/topic/a", &exact, ALL);
    let temporary = fixture.receiver(2);
    let pattern = fixture.subscribe("/topic/*", &temporary, ALL);
    fixture.send("/topic/a", "m");
    let outbound_queue = Arc::downgrade(&temporary.outbound_queue);
    drop((pattern, temporary));
    assert!(outbound_queue.upgrade().is_none());
}

#[test]
fn receiver_with_a_closed_outbound_queue_is_not_reached() {
    let fixture = Fixture::new();
    let (open, closed) = (fixture.receiver(1), fixture.receiver(2));
    let _both = [fixture.subscribe("/topic/t", &open, ALL), fixture.subscribe("/topic/t", &closed, ALL)];
    closed.outbound_queue.close();
    assert_eq!(fixture.send("/topic/t", "m"), 1);
    assert_eq!(open.bodies(), ["m"]);
}

/// Returns an outbound queue that is above one half of its limit, with space for many small messages.
fn lagging(fixture: &Fixture) -> Arc<OutboundQueue> {
    let outbound_queue = fixture.outbound_queue_of(1_000_000);
    let delivery = Delivery { message: fixture.message(&"x".repeat(600_000)), key: 9, count: 1, tag: 0 };
    assert_eq!(outbound_queue.push(delivery, fixture.now()), Pushed::Congested);
    outbound_queue
}

/// Columns: number of receivers, number of receivers whose queue is above one half, and whether `is_widespread` is set.
#[test]
fn is_widespread_is_set_when_more_than_half_of_the_receivers_are_congested() {
    for (members, above_half, is_widespread) in
        [(1, 1, true), (2, 1, false), (3, 1, false), (3, 2, true), (4, 2, false), (4, 3, true)]
    {
        let fixture = Fixture::new();
        let outbound_queues: Vec<_> = (0..members)
            .map(|n| if n < above_half { lagging(&fixture) } else { fixture.outbound_queue() })
            .collect();
        let _all: Vec<_> = (1u32..)
            .zip(&outbound_queues)
            .map(|(key, outbound_queue)| {
                let text = if key % 2 == 0 { "/topic/*" } else { "/topic/t" };
                fixture.subscribe(text, &Receiver { outbound_queue: outbound_queue.clone(), key }, ALL)
            })
            .collect();
        let published = fixture.publish("/topic/t", "m").unwrap();
        assert_eq!(published.reached, members);
        assert_eq!(published.congested.len(), above_half, "{members} {above_half}");
        for congested in published.congested {
            assert_eq!(congested.is_widespread, is_widespread, "{members} {above_half}");
            assert!(
                outbound_queues[..above_half]
                    .iter()
                    .any(|outbound_queue| Arc::ptr_eq(outbound_queue, &congested.outbound_queue))
            );
        }
    }
}

#[test]
fn publisher_does_not_wait_for_a_receiver_after_its_grace_period() {
    let fixture = Fixture::new();
    let (slow, fast) = (Receiver { outbound_queue: lagging(&fixture), key: 1 }, fixture.receiver(2));
    let _both = [fixture.subscribe("/topic/t", &slow, ALL), fixture.subscribe("/topic/t", &fast, ALL)];
    for (after, waits) in [(0, 1), (999, 1), (1000, 0), (5000, 0)] {
        let now = fixture.now() + Duration::from_millis(after);
        let published = fixture.publish_at("/topic/t", "m", now).unwrap();
        assert_eq!((published.reached, published.congested.len()), (2, waits), "{after}");
    }
}

#[test]
fn widespread_grace_period_lasts_while_the_receiver_takes_batches() {
    let fixture = Fixture::new();
    let slow = Receiver { outbound_queue: fixture.outbound_queue_of(1_000_000), key: 1 };
    let _only = fixture.subscribe("/topic/t", &slow, ALL);
    let waits = |body: &str, after| {
        let now = fixture.now() + Duration::from_millis(after);
        fixture.publish_at("/topic/t", body, now).unwrap().congested.len()
    };
    let third = "x".repeat(260_000);
    assert_eq!([waits(&third, 0), waits(&third, 0), waits(&third, 0)], [0, 1, 1]);
    assert_eq!(waits("m", 1500), 0);
    let mut cx = Context::from_waker(Waker::noop());
    let taken_at = fixture.now() + Duration::from_millis(2000);
    assert!(slow.outbound_queue.poll_take(&mut cx, &mut Vec::new(), 1, taken_at).is_ready());
    assert_eq!([waits("m", 2999), waits("m", 3000)], [1, 0]);
}

#[test]
fn congested_connection_is_listed_once_for_all_its_subscriptions() {
    let fixture = Fixture::new();
    let outbound_queue = lagging(&fixture);
    let subscriber = |key| Receiver { outbound_queue: outbound_queue.clone(), key };
    let _all = [1, 2, 3].map(|key| fixture.subscribe("/topic/t", &subscriber(key), ALL));
    let published = fixture.publish("/topic/t", "m").unwrap();
    assert_eq!((published.reached, published.congested.len()), (3, 1));
}

#[test]
fn overflowed_receiver_is_neither_reached_nor_waited_for() {
    let fixture = Fixture::new();
    let outbound_queue = lagging(&fixture);
    let _only =
        fixture.subscribe("/topic/t", &Receiver { outbound_queue: outbound_queue.clone(), key: 1 }, ALL);
    let published = fixture.publish("/topic/t", &"x".repeat(4_500_000)).unwrap();
    assert_eq!((published.reached, published.congested.len(), outbound_queue.bytes()), (0, 0, 0));
}

#[test]
fn message_over_the_memory_limit_is_rejected_with_the_option_name() {
    let fixture = Fixture::with(Options::default(), 100_000);
    let receiver = fixture.receiver(1);
    let _topic = fixture.subscribe("/topic/t", &receiver, ALL);
    assert_eq!(fixture.send("/topic/t", &"x".repeat(100_000)), 1);
    for destination in ["/topic/t", "/topic/unused", "/queue/q", "/temp-queue/~x"] {
        let rejection = fixture.publish(destination, "m").unwrap_err();
        assert_eq!(rejection.limit, Some(Limit::MemoryBytes), "{destination}");
        assert!(rejection.detail.contains("memory-bytes-max"), "{}", rejection.detail);
    }
    assert_eq!(fixture.metrics.messages_published.get(), 1);
    assert_eq!(fixture.broker.stats().queues, 0);
    receiver.deliveries();
    assert_eq!(fixture.send("/topic/t", "m"), 1);
}

#[test]
fn subscription_debug_shows_only_its_destination() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    for text in ["/topic/t", "/topic/*", "/queue/q"] {
        let subscription = fixture.subscribe(text, &receiver, ALL);
        assert_eq!(format!("{subscription:?}"), format!("Subscription({text:?})"));
    }
}
