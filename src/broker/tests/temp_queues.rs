//! Temporary queues of a session.

use super::fixture::*;
use crate::broker::Options;
use crate::command::Settlement;
use crate::rejection::Limit;

const TEMP: &str = "/temp-queue/~4f1c";

#[test]
fn open_temporary_queue_delivers_its_messages() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let temp = fixture.broker.open_temp(&to(TEMP)).expect("opened");
    assert_eq!(fixture.send(TEMP, "a"), 1);
    let consumer = fixture.subscribe(TEMP, &receiver, ALL);
    fixture.send(TEMP, "b");
    assert_eq!(receiver.bodies(), ["a", "b"]);
    consumer.settle(&[1, 2], Settlement::Accepted, fixture.now());
    drop(consumer);
    assert_eq!(fixture.broker.stats().queues, 1, "an empty temporary queue stays");
    assert_eq!(fixture.send(TEMP, "c"), 1);
    drop(temp);
    assert!(fixture.broker.is_empty());
    assert_eq!((fixture.metrics.queues.get(), fixture.metrics.queue_messages.get()), (0, 0));
}

#[test]
fn message_to_a_closed_temporary_queue_is_dropped_and_counted() {
    let fixture = Fixture::new();
    assert_eq!(fixture.send(TEMP, "m"), 0);
    let counted = || (fixture.metrics.messages_published.get(), fixture.metrics.messages_dropped.get());
    assert_eq!(counted(), (1, 1));
    drop(fixture.broker.open_temp(&to(TEMP)).expect("opened"));
    assert_eq!(fixture.send(TEMP, "m"), 0);
    assert_eq!(counted(), (2, 2));
    assert!(fixture.broker.is_empty());
}

#[test]
fn subscribing_to_a_closed_temporary_queue_is_rejected() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let rejection = fixture.try_subscribe(selector(TEMP), &receiver, ALL, fixture.now()).unwrap_err();
    assert_eq!(rejection.limit, None);
    assert!(rejection.detail.contains(TEMP), "{}", rejection.detail);
    assert!(fixture.broker.is_empty());
    assert_eq!(fixture.metrics.subscriptions.get(), 0);
}

#[test]
fn closing_a_temporary_queue_drops_its_undelivered_messages() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let temp = fixture.broker.open_temp(&to(TEMP)).expect("opened");
    let consumer = fixture.subscribe(TEMP, &receiver, credit(1));
    for body in ["a", "b", "c"] {
        fixture.send(TEMP, body);
    }
    drop(temp);
    assert_eq!(fixture.metrics.messages_dropped.get(), 2, "the messages that were not delivered");
    assert_eq!((fixture.metrics.queue_messages.get(), fixture.metrics.queue_bytes.get()), (0, 0));
    assert_eq!(receiver.bodies(), ["a"]);
    consumer.settle(&[1], Settlement::Returned, fixture.now());
    consumer.resume(fixture.now());
    drop(consumer);
    assert!(fixture.broker.is_empty());
    assert_eq!((fixture.metrics.queues.get(), fixture.metrics.subscriptions.get()), (0, 0));
    drop(receiver);
    assert_eq!(fixture.budget.used(), 0);
}

#[test]
fn temporary_queue_has_the_message_limit_and_ignores_queues_max() {
    let options = Options { queue_messages_max: 1, queues_max: 0, ..Options::default() };
    let fixture = Fixture::with(options, usize::MAX);
    let _temp = fixture.broker.open_temp(&to(TEMP)).expect("opened");
    assert_eq!(fixture.send(TEMP, "m"), 1);
    assert_eq!(fixture.publish(TEMP, "m").unwrap_err().limit, Some(Limit::QueueMessages));
}

#[test]
fn reopened_address_is_a_new_queue() {
    let fixture = Fixture::new();
    let first = fixture.broker.open_temp(&to(TEMP)).expect("opened");
    fixture.send(TEMP, "m");
    let second = fixture.broker.open_temp(&to(TEMP)).expect("opened");
    assert_eq!((fixture.metrics.messages_dropped.get(), fixture.metrics.queues.get()), (1, 1));
    drop(first);
    assert_eq!(fixture.send(TEMP, "m"), 1, "dropping the first handle keeps the second queue open");
    drop(second);
    assert!(fixture.broker.is_empty());
}

#[test]
fn debug_hides_the_address() {
    let fixture = Fixture::new();
    let temp = fixture.broker.open_temp(&to(TEMP)).expect("opened");
    assert!(!format!("{temp:?} {:?}", fixture.broker).contains("4f1c"));
}
