//! Work queues: round robin, credit, redelivery and limits.

use super::fixture::*;
use crate::broker::queues::consumer::Consumers;
use crate::broker::queues::queue::Queue;
use crate::broker::{Options, Subscription};
use crate::command::{ConsumerOptions, Settlement};
use crate::outbound_queue::Tag;
use crate::rejection::Limit;
use std::time::{Duration, Instant};

const Q: &str = "/queue/q";

fn delivery(body: &str, count: u32, tag: Tag) -> (String, u32, Tag) {
    (body.to_string(), count, tag)
}

fn at(fixture: &Fixture, millis: u64) -> Instant {
    fixture.now() + Duration::from_millis(millis)
}

impl Fixture {
    fn settle(&self, subscription: &Subscription, tags: &[Tag], settlement: Settlement) {
        subscription.settle(tags, settlement, self.now());
    }

    fn send_all(&self, bodies: &[&str]) {
        for body in bodies {
            assert_eq!(self.send(Q, body), 1);
        }
    }

    /// Returns the number of messages in queues, and the number of queues.
    fn gauges(&self) -> (i64, i64) {
        (self.metrics.queue_messages.get(), self.metrics.queues.get())
    }
}

#[test]
fn messages_are_kept_without_a_consumer_and_delivered_in_order() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(3);
    fixture.send_all(&["a", "b", "c"]);
    assert_eq!(fixture.gauges(), (3, 1));
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    fixture.send_all(&["d"]);
    assert_eq!(
        receiver.received(),
        [delivery("a", 1, 1), delivery("b", 1, 2), delivery("c", 1, 3), delivery("d", 1, 4)]
    );
    assert_eq!(fixture.gauges(), (4, 1), "outstanding messages still count");
    fixture.settle(&consumer, &[1, 2, 3, 4], Settlement::Accepted);
    assert_eq!((fixture.gauges(), fixture.metrics.queue_bytes.get()), ((0, 1), 0));
    drop(consumer);
    assert!(fixture.broker.is_empty());
    assert_eq!(fixture.gauges(), (0, 0));
}

#[test]
fn queue_without_consumers_and_messages_is_removed() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let queues = || fixture.broker.stats().work_queues;
    drop(fixture.subscribe(Q, &receiver, ALL));
    assert_eq!(queues(), 0);
    fixture.send_all(&["a"]);
    assert_eq!(queues(), 1, "the queue has a message");
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    fixture.settle(&consumer, &[1], Settlement::Accepted);
    assert_eq!(queues(), 1, "the queue has a consumer");
    drop(consumer);
    assert_eq!(queues(), 0);
    assert_eq!(fixture.metrics.subscriptions.get(), 0);
}

#[test]
fn messages_go_round_robin_to_consumers() {
    let fixture = Fixture::new();
    let receivers = [1, 2, 3].map(|key| fixture.receiver(key));
    let _all = receivers.each_ref().map(|receiver| fixture.subscribe(Q, receiver, ALL));
    fixture.send_all(&["a", "b", "c", "d", "e"]);
    assert_eq!(
        receivers.each_ref().map(|receiver| receiver.bodies()),
        [vec!["a", "d"], vec!["b", "e"], vec!["c"]]
    );
}

#[test]
fn consumer_without_credit_is_skipped_until_it_settles() {
    let fixture = Fixture::new();
    let (one, many) = (fixture.receiver(1), fixture.receiver(2));
    let small = fixture.subscribe(Q, &one, credit(1));
    let _large = fixture.subscribe(Q, &many, credit(3));
    fixture.send_all(&["a", "b", "c", "d", "e", "f"]);
    assert_eq!(
        (one.bodies(), many.bodies()),
        (vec!["a".to_string()], vec!["b".into(), "c".into(), "d".into()])
    );
    fixture.settle(&small, &[1], Settlement::Accepted);
    assert_eq!(one.bodies(), ["e"]);
    fixture.settle(&small, &[1], Settlement::Accepted);
    assert!(one.bodies().is_empty(), "a second settlement has no effect");
}

/// Columns: credit in messages, credit in bytes, and how many of five messages are delivered at once. The unit of the
/// credit in bytes is one message.
#[test]
fn credit_limits_messages_and_bytes_and_always_allows_one_message() {
    for (prefetch, bytes, given) in
        [(0, 9, 1), (1, 9, 1), (2, 9, 2), (9, 9, 5), (9, 0, 1), (9, 1, 1), (9, 2, 2), (9, 3, 3), (0, 0, 1)]
    {
        let fixture = Fixture::new();
        fixture.send_all(&["a"]);
        let unit = fixture.metrics.queue_bytes.get() as usize;
        let receiver = fixture.receiver(1);
        let consumer = fixture.subscribe(
            Q,
            &receiver,
            ConsumerOptions { prefetch, prefetch_bytes: bytes * unit, ..ALL },
        );
        fixture.send_all(&["b", "c", "d", "e"]);
        let mut tags: Vec<Tag> = receiver.deliveries().iter().map(|delivery| delivery.tag).collect();
        assert_eq!(tags.len(), given, "{prefetch} {bytes}");
        let mut all = tags.clone();
        while !tags.is_empty() {
            fixture.settle(&consumer, &tags, Settlement::Accepted);
            tags = receiver.deliveries().iter().map(|delivery| delivery.tag).collect();
            all.extend(&tags);
        }
        assert_eq!(all, [1, 2, 3, 4, 5]);
    }
}

#[test]
fn message_that_exceeds_the_byte_credit_is_still_delivered() {
    let fixture = Fixture::new();
    fixture.send_all(&["a"]);
    let unit = fixture.metrics.queue_bytes.get() as usize;
    let receiver = fixture.receiver(1);
    let _consumer =
        fixture.subscribe(Q, &receiver, ConsumerOptions { prefetch: 9, prefetch_bytes: unit + 1, ..ALL });
    let large = "x".repeat(10_000);
    fixture.send_all(&[&large, "c"]);
    assert_eq!(receiver.bodies(), ["a", &large]);
}

#[test]
fn consumer_with_a_full_outbound_queue_gets_no_messages_until_it_resumes() {
    let fixture = Fixture::new();
    let body = "x".repeat(1000);
    let (small_receiver, large_receiver) =
        (Receiver { outbound_queue: fixture.outbound_queue_of(6000), key: 1 }, fixture.receiver(2));
    let first = fixture.subscribe(Q, &small_receiver, ALL);
    for _ in 0..4 {
        fixture.send(Q, &body);
    }
    assert!(small_receiver.outbound_queue.take_blocked());
    let tags =
        |receiver: &Receiver| receiver.deliveries().iter().map(|delivery| delivery.tag).collect::<Vec<_>>();
    assert_eq!(tags(&small_receiver), [1, 2]);
    fixture.settle(&first, &[1], Settlement::Accepted);
    assert!(tags(&small_receiver).is_empty(), "free space alone does not resume delivery");
    first.resume(fixture.now());
    assert_eq!(tags(&small_receiver), [3, 4]);
    for _ in 0..3 {
        fixture.send(Q, &body);
    }
    let _second = fixture.subscribe(Q, &large_receiver, ALL);
    assert_eq!(tags(&large_receiver), [7], "the message that the first consumer could not take");
}

#[test]
fn returned_message_goes_to_another_consumer_first() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.receiver(1), fixture.receiver(2));
    let first = fixture.subscribe(Q, &a, ALL);
    fixture.send_all(&["m"]);
    assert_eq!(a.received(), [delivery("m", 1, 1)]);
    let second = fixture.subscribe(Q, &b, ALL);
    for count in [2, 4] {
        fixture.settle(&first, &[1], Settlement::Returned);
        assert_eq!((a.received(), b.received()), (vec![], vec![delivery("m", count, 1)]));
        fixture.settle(&second, &[1], Settlement::Returned);
        assert_eq!((a.received(), b.received()), (vec![delivery("m", count + 1, 1)], vec![]));
    }
    assert_eq!(fixture.metrics.redeliveries.get(), 4);
}

#[test]
fn backoff_of_a_sole_consumer_grows_with_each_failure() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    fixture.send_all(&["m"]);
    assert_eq!(receiver.received(), [delivery("m", 1, 1)]);
    let mut now = fixture.now();
    for (count, backoff) in [(2, 0), (3, 10), (4, 20), (5, 40), (6, 80), (7, 160), (8, 250), (9, 250)] {
        consumer.settle(&[1], Settlement::Returned, now);
        if backoff > 0 {
            let due = now + Duration::from_millis(backoff);
            assert!(receiver.received().is_empty(), "{count}");
            assert_eq!(fixture.broker.expire(due - Duration::from_millis(1)), Some(due), "{count}");
            assert!(receiver.received().is_empty(), "{count}");
            assert_eq!(fixture.broker.expire(due), None);
            now = due;
        }
        assert_eq!(receiver.received(), [delivery("m", count, 1)], "after {backoff} ms");
    }
}

#[test]
fn earlier_backoff_expires_in_time_and_sets_few_timers() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    fixture.send_all(&["slow"]);
    for round in 0..6 {
        consumer.settle(&[1], Settlement::Returned, at(&fixture, 1000 * round));
        fixture.broker.expire(at(&fixture, 1000 * (round + 1)));
    }
    // The message "slow" waits for 250 ms from now on. The messages "quick" that follow wait for 10 ms each.
    consumer.settle(&[1], Settlement::Returned, at(&fixture, 6000));
    receiver.deliveries();
    for n in 0..15 {
        let now = at(&fixture, 6000 + 10 * n);
        assert_eq!(fixture.publish_at(Q, "quick", now).expect("the message is accepted").reached, 1);
        let tag = [n + 2];
        consumer.settle(&tag, Settlement::Returned, now);
        consumer.settle(&tag, Settlement::Returned, now);
        assert_eq!(fixture.broker.expire(now), Some(now + Duration::from_millis(10)));
        fixture.broker.expire(now + Duration::from_millis(10));
        let counts: Vec<u32> = receiver.deliveries().iter().map(|delivery| delivery.count).collect();
        assert_eq!(counts, [1, 2, 3]);
        consumer.settle(&tag, Settlement::Accepted, now);
    }
    assert_eq!(
        fixture.broker.shared.context.queue_timers.len(),
        1,
        "only the timer of the slow message, set once"
    );
    assert_eq!(fixture.broker.expire(at(&fixture, 6249)), Some(at(&fixture, 6250)));
    assert!(receiver.received().is_empty());
    fixture.broker.expire(at(&fixture, 6250));
    assert_eq!(receiver.received(), [delivery("slow", 8, 1)]);
    assert_eq!(fixture.broker.shared.context.queue_timers.len(), 0);
}

#[test]
fn message_in_backoff_is_overtaken_and_goes_to_a_new_consumer() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.receiver(1), fixture.receiver(2));
    let first = fixture.subscribe(Q, &a, credit(1));
    fixture.send_all(&["m", "n"]);
    for _ in 0..2 {
        fixture.settle(&first, &[1], Settlement::Returned);
    }
    assert_eq!(a.received(), [delivery("m", 1, 1), delivery("m", 2, 1), delivery("n", 1, 2)]);
    let _second = fixture.subscribe(Q, &b, ALL);
    assert_eq!(b.received(), [delivery("m", 3, 1)], "other consumers need not wait");
    assert_eq!(fixture.broker.expire(at(&fixture, 10)), None, "a timer without a message has no effect");
    assert!(a.received().is_empty());
}

#[test]
fn consumer_without_credit_does_not_block_a_redelivery() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.receiver(1), fixture.receiver(2));
    let first = fixture.subscribe(Q, &a, ALL);
    fixture.send_all(&["m"]);
    let second = fixture.subscribe(Q, &b, credit(1));
    fixture.send_all(&["n", "o", "p"]);
    assert_eq!(
        (a.bodies(), b.bodies()),
        (vec!["m".into(), "n".into(), "p".to_string()], vec!["o".to_string()])
    );
    fixture.settle(&first, &[1], Settlement::Returned);
    assert_eq!(a.received(), [delivery("m", 2, 1)], "the other consumer has no credit");
    fixture.settle(&first, &[1], Settlement::Returned);
    assert!(a.received().is_empty());
    fixture.settle(&second, &[3], Settlement::Accepted);
    assert_eq!(b.received(), [delivery("m", 3, 1)], "the other consumer has credit again");
}

#[test]
fn returned_messages_are_delivered_before_new_ones() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.receiver(1), fixture.receiver(2));
    let first = fixture.subscribe(Q, &a, credit(3));
    fixture.send_all(&["a", "b", "c", "d"]);
    assert_eq!(a.bodies(), ["a", "b", "c"]);
    drop(first);
    let _second = fixture.subscribe(Q, &b, ALL);
    assert_eq!(
        b.received(),
        [delivery("a", 2, 1), delivery("b", 2, 2), delivery("c", 2, 3), delivery("d", 1, 4)]
    );
}

#[test]
fn outstanding_messages_of_a_dropped_consumer_go_to_others() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.receiver(1), fixture.receiver(2));
    let first = fixture.subscribe(Q, &a, ALL);
    let second = fixture.subscribe(Q, &b, ALL);
    fixture.send_all(&["a", "b", "c", "d", "e", "f"]);
    assert_eq!((a.bodies().len(), b.bodies().len()), (3, 3));
    fixture.settle(&first, &[3], Settlement::Accepted);
    drop(first);
    assert_eq!(b.received(), [delivery("a", 2, 1), delivery("e", 2, 5)]);
    assert_eq!(fixture.gauges(), (5, 1));
    fixture.settle(&second, &[1, 2, 4, 5, 6], Settlement::Accepted);
    drop(second);
    assert!(fixture.broker.is_empty());
}

#[test]
fn backoff_of_a_consumer_ends_when_it_leaves() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.receiver(1), fixture.receiver(2));
    let first = fixture.subscribe(Q, &a, ALL);
    fixture.send_all(&["m"]);
    // The second time, the message waits for the backoff of this consumer.
    for _ in 0..2 {
        fixture.settle(&first, &[1], Settlement::Returned);
    }
    drop(first);
    let _second = fixture.subscribe(Q, &b, ALL);
    assert_eq!(b.received(), [delivery("m", 3, 1)]);
}

#[test]
fn unwritten_delivery_does_not_count() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.receiver(1), fixture.receiver(2));
    let first = fixture.subscribe(Q, &a, credit(2));
    fixture.send_all(&["a", "b", "c"]);
    a.deliveries();
    fixture.settle(&first, &[2], Settlement::Unwritten);
    assert!(a.deliveries().is_empty(), "the consumer may be about to leave");
    first.resume(fixture.now());
    assert_eq!(a.received(), [delivery("b", 1, 2)]);
    fixture.settle(&first, &[1, 2], Settlement::Unwritten);
    drop(first);
    let _second = fixture.subscribe(Q, &b, ALL);
    assert_eq!(b.received(), [delivery("a", 1, 1), delivery("b", 1, 2), delivery("c", 1, 3)]);
    assert_eq!(fixture.metrics.redeliveries.get(), 0);
}

#[test]
fn unread_deliveries_of_a_dropped_subscription_count_as_unwritten() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.receiver(1), fixture.receiver(2));
    let other = fixture.subscribe(
        "/queue/other",
        &Receiver { outbound_queue: a.outbound_queue.clone(), key: 8 },
        ALL,
    );
    let first = fixture.subscribe(Q, &a, ALL);
    fixture.send_all(&["a"]);
    a.deliveries();
    fixture.send_all(&["b"]);
    fixture.send("/queue/other", "o");
    drop(first);
    assert_eq!(a.bodies(), ["o"], "the delivery of another subscription stays");
    let _second = fixture.subscribe(Q, &b, ALL);
    assert_eq!(b.received(), [delivery("a", 2, 1), delivery("b", 1, 2)]);
    drop(other);
}

#[test]
fn settling_an_unknown_tag_has_no_effect() {
    let fixture = Fixture::new();
    let (a, b) = (fixture.receiver(1), fixture.receiver(2));
    let first = fixture.subscribe(Q, &a, credit(1));
    let second = fixture.subscribe(Q, &b, credit(1));
    let topic = fixture.subscribe("/topic/t", &a, ALL);
    fixture.send_all(&["a", "b", "c"]);
    for settlement in [Settlement::Accepted, Settlement::Returned] {
        fixture.settle(&first, &[0, 2, 3, 99, Tag::MAX], settlement);
        fixture.settle(&second, &[1], settlement);
        fixture.settle(&topic, &[0, 1], settlement);
    }
    topic.resume(fixture.now());
    assert_eq!(fixture.gauges(), (3, 1));
    assert_eq!((a.bodies(), b.bodies()), (vec!["a".to_string()], vec!["b".to_string()]));
}

#[test]
fn full_queue_rejects_with_the_option_name() {
    let fixture = Fixture::with(Options { queue_messages_max: 2, ..Options::default() }, usize::MAX);
    let receiver = fixture.receiver(1);
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    fixture.send_all(&["a", "b"]);
    let rejection = fixture.publish(Q, "c").unwrap_err();
    assert_eq!(rejection.limit, Some(Limit::QueueMessages), "outstanding messages count");
    assert!(
        rejection.detail.contains("queue-messages-max") && rejection.detail.contains(Q),
        "{}",
        rejection.detail
    );
    assert_eq!(fixture.metrics.messages_published.get(), 2);
    fixture.settle(&consumer, &[1], Settlement::Accepted);
    fixture.send_all(&["c"]);
    assert_eq!(receiver.bodies(), ["a", "b", "c"]);
}

#[test]
fn queue_is_full_exactly_at_its_byte_limit() {
    let fixture = Fixture::new();
    let unit = fixture.message("").size();
    let max = 4 * unit;
    let fixture = Fixture::with(Options { queue_bytes_max: max, ..Options::default() }, usize::MAX);
    let rejection = fixture.publish(Q, &"x".repeat(max)).unwrap_err();
    assert_eq!(rejection.limit, Some(Limit::QueueBytes));
    assert!(fixture.broker.is_empty(), "the queue of the rejected message is removed");
    fixture.send_all(&["a"]);
    let used_bytes = fixture.metrics.queue_bytes.get() as usize;
    // Finds the body that fills the queue exactly. The size of a message includes the digits of the body's length.
    let exact = (0..max).map(|n| "x".repeat(n)).find(|body| {
        let other = Fixture::new();
        other.send(Q, "");
        other.send(Q, body);
        other.metrics.queue_bytes.get() as usize - (used_bytes - 1) == max - used_bytes
    });
    let exact = exact.expect("some length fits");
    assert!(fixture.publish(Q, &format!("{exact}x")).is_err());
    assert_eq!(fixture.send(Q, &exact), 1);
    assert_eq!(fixture.metrics.queue_bytes.get() as usize, max);
    assert!(fixture.publish(Q, "").is_err());
}

#[test]
fn queue_over_queues_max_is_rejected_to_sender_and_subscriber() {
    let fixture = Fixture::with(Options { queues_max: 2, ..Options::default() }, usize::MAX);
    let receiver = fixture.receiver(1);
    fixture.send("/queue/a", "m");
    let second = fixture.subscribe("/queue/b", &receiver, ALL);
    let rejection = fixture.publish("/queue/c", "m").unwrap_err();
    assert_eq!(rejection.limit, Some(Limit::Queues));
    let rejection = fixture.try_subscribe(selector("/queue/c"), &receiver, ALL, fixture.now()).unwrap_err();
    assert_eq!(rejection.limit, Some(Limit::Queues));
    assert_eq!(fixture.metrics.subscriptions.get(), 1);
    assert_eq!(fixture.send("/queue/a", "m"), 1, "existing queues still accept messages");
    let _temp = fixture.broker.open_temp(&to("/temp-queue/~x")).expect("opened");
    assert_eq!(fixture.send("/temp-queue/~x", "m"), 1, "temporary queues do not count");
    drop(second);
    assert_eq!(fixture.send("/queue/c", "m"), 1, "a removed queue makes space");
}

#[test]
fn queue_memory_is_released() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    for n in 0..2000 {
        fixture.send(Q, &n.to_string());
    }
    let bodies = fixture.metrics.queue_bytes.get() as usize;
    assert!(fixture.budget.used() > bodies, "the memory of the queue itself is charged, too");
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    // At most a few hundred messages wait in the outbound queue at once, so several rounds are needed.
    while fixture.gauges().0 > 0 {
        let tags: Vec<Tag> = receiver.deliveries().iter().map(|delivery| delivery.tag).collect();
        assert!(!tags.is_empty(), "the queue resumes when the receiver has taken its deliveries");
        fixture.settle(&consumer, &tags, Settlement::Accepted);
        consumer.resume(fixture.now());
    }
    assert_eq!(fixture.gauges(), (0, 1));
    assert_eq!(
        fixture.budget.used(),
        Queue::bytes(&to(Q)) + Consumers::bytes(1),
        "the queue and its consumer remain"
    );
    drop(consumer);
    assert_eq!(fixture.budget.used(), 0);
}

#[test]
fn broker_dropped_with_messages_leaves_gauges_at_zero() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    fixture.send_all(&["a", "b"]);
    let consumer = fixture.subscribe(Q, &receiver, credit(1));
    receiver.deliveries();
    let Fixture { broker, metrics, budget, .. } = fixture;
    drop((consumer, broker));
    assert_eq!((metrics.queues.get(), metrics.queue_messages.get(), metrics.queue_bytes.get()), (0, 0, 0));
    drop(receiver);
    assert_eq!(budget.used(), 0);
}
