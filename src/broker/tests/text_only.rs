//! Work queues with text-only consumers. In these tests a body that is not text begins with "�".

use super::fixture::*;
use crate::broker::{Options, Subscription, TransactionStep};
use crate::command::{ConsumerOptions, Settlement};
use crate::outbound_queue::Tag;
use crate::rejection::Limit;
use std::time::Duration;

const Q: &str = "/queue/q";
const DEAD: &str = "/queue/dead.q";
const TEMP: &str = "/temp-queue/~x";

fn text_credit(prefetch: u32) -> ConsumerOptions {
    ConsumerOptions { prefetch, ..TEXT }
}

/// Returns the bytes of a body that the fixture shows as `text`, such as "�1".
fn bytes(text: &str) -> Vec<u8> {
    text.chars().flat_map(|c| if c == '\u{fffd}' { vec![0xff] } else { c.to_string().into_bytes() }).collect()
}

impl Fixture {
    fn send_bodies(&self, queue: &str, bodies: &[&str]) {
        for body in bodies {
            assert_eq!(self.send(queue, &bytes(body)), 1, "the queue accepts every message");
        }
    }

    /// Takes all messages out of the dead letter queue. Returns the body and the reason of each.
    fn take_dead_letters(&self) -> Vec<(String, String)> {
        let dead_receiver = self.receiver(99);
        let dead = self.subscribe(DEAD, &dead_receiver, ALL);
        let deliveries = dead_receiver.deliveries();
        let tags: Vec<Tag> = deliveries.iter().map(|delivery| delivery.tag).collect();
        dead.settle(&tags, Settlement::Accepted, self.now());
        let reason = |lines: Vec<String>| {
            lines.iter().find_map(|line| Some(line.strip_prefix("dead-reason:")?.into()))
        };
        deliveries
            .iter()
            .map(|delivery| (body(delivery), reason(headers(delivery)).expect("a reason")))
            .collect()
    }

    /// Takes all dead letters, which must have the reason `not-text`. Returns their bodies.
    fn take_not_text(&self) -> Vec<String> {
        let letters = self.take_dead_letters();
        assert!(letters.iter().all(|(_, reason)| reason == "not-text"), "{letters:?}");
        letters.into_iter().map(|(body, _)| body).collect()
    }

    fn dead_and_dropped(&self) -> (u64, u64) {
        (self.metrics.dead_letters.get(), self.metrics.messages_dropped.get())
    }

    /// Checks that the broker is empty. The caller has dropped all subscriptions and settled all messages.
    fn assert_empty(&self) {
        assert!(self.broker.is_empty());
        let metrics = &self.metrics;
        let gauges = (metrics.queue_messages.get(), metrics.queue_bytes.get(), metrics.queues.get());
        assert_eq!(gauges, (0, 0, 0));
        assert_eq!(self.budget.used(), 0);
    }
}

fn accept(fixture: &Fixture, subscription: &Subscription, tags: &[Tag]) {
    subscription.settle(tags, Settlement::Accepted, fixture.now());
}

#[test]
fn non_text_waits_for_a_busy_consumer_while_text_is_delivered() {
    let fixture = Fixture::new();
    let (any_receiver, text_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let any_consumer = fixture.subscribe(Q, &any_receiver, credit(1));
    let _text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    fixture.send_bodies(Q, &["a", "�1", "�2", "b", "c"]);
    assert_eq!(
        (any_receiver.bodies(), text_receiver.bodies()),
        (vec!["a".into()], vec!["b".to_string(), "c".into()])
    );
    accept(&fixture, &any_consumer, &[1]);
    assert_eq!(any_receiver.bodies(), ["�1"]);
    accept(&fixture, &any_consumer, &[2]);
    assert_eq!(any_receiver.bodies(), ["�2"]);
    assert_eq!((text_receiver.bodies().len(), fixture.dead_and_dropped()), (0, (0, 0)));
}

#[test]
fn consumer_of_all_bodies_gets_both_kinds_in_order() {
    let fixture = Fixture::new();
    let (any_receiver, text_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let any_consumer = fixture.subscribe(Q, &any_receiver, credit(1));
    let _text_consumer = fixture.subscribe(Q, &text_receiver, text_credit(1));
    fixture.send_bodies(Q, &["a", "b", "�1", "c", "�2", "�3", "d"]);
    assert_eq!(
        (any_receiver.bodies(), text_receiver.bodies()),
        (vec!["a".to_string()], vec!["b".to_string()])
    );
    let mut order = Vec::new();
    for tag in [1, 3, 4, 5, 6] {
        accept(&fixture, &any_consumer, &[tag]);
        order.extend(any_receiver.bodies());
    }
    assert_eq!(order, ["�1", "c", "�2", "�3", "d"]);
}

#[test]
fn returned_message_is_delivered_first_in_either_partition() {
    let fixture = Fixture::new();
    let (any_receiver, text_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let text_consumer = fixture.subscribe(Q, &text_receiver, text_credit(1));
    let any_consumer = fixture.subscribe(Q, &any_receiver, credit(2));
    fixture.send_bodies(Q, &["a", "�1", "�2", "b", "�3"]);
    assert_eq!(
        (any_receiver.bodies(), text_receiver.bodies()),
        (vec!["�1".into(), "�2".to_string()], vec!["a".to_string()])
    );
    any_consumer.settle(&[2, 3], Settlement::Unwritten, fixture.now());
    text_consumer.settle(&[1], Settlement::Unwritten, fixture.now());
    any_consumer.resume(fixture.now());
    assert_eq!(any_receiver.received(), [("a".into(), 1, 1), ("�1".into(), 1, 2)]);
    text_consumer.resume(fixture.now());
    assert_eq!(text_receiver.received(), [("b".to_string(), 1, 4)]);
    accept(&fixture, &any_consumer, &[1, 2]);
    assert_eq!(any_receiver.bodies(), ["�2", "�3"]);
}

#[test]
fn non_text_is_kept_while_there_is_no_consumer() {
    let fixture = Fixture::new();
    fixture.send_bodies(Q, &["a", "�1"]);
    let receiver = fixture.receiver(1);
    drop(fixture.subscribe("/queue/other", &receiver, TEXT));
    let any_consumer = fixture.subscribe(Q, &receiver, ALL);
    assert_eq!(receiver.bodies(), ["a", "�1"]);
    accept(&fixture, &any_consumer, &[1, 2]);
    drop(any_consumer);
    assert_eq!(fixture.dead_and_dropped(), (0, 0));
    fixture.assert_empty();
}

#[test]
fn non_text_is_kept_after_the_last_text_only_consumer_has_left() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    fixture.send_bodies(Q, &["a"]);
    drop(fixture.subscribe(Q, &receiver, TEXT));
    fixture.send_bodies(Q, &["�1", "b", "�2"]);
    assert_eq!(fixture.dead_and_dropped(), (0, 0));
    let any_consumer = fixture.subscribe(Q, &receiver, ALL);
    assert_eq!(receiver.bodies(), ["a", "�1", "b", "�2"]);
    accept(&fixture, &any_consumer, &[1, 2, 3, 4]);
    drop(any_consumer);
    fixture.assert_empty();
}

#[test]
fn non_text_is_dead_lettered_on_publish_when_all_consumers_are_text_only() {
    let fixture = Fixture::new();
    let text_receivers = [1, 2].map(|key| fixture.receiver(key));
    let text_consumers =
        text_receivers.each_ref().map(|text_receiver| fixture.subscribe(Q, text_receiver, text_credit(1)));
    fixture.send_bodies(Q, &["�1", "a", "�2", "b", "c"]);
    assert_eq!(text_receivers.each_ref().map(Receiver::bodies), [["a"], ["b"]]);
    assert_eq!((fixture.dead_and_dropped(), fixture.metrics.messages_published.get()), ((2, 0), 5));
    assert_eq!(fixture.metrics.queue_messages.get(), 5, "dead letters are in a queue");
    assert_eq!(fixture.take_not_text(), ["�1", "�2"]);
    accept(&fixture, &text_consumers[0], &[2]);
    assert_eq!(text_receivers[0].bodies(), ["c"]);
    accept(&fixture, &text_consumers[0], &[5]);
    accept(&fixture, &text_consumers[1], &[4]);
    drop(text_consumers);
    fixture.assert_empty();
}

#[test]
fn not_text_dead_letter_has_its_reason_and_origin() {
    let fixture = Fixture::new();
    let (text_receiver, dead_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let _text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    fixture.send_bodies(Q, &["�1"]);
    let _dead = fixture.subscribe(DEAD, &dead_receiver, ALL);
    let letters = dead_receiver.deliveries();
    assert_eq!((letters.len(), letters[0].message.destination()), (1, DEAD));
    assert_eq!(letters[0].message.body(), [0xff, b'1'], "the body is unchanged");
    for header in ["dead-reason:not-text", "dead-origin:/queue/q", "dead-deliveries:0"] {
        assert!(headers(&letters[0]).iter().any(|line| line == header), "{header}");
    }
}

#[test]
fn subscribing_a_sole_text_only_consumer_dead_letters_waiting_non_text() {
    let fixture = Fixture::new();
    fixture.send_bodies(Q, &["�1", "a", "�2", "b"]);
    let text_receiver = fixture.receiver(1);
    let text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    assert_eq!(text_receiver.received(), [("a".to_string(), 1, 2), ("b".to_string(), 1, 4)]);
    assert_eq!(fixture.take_not_text(), ["�1", "�2"]);
    accept(&fixture, &text_consumer, &[2, 4]);
    drop(text_consumer);
    fixture.assert_empty();
}

/// Covers messages that were never delivered, messages that are outstanding, and messages that wait for a consumer.
/// Some of these wait for any consumer except the one that returned them.
#[test]
fn non_text_in_any_state_is_dead_lettered_when_only_text_consumers_remain() {
    let fixture = Fixture::new();
    let (any_receiver, text_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let any_consumer = fixture.subscribe(Q, &any_receiver, credit(6));
    fixture.send_bodies(Q, &["�1", "a", "�2", "b", "�3", "c", "�4", "d"]);
    assert_eq!(any_receiver.deliveries().len(), 6);
    any_consumer.settle(&[1, 2], Settlement::Returned, fixture.now());
    any_consumer.settle(&[1, 2], Settlement::Returned, fixture.now());
    assert_eq!(any_receiver.bodies().len(), 2 + 2, "returned messages first, then others");
    any_consumer.settle(&[3, 4], Settlement::Unwritten, fixture.now());
    let _text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    assert_eq!(text_receiver.bodies(), ["a", "b"]);
    assert_eq!(fixture.dead_and_dropped(), (0, 0), "a busy consumer could take them");
    drop(any_consumer);
    assert_eq!(fixture.take_not_text(), ["�1", "�2", "�3", "�4"]);
    assert_eq!(text_receiver.bodies(), ["c", "d"]);
}

#[test]
fn non_text_is_dead_lettered_when_the_last_consumer_of_all_bodies_leaves() {
    let fixture = Fixture::new();
    let receivers = [1, 2].map(|key| fixture.receiver(key));
    let text_receiver = fixture.receiver(3);
    let mut consumers =
        receivers.each_ref().map(|receiver| fixture.subscribe(Q, receiver, credit(2))).into_iter();
    let text_consumer = fixture.subscribe(Q, &text_receiver, text_credit(1));
    fixture.send_bodies(Q, &["�1", "�2", "�3", "�4", "�5"]);
    assert_eq!(receivers[0].bodies(), ["�1", "�3"]);
    drop(consumers.next());
    assert_eq!(fixture.dead_and_dropped(), (0, 0), "the other consumer could take them");
    drop(consumers.next());
    assert_eq!(fixture.take_not_text(), ["�1", "�2", "�3", "�4", "�5"]);
    drop(text_consumer);
    fixture.assert_empty();
}

#[test]
fn returned_non_text_waits_for_its_only_possible_consumer() {
    let fixture = Fixture::new();
    let (any_receiver, text_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let _text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    let any_consumer = fixture.subscribe(Q, &any_receiver, ALL);
    fixture.send_bodies(Q, &["�1"]);
    let mut now = fixture.now();
    for count in 1..=3 {
        assert_eq!(any_receiver.received(), [("�1".to_string(), count, 1)]);
        any_consumer.settle(&[1], Settlement::Returned, now);
        if count > 1 {
            assert!(any_receiver.received().is_empty(), "the message backs off");
            now = fixture.broker.expire(now).expect("a timer");
            fixture.broker.expire(now);
        }
    }
    assert_eq!(any_receiver.received(), [("�1".to_string(), 4, 1)]);
    any_consumer.settle(&[1], Settlement::Unwritten, now);
    assert!(any_receiver.received().is_empty());
    any_consumer.resume(now);
    assert_eq!(any_receiver.received(), [("�1".to_string(), 4, 1)]);
    assert_eq!((text_receiver.bodies().len(), fixture.dead_and_dropped()), (0, (0, 0)));
}

#[test]
fn returned_non_text_goes_to_another_consumer_of_all_bodies_first() {
    let fixture = Fixture::new();
    let receivers = [1, 2].map(|key| fixture.receiver(key));
    let consumers = receivers.each_ref().map(|receiver| fixture.subscribe(Q, receiver, ALL));
    let text_receiver = fixture.receiver(3);
    let _text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    fixture.send_bodies(Q, &["�1"]);
    assert_eq!(receivers[0].received(), [("�1".to_string(), 1, 1)]);
    consumers[0].settle(&[1], Settlement::Returned, fixture.now());
    assert_eq!(receivers[1].received(), [("�1".to_string(), 2, 1)]);
    consumers[1].settle(&[1], Settlement::Returned, fixture.now());
    assert_eq!(receivers[0].received(), [("�1".to_string(), 3, 1)]);
    assert!(text_receiver.bodies().is_empty());
}

#[test]
fn non_text_that_failed_too_often_has_the_reason_max_deliveries() {
    let fixture = Fixture::with(Options { max_deliveries: 1, ..Options::default() }, usize::MAX);
    let (any_receiver, text_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let any_consumer = fixture.subscribe(Q, &any_receiver, credit(1));
    let _text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    fixture.send_bodies(Q, &["�1", "�2", "�3"]);
    assert_eq!(any_receiver.bodies(), ["�1"]);
    any_consumer.settle(&[1], Settlement::Returned, fixture.now());
    assert_eq!(any_receiver.bodies(), ["�2"]);
    any_consumer.settle(&[2], Settlement::Lost, fixture.now());
    drop(any_consumer);
    let reasons = [("�1", "max-deliveries"), ("�2", "max-deliveries"), ("�3", "not-text")];
    assert_eq!(
        fixture.take_dead_letters(),
        reasons.map(|(body, reason)| (body.to_string(), reason.to_string()))
    );
}

#[test]
fn skipped_text_only_consumer_keeps_its_round_robin_position() {
    let fixture = Fixture::new();
    let (any_receiver, text_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let _text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    let _any_consumer = fixture.subscribe(Q, &any_receiver, ALL);
    fixture.send_bodies(Q, &["�1", "�2", "a", "b", "�3", "c", "d"]);
    assert_eq!(text_receiver.bodies(), ["a", "c"]);
    assert_eq!(any_receiver.bodies(), ["�1", "�2", "b", "�3", "d"]);
}

#[test]
fn text_goes_round_robin_to_both_kinds_of_consumers() {
    let fixture = Fixture::new();
    let receivers = [1, 2, 3, 4].map(|key| fixture.receiver(key));
    let options = [TEXT, ALL, TEXT, ALL];
    let _all: Vec<Subscription> = receivers
        .iter()
        .zip(options)
        .map(|(receiver, options)| fixture.subscribe(Q, receiver, options))
        .collect();
    fixture.send_bodies(Q, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    assert_eq!(receivers.each_ref().map(Receiver::bodies), [["a", "e"], ["b", "f"], ["c", "g"], ["d", "h"]]);
}

#[test]
fn non_text_stays_in_a_dead_letter_queue() {
    let fixture = Fixture::new();
    let (any_receiver, text_receiver) = (fixture.receiver(1), fixture.receiver(2));
    fixture.send_bodies(DEAD, &["�1", "a"]);
    let text_consumer = fixture.subscribe(DEAD, &text_receiver, TEXT);
    fixture.send_bodies(DEAD, &["�2", "b"]);
    assert_eq!(text_receiver.bodies(), ["a", "b"]);
    drop(fixture.subscribe(DEAD, &any_receiver, credit(1)));
    assert_eq!((any_receiver.bodies().len(), fixture.dead_and_dropped()), (0, (0, 0)));
    assert_eq!(fixture.metrics.queue_messages.get(), 4);
    accept(&fixture, &text_consumer, &[2, 4]);
    let any_consumer = fixture.subscribe(DEAD, &any_receiver, ALL);
    assert_eq!(any_receiver.bodies(), ["�1", "�2"]);
    accept(&fixture, &any_consumer, &[1, 3]);
    drop((text_consumer, any_consumer));
    fixture.assert_empty();
}

#[test]
fn full_dead_letter_queue_drops_its_oldest_message_of_either_kind() {
    let options = Options { queue_messages_max: 3, ..Options::default() };
    let fixture = Fixture::with(options, usize::MAX);
    let (text_receiver, idle_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let _idle_consumer = fixture.subscribe(DEAD, &idle_receiver, text_credit(1));
    fixture.send_bodies(DEAD, &["outstanding", "�old", "old"]);
    let _text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    for (body, dropped) in [("�1", 1), ("�2", 2), ("�3", 3)] {
        fixture.send_bodies(Q, &[body]);
        assert_eq!(fixture.metrics.messages_dropped.get(), dropped);
    }
    let any_receiver = fixture.receiver(3);
    let _any_consumer = fixture.subscribe(DEAD, &any_receiver, ALL);
    assert_eq!(any_receiver.bodies(), ["�2", "�3"]);
}

#[test]
fn not_text_dead_letter_is_dropped_when_its_queue_cannot_be_created() {
    let fixture = Fixture::with(Options { queues_max: 1, ..Options::default() }, usize::MAX);
    let text_receiver = fixture.receiver(1);
    let _text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    fixture.send_bodies(Q, &["�1"]);
    assert_eq!((fixture.dead_and_dropped(), fixture.metrics.queue_messages.get()), ((0, 1), 0));
}

#[test]
fn full_queue_rejects_non_text_that_would_be_dead_lettered() {
    let fixture = Fixture::with(Options { queue_messages_max: 1, ..Options::default() }, usize::MAX);
    let text_receiver = fixture.receiver(1);
    let text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    fixture.send_bodies(Q, &["�1", "a"]);
    assert_eq!(fixture.publish(Q, &bytes("�2")).unwrap_err().limit, Some(Limit::QueueMessages));
    accept(&fixture, &text_consumer, &[2]);
    assert_eq!(fixture.take_not_text(), ["�1"]);
}

#[test]
fn temporary_queue_drops_non_text_when_all_consumers_are_text_only() {
    let fixture = Fixture::new();
    let temp = fixture.broker.open_temp(&to(TEMP)).expect("opened");
    let text_receiver = fixture.receiver(1);
    fixture.send_bodies(TEMP, &["�1", "a"]);
    let text_consumer = fixture.subscribe(TEMP, &text_receiver, TEXT);
    fixture.send_bodies(TEMP, &["b", "�2"]);
    assert_eq!(
        (text_receiver.bodies(), fixture.dead_and_dropped()),
        (vec!["a".into(), "b".to_string()], (0, 2))
    );
    assert_eq!(fixture.metrics.queue_messages.get(), 2);
    drop(text_consumer);
    fixture.send_bodies(TEMP, &["�3"]);
    drop(temp);
    assert_eq!(fixture.dead_and_dropped(), (0, 5), "returned and waiting messages of both kinds");
    assert!(fixture.broker.is_empty());
}

#[test]
fn transaction_dead_letters_non_text_when_all_consumers_are_text_only() {
    let fixture = Fixture::new();
    let text_receiver = fixture.receiver(1);
    let text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    let queue = to(Q);
    let bodies = ["�1", "a", "�2"].map(bytes);
    let steps: Vec<TransactionStep> = bodies.iter().map(|body| publish_step(&queue, body)).collect();
    assert_eq!(commit(&fixture.broker, &steps, fixture.now()).expect("committed").reached, 3);
    assert_eq!(
        (text_receiver.bodies(), fixture.take_not_text()),
        (vec!["a".to_string()], vec!["�1".into(), "�2".to_string()])
    );
    assert_eq!(fixture.metrics.messages_published.get(), 3);
    accept(&fixture, &text_consumer, &[2]);
    drop(text_consumer);
    fixture.assert_empty();
}

#[test]
fn backoff_timer_of_a_consumer_that_left_has_no_effect() {
    let fixture = Fixture::new();
    let (any_receiver, text_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let text_consumer = fixture.subscribe(Q, &text_receiver, TEXT);
    let any_consumer = fixture.subscribe(Q, &any_receiver, ALL);
    fixture.send_bodies(Q, &["�1"]);
    for _ in 0..2 {
        assert_eq!(any_receiver.deliveries().len(), 1);
        any_consumer.settle(&[1], Settlement::Returned, fixture.now());
    }
    drop(any_consumer);
    assert_eq!(fixture.take_not_text(), ["�1"]);
    assert_eq!(fixture.broker.expire(fixture.now() + Duration::from_secs(1)), None);
    drop(text_consumer);
    fixture.assert_empty();
}
