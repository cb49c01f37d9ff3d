//! Messages that fail too often or are rejected.

use super::fixture::*;
use crate::broker::{Options, Subscription};
use crate::command::Settlement;
use crate::outbound_queue::Tag;
use std::time::{Duration, Instant};

const Q: &str = "/queue/q";
const DEAD: &str = "/queue/dead.q";

fn with_max_deliveries(max_deliveries: u32) -> Fixture {
    Fixture::with(Options { max_deliveries, ..Options::default() }, usize::MAX)
}

/// Settles all deliveries of the consumer as returned and waits for the backoff, and repeats this `times` times.
/// Returns the counts of the deliveries, and the time at the end.
fn return_deliveries(
    fixture: &Fixture,
    consumer: &Subscription,
    receiver: &Receiver,
    times: usize,
) -> (Vec<u32>, Instant) {
    let mut now = fixture.now();
    let mut counts = Vec::new();
    for _ in 0..times {
        let deliveries = receiver.deliveries();
        let tags: Vec<Tag> = deliveries.iter().map(|delivery| delivery.tag).collect();
        counts.extend(deliveries.iter().map(|delivery| delivery.count));
        consumer.settle(&tags, Settlement::Returned, now);
        now += Duration::from_secs(1);
        fixture.broker.expire(now);
    }
    (counts, now)
}

#[test]
fn message_is_dead_lettered_with_a_reason_after_the_last_failed_delivery() {
    let fixture = Fixture::new();
    let (receiver, dead_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    fixture.send(Q, "poison");
    let (counts, _) = return_deliveries(&fixture, &consumer, &receiver, 25);
    assert_eq!(counts, (1..=20).collect::<Vec<_>>());
    assert_eq!((fixture.metrics.dead_letters.get(), fixture.metrics.queue_messages.get()), (1, 1));
    let _dead = fixture.subscribe(DEAD, &dead_receiver, ALL);
    let letters = dead_receiver.deliveries();
    assert_eq!((letters.len(), letters[0].count, letters[0].tag), (1, 1, 1));
    assert_eq!(letters[0].message.destination(), DEAD);
    assert_eq!(body(&letters[0]), "poison");
    assert_eq!(letters[0].message.id(), "000000000000-2", "a dead letter is a new message");
    let headers = headers(&letters[0]);
    for header in ["dead-reason:max-deliveries", "dead-origin:/queue/q", "dead-deliveries:20"] {
        assert!(headers.iter().any(|line| line == header), "{header} in {headers:?}");
    }
}

#[test]
fn failed_deliveries_to_several_consumers_are_added() {
    let fixture = with_max_deliveries(4);
    let receivers = [1, 2].map(|key| fixture.receiver(key));
    let consumers = receivers.each_ref().map(|receiver| fixture.subscribe(Q, receiver, ALL));
    fixture.send(Q, "poison");
    let mut counts = Vec::new();
    for index in [0, 1, 0, 1] {
        let deliveries = receivers[index].deliveries();
        counts.extend(deliveries.iter().map(|delivery| delivery.count));
        consumers[index].settle(&[1], Settlement::Returned, fixture.now());
    }
    assert_eq!(counts, [1, 2, 3, 4]);
    assert_eq!(fixture.metrics.dead_letters.get(), 1);
}

#[test]
fn only_the_message_settled_as_lost_counts_as_failed() {
    let fixture = with_max_deliveries(3);
    for body in ["poison", "one", "two", "unread"] {
        fixture.send(Q, body);
    }
    for count in 1..=3 {
        let receiver = fixture.receiver(1);
        let consumer = fixture.subscribe(Q, &receiver, ALL);
        let bodies = ["poison", "one", "two", "unread"].map(str::to_owned);
        let received = receiver.received().into_iter().map(|(body, count, _)| (body, count));
        assert_eq!(
            received.collect::<Vec<_>>(),
            bodies.map(|body| (body, count)),
            "all messages are sent again"
        );
        consumer.settle(&[1], Settlement::Lost, fixture.now());
        assert!(receiver.received().is_empty(), "a lost client gets nothing more");
        drop(consumer);
        assert_eq!(fixture.metrics.dead_letters.get(), u64::from(count == 3));
    }
    let receiver = fixture.receiver(1);
    let _consumer = fixture.subscribe(Q, &receiver, ALL);
    let remaining = [("one", 4, 2), ("two", 4, 3), ("unread", 4, 4)]
        .map(|(body, count, tag)| (body.to_owned(), count, tag));
    assert_eq!(receiver.received(), remaining);
}

#[test]
fn consumers_that_leave_without_settling_make_no_dead_letter() {
    let fixture = with_max_deliveries(1);
    fixture.send(Q, "m");
    for count in 1..=100 {
        let receiver = fixture.receiver(1);
        let consumer = fixture.subscribe(Q, &receiver, ALL);
        assert_eq!(receiver.received(), [("m".to_owned(), count, 1)]);
        drop(consumer);
    }
    assert_eq!((fixture.metrics.dead_letters.get(), fixture.metrics.queue_messages.get()), (0, 1));
}

#[test]
fn sent_and_failed_deliveries_are_counted_separately() {
    let fixture = with_max_deliveries(2);
    fixture.send(Q, "m");
    for settlement in [None, Some(Settlement::Lost), None, Some(Settlement::Returned)] {
        let receiver = fixture.receiver(1);
        let consumer = fixture.subscribe(Q, &receiver, ALL);
        assert_eq!(receiver.deliveries().len(), 1);
        if let Some(settlement) = settlement {
            consumer.settle(&[1], settlement, fixture.now());
        }
        drop(consumer);
    }
    let dead_receiver = fixture.receiver(2);
    let _dead = fixture.subscribe(DEAD, &dead_receiver, ALL);
    let letters = dead_receiver.deliveries();
    let headers = headers(&letters[0]);
    for header in ["dead-reason:max-deliveries", "dead-deliveries:4"] {
        assert!(headers.iter().any(|line| line == header), "{header} in {headers:?}");
    }
}

#[test]
fn a_rejected_message_is_a_dead_letter_at_once() {
    let fixture = Fixture::new();
    let (receiver, dead_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    fixture.send(Q, "broken");
    fixture.send(Q, "good");
    receiver.deliveries();
    consumer.settle(&[1], Settlement::Rejected, fixture.now());
    assert!(receiver.received().is_empty());
    let dead = fixture.subscribe(DEAD, &dead_receiver, ALL);
    let letters = dead_receiver.deliveries();
    assert_eq!(bodies(&letters), ["broken"]);
    let headers = headers(&letters[0]);
    for header in ["dead-reason:rejected", "dead-origin:/queue/q", "dead-deliveries:1"] {
        assert!(headers.iter().any(|line| line == header), "{header} in {headers:?}");
    }
    dead.settle(&[1], Settlement::Rejected, fixture.now());
    assert_eq!(
        dead_receiver.received(),
        [("broken".to_owned(), 2, 1)],
        "a dead letter queue keeps rejected messages"
    );
}

#[test]
fn a_rejected_message_of_a_temporary_queue_is_dropped() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let _temp = fixture.broker.open_temp(&to("/temp-queue/~x")).expect("opened");
    let consumer = fixture.subscribe("/temp-queue/~x", &receiver, ALL);
    fixture.send("/temp-queue/~x", "m");
    receiver.deliveries();
    consumer.settle(&[1], Settlement::Rejected, fixture.now());
    assert_eq!((fixture.metrics.dead_letters.get(), fixture.metrics.messages_dropped.get()), (0, 1));
}

#[test]
fn message_of_a_dead_letter_queue_stays_and_backs_off_for_all_consumers() {
    let fixture = with_max_deliveries(2);
    let receivers = [1, 2].map(|key| fixture.receiver(key));
    let consumers = receivers.each_ref().map(|receiver| fixture.subscribe(DEAD, receiver, ALL));
    fixture.send(DEAD, "poison");
    let now = fixture.now();
    assert_eq!(receivers[0].received(), [("poison".to_string(), 1, 1)]);
    consumers[0].settle(&[1], Settlement::Returned, now);
    assert_eq!(receivers[1].received(), [("poison".to_string(), 2, 1)]);
    consumers[1].settle(&[1], Settlement::Returned, now);
    assert!(receivers[0].received().is_empty(), "the message backs off for both consumers");
    let due = now + Duration::from_millis(10);
    assert_eq!(fixture.broker.expire(now), Some(due));
    fixture.broker.expire(due);
    assert_eq!(receivers[0].received(), [("poison".to_string(), 3, 1)]);
    let (counts, _) = return_deliveries(&fixture, &consumers[0], &receivers[0], 3);
    assert!(counts.is_empty());
    consumers[0].settle(&[1], Settlement::Returned, due);
    fixture.broker.expire(due + Duration::from_secs(1));
    assert_eq!(receivers[1].received(), [("poison".to_string(), 4, 1)]);
    assert_eq!((fixture.metrics.dead_letters.get(), fixture.broker.stats().queues), (0, 1));
}

#[test]
fn full_dead_letter_queue_drops_its_oldest_message() {
    let options = Options { max_deliveries: 1, queue_messages_max: 2, ..Options::default() };
    let fixture = Fixture::with(options, usize::MAX);
    let (receiver, dead_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    for (tag, body) in (1..).zip(["a", "b", "c", "d"]) {
        fixture.send(Q, body);
        fixture.broker.stats();
        consumer.settle(&[tag], Settlement::Returned, fixture.now());
    }
    assert_eq!((fixture.metrics.dead_letters.get(), fixture.metrics.messages_dropped.get()), (4, 2));
    assert!(fixture.publish(DEAD, "e").is_err(), "SEND to the full queue is rejected");
    let _dead = fixture.subscribe(DEAD, &dead_receiver, ALL);
    assert_eq!(dead_receiver.bodies(), ["c", "d"]);
    fixture.send(Q, "f");
    consumer.settle(&[5], Settlement::Returned, fixture.now());
    assert!(
        dead_receiver.bodies().is_empty(),
        "outstanding messages stay, so the new dead letter is dropped"
    );
    assert_eq!(fixture.metrics.messages_dropped.get(), 3);
}

#[test]
fn dead_letter_larger_than_its_queue_is_dropped_and_the_queue_is_removed() {
    let body = "x".repeat(2000);
    let probe = Fixture::new();
    probe.send(Q, &body);
    let bytes = probe.metrics.queue_bytes.get() as usize;
    let options = Options { max_deliveries: 1, queue_bytes_max: bytes, ..Options::default() };
    let fixture = Fixture::with(options, usize::MAX);
    let receiver = fixture.receiver(1);
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    fixture.send(Q, &body);
    consumer.settle(&[1], Settlement::Returned, fixture.now());
    assert_eq!(fixture.metrics.messages_dropped.get(), 1, "its additional headers make it too large");
    drop(consumer);
    assert!(fixture.broker.is_empty());
}

#[test]
fn dead_letter_is_dropped_and_counted_when_its_queue_cannot_be_created() {
    let options = Options { max_deliveries: 1, queues_max: 1, ..Options::default() };
    let fixture = Fixture::with(options, usize::MAX);
    let receiver = fixture.receiver(1);
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    fixture.send(Q, "m");
    consumer.settle(&[1], Settlement::Returned, fixture.now());
    assert_eq!((fixture.metrics.dead_letters.get(), fixture.metrics.messages_dropped.get()), (0, 1));
    assert_eq!(fixture.metrics.queue_messages.get(), 0);
}

#[test]
fn temporary_queue_drops_messages_that_failed_too_often() {
    let fixture = with_max_deliveries(2);
    let receiver = fixture.receiver(1);
    let _temp = fixture.broker.open_temp(&to("/temp-queue/~x")).expect("opened");
    let consumer = fixture.subscribe("/temp-queue/~x", &receiver, ALL);
    fixture.send("/temp-queue/~x", "m");
    let (counts, _) = return_deliveries(&fixture, &consumer, &receiver, 4);
    assert_eq!(counts, [1, 2]);
    assert_eq!((fixture.metrics.dead_letters.get(), fixture.metrics.messages_dropped.get()), (0, 1));
    assert_eq!(fixture.broker.stats().queues, 1);
}
