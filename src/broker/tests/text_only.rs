//! Work queues with text-only consumers. In these tests a body that is not text begins with "�".

use super::fixture::*;
use crate::broker::{ConsumerOptions, Options, Settlement, Subscription, TransactionStep};
use crate::outbound_queue::Tag;
use std::time::Duration;
use stompbox_frames::stomp::Headers;

const Q: &str = "/queue/q";
const DEAD: &str = "/queue/dead.q";
const TEMP: &str = "/temp-queue/~x";

fn text(prefetch: u32) -> ConsumerOptions {
    ConsumerOptions { prefetch, ..TEXT }
}

/// Returns the bytes of a body that the fixture shows as `shown`, such as "�1".
fn bytes(shown: &str) -> Vec<u8> {
    shown
        .chars()
        .flat_map(|c| if c == '\u{fffd}' { vec![0xff] } else { c.to_string().into_bytes() })
        .collect()
}

impl Fixture {
    fn put(&self, queue: &str, bodies: &[&str]) {
        for body in bodies {
            assert_eq!(self.send(queue, &bytes(body)), 1, "the queue accepts every message");
        }
    }

    /// Takes all messages out of the dead letter queue. Returns body and reason of each.
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

    /// Checks that the broker is empty. Call it with no subscription left and all messages settled.
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
    let (every, reader) = (fixture.receiver(1), fixture.receiver(2));
    let everything = fixture.subscribe(Q, &every, credit(1));
    let _text = fixture.subscribe(Q, &reader, TEXT);
    fixture.put(Q, &["a", "�1", "�2", "b", "c"]);
    assert_eq!((every.bodies(), reader.bodies()), (vec!["a".into()], vec!["b".to_string(), "c".into()]));
    accept(&fixture, &everything, &[1]);
    assert_eq!(every.bodies(), ["�1"]);
    accept(&fixture, &everything, &[2]);
    assert_eq!(every.bodies(), ["�2"]);
    assert_eq!((reader.bodies().len(), fixture.dead_and_dropped()), (0, (0, 0)));
}

#[test]
fn consumer_of_all_bodies_gets_both_kinds_in_order() {
    let fixture = Fixture::new();
    let (every, reader) = (fixture.receiver(1), fixture.receiver(2));
    let everything = fixture.subscribe(Q, &every, credit(1));
    let _text = fixture.subscribe(Q, &reader, text(1));
    fixture.put(Q, &["a", "b", "�1", "c", "�2", "�3", "d"]);
    assert_eq!((every.bodies(), reader.bodies()), (vec!["a".to_string()], vec!["b".to_string()]));
    let mut order = Vec::new();
    for tag in [1, 3, 4, 5, 6] {
        accept(&fixture, &everything, &[tag]);
        order.extend(every.bodies());
    }
    assert_eq!(order, ["�1", "c", "�2", "�3", "d"]);
}

#[test]
fn returned_message_is_delivered_first_in_either_partition() {
    let fixture = Fixture::new();
    let (every, reader) = (fixture.receiver(1), fixture.receiver(2));
    let text = fixture.subscribe(Q, &reader, text(1));
    let everything = fixture.subscribe(Q, &every, credit(2));
    fixture.put(Q, &["a", "�1", "�2", "b", "�3"]);
    assert_eq!(
        (every.bodies(), reader.bodies()),
        (vec!["�1".into(), "�2".to_string()], vec!["a".to_string()])
    );
    everything.settle(&[2, 3], Settlement::Unwritten, fixture.now());
    text.settle(&[1], Settlement::Unwritten, fixture.now());
    everything.resume(fixture.now());
    assert_eq!(every.seen(), [("a".into(), 1, 1), ("�1".into(), 1, 2)]);
    text.resume(fixture.now());
    assert_eq!(reader.seen(), [("b".to_string(), 1, 4)]);
    accept(&fixture, &everything, &[1, 2]);
    assert_eq!(every.bodies(), ["�2", "�3"]);
}

#[test]
fn non_text_is_kept_while_there_is_no_consumer() {
    let fixture = Fixture::new();
    fixture.put(Q, &["a", "�1"]);
    let receiver = fixture.receiver(1);
    drop(fixture.subscribe("/queue/other", &receiver, TEXT));
    let everything = fixture.subscribe(Q, &receiver, ALL);
    assert_eq!(receiver.bodies(), ["a", "�1"]);
    accept(&fixture, &everything, &[1, 2]);
    drop(everything);
    assert_eq!(fixture.dead_and_dropped(), (0, 0));
    fixture.assert_empty();
}

#[test]
fn non_text_is_kept_after_the_last_text_only_consumer_has_left() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    fixture.put(Q, &["a"]);
    drop(fixture.subscribe(Q, &receiver, TEXT));
    fixture.put(Q, &["�1", "b", "�2"]);
    assert_eq!(fixture.dead_and_dropped(), (0, 0));
    let everything = fixture.subscribe(Q, &receiver, ALL);
    assert_eq!(receiver.bodies(), ["a", "�1", "b", "�2"]);
    accept(&fixture, &everything, &[1, 2, 3, 4]);
    drop(everything);
    fixture.assert_empty();
}

#[test]
fn non_text_is_dead_lettered_on_publish_when_all_consumers_are_text_only() {
    let fixture = Fixture::new();
    let readers = [1, 2].map(|key| fixture.receiver(key));
    let texts = readers.each_ref().map(|reader| fixture.subscribe(Q, reader, text(1)));
    fixture.put(Q, &["�1", "a", "�2", "b", "c"]);
    assert_eq!(readers.each_ref().map(Receiver::bodies), [["a"], ["b"]]);
    assert_eq!((fixture.dead_and_dropped(), fixture.metrics.messages_published.get()), ((2, 0), 5));
    assert_eq!(fixture.metrics.queue_messages.get(), 5, "dead letters are in a queue");
    assert_eq!(fixture.take_not_text(), ["�1", "�2"]);
    accept(&fixture, &texts[0], &[2]);
    assert_eq!(readers[0].bodies(), ["c"]);
    accept(&fixture, &texts[0], &[5]);
    accept(&fixture, &texts[1], &[4]);
    drop(texts);
    fixture.assert_empty();
}

#[test]
fn not_text_dead_letter_has_its_reason_and_origin() {
    let fixture = Fixture::new();
    let (reader, dead_receiver) = (fixture.receiver(1), fixture.receiver(2));
    let _text = fixture.subscribe(Q, &reader, TEXT);
    fixture.put(Q, &["�1"]);
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
    fixture.put(Q, &["�1", "a", "�2", "b"]);
    let reader = fixture.receiver(1);
    let text = fixture.subscribe(Q, &reader, TEXT);
    assert_eq!(reader.seen(), [("a".to_string(), 1, 2), ("b".to_string(), 1, 4)]);
    assert_eq!(fixture.take_not_text(), ["�1", "�2"]);
    accept(&fixture, &text, &[2, 4]);
    drop(text);
    fixture.assert_empty();
}

/// Covers messages that were never delivered, were returned for all consumers or for others, and are outstanding.
#[test]
fn non_text_in_any_state_is_dead_lettered_when_only_text_consumers_remain() {
    let fixture = Fixture::new();
    let (every, reader) = (fixture.receiver(1), fixture.receiver(2));
    let everything = fixture.subscribe(Q, &every, credit(6));
    fixture.put(Q, &["�1", "a", "�2", "b", "�3", "c", "�4", "d"]);
    assert_eq!(every.deliveries().len(), 6);
    everything.settle(&[1, 2], Settlement::Returned, fixture.now());
    everything.settle(&[1, 2], Settlement::Returned, fixture.now());
    assert_eq!(every.bodies().len(), 2 + 2, "returned messages first, then others");
    everything.settle(&[3, 4], Settlement::Unwritten, fixture.now());
    let _text = fixture.subscribe(Q, &reader, TEXT);
    assert_eq!(reader.bodies(), ["a", "b"]);
    assert_eq!(fixture.dead_and_dropped(), (0, 0), "a busy consumer could take them");
    drop(everything);
    assert_eq!(fixture.take_not_text(), ["�1", "�2", "�3", "�4"]);
    assert_eq!(reader.bodies(), ["c", "d"]);
}

#[test]
fn non_text_is_dead_lettered_when_the_last_consumer_of_all_bodies_leaves() {
    let fixture = Fixture::new();
    let receivers = [1, 2].map(|key| fixture.receiver(key));
    let reader = fixture.receiver(3);
    let mut both = receivers.each_ref().map(|receiver| fixture.subscribe(Q, receiver, credit(2))).into_iter();
    let text = fixture.subscribe(Q, &reader, text(1));
    fixture.put(Q, &["�1", "�2", "�3", "�4", "�5"]);
    assert_eq!(receivers[0].bodies(), ["�1", "�3"]);
    drop(both.next());
    assert_eq!(fixture.dead_and_dropped(), (0, 0), "the other consumer could take them");
    drop(both.next());
    assert_eq!(fixture.take_not_text(), ["�1", "�2", "�3", "�4", "�5"]);
    drop(text);
    fixture.assert_empty();
}

#[test]
fn returned_non_text_waits_for_its_only_possible_consumer() {
    let fixture = Fixture::new();
    let (every, reader) = (fixture.receiver(1), fixture.receiver(2));
    let _text = fixture.subscribe(Q, &reader, TEXT);
    let everything = fixture.subscribe(Q, &every, ALL);
    fixture.put(Q, &["�1"]);
    let mut now = fixture.now();
    for count in 1..=3 {
        assert_eq!(every.seen(), [("�1".to_string(), count, 1)]);
        everything.settle(&[1], Settlement::Returned, now);
        if count > 1 {
            assert!(every.seen().is_empty(), "the message backs off");
            now = fixture.broker.expire(now).expect("a timer");
            fixture.broker.expire(now);
        }
    }
    assert_eq!(every.seen(), [("�1".to_string(), 4, 1)]);
    everything.settle(&[1], Settlement::Unwritten, now);
    assert!(every.seen().is_empty());
    everything.resume(now);
    assert_eq!(every.seen(), [("�1".to_string(), 4, 1)]);
    assert_eq!((reader.bodies().len(), fixture.dead_and_dropped()), (0, (0, 0)));
}

#[test]
fn returned_non_text_goes_to_another_consumer_of_all_bodies_first() {
    let fixture = Fixture::new();
    let receivers = [1, 2].map(|key| fixture.receiver(key));
    let both = receivers.each_ref().map(|receiver| fixture.subscribe(Q, receiver, ALL));
    let reader = fixture.receiver(3);
    let _text = fixture.subscribe(Q, &reader, TEXT);
    fixture.put(Q, &["�1"]);
    assert_eq!(receivers[0].seen(), [("�1".to_string(), 1, 1)]);
    both[0].settle(&[1], Settlement::Returned, fixture.now());
    assert_eq!(receivers[1].seen(), [("�1".to_string(), 2, 1)]);
    both[1].settle(&[1], Settlement::Returned, fixture.now());
    assert_eq!(receivers[0].seen(), [("�1".to_string(), 3, 1)]);
    assert!(reader.bodies().is_empty());
}

#[test]
fn non_text_that_failed_too_often_has_the_reason_max_deliveries() {
    let fixture = Fixture::with(Options { max_deliveries: 1, ..Options::default() }, usize::MAX);
    let (every, reader) = (fixture.receiver(1), fixture.receiver(2));
    let everything = fixture.subscribe(Q, &every, credit(1));
    let _text = fixture.subscribe(Q, &reader, TEXT);
    fixture.put(Q, &["�1", "�2", "�3"]);
    assert_eq!(every.bodies(), ["�1"]);
    everything.settle(&[1], Settlement::Returned, fixture.now());
    assert_eq!(every.bodies(), ["�2"]);
    everything.settle(&[2], Settlement::Lost, fixture.now());
    drop(everything);
    let reasons = [("�1", "max-deliveries"), ("�2", "max-deliveries"), ("�3", "not-text")];
    assert_eq!(
        fixture.take_dead_letters(),
        reasons.map(|(body, reason)| (body.to_string(), reason.to_string()))
    );
}

#[test]
fn skipped_text_only_consumer_keeps_its_round_robin_position() {
    let fixture = Fixture::new();
    let (every, reader) = (fixture.receiver(1), fixture.receiver(2));
    let _text = fixture.subscribe(Q, &reader, TEXT);
    let _everything = fixture.subscribe(Q, &every, ALL);
    fixture.put(Q, &["�1", "�2", "a", "b", "�3", "c", "d"]);
    assert_eq!(reader.bodies(), ["a", "c"]);
    assert_eq!(every.bodies(), ["�1", "�2", "b", "�3", "d"]);
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
    fixture.put(Q, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    assert_eq!(receivers.each_ref().map(Receiver::bodies), [["a", "e"], ["b", "f"], ["c", "g"], ["d", "h"]]);
}

#[test]
fn non_text_stays_in_a_dead_letter_queue() {
    let fixture = Fixture::new();
    let (every, reader) = (fixture.receiver(1), fixture.receiver(2));
    fixture.put(DEAD, &["�1", "a"]);
    let text = fixture.subscribe(DEAD, &reader, TEXT);
    fixture.put(DEAD, &["�2", "b"]);
    assert_eq!(reader.bodies(), ["a", "b"]);
    drop(fixture.subscribe(DEAD, &every, credit(1)));
    assert_eq!((every.bodies().len(), fixture.dead_and_dropped()), (0, (0, 0)));
    assert_eq!(fixture.metrics.queue_messages.get(), 4);
    accept(&fixture, &text, &[2, 4]);
    let everything = fixture.subscribe(DEAD, &every, ALL);
    assert_eq!(every.bodies(), ["�1", "�2"]);
    accept(&fixture, &everything, &[1, 3]);
    drop((text, everything));
    fixture.assert_empty();
}

#[test]
fn full_dead_letter_queue_drops_its_oldest_message_of_either_kind() {
    let options = Options { queue_messages_max: 3, ..Options::default() };
    let fixture = Fixture::with(options, usize::MAX);
    let (reader, sleeper) = (fixture.receiver(1), fixture.receiver(2));
    let _sorted = fixture.subscribe(DEAD, &sleeper, text(1));
    fixture.put(DEAD, &["in hand", "�old", "old"]);
    let _text = fixture.subscribe(Q, &reader, TEXT);
    for (body, dropped) in [("�1", 1), ("�2", 2), ("�3", 3)] {
        fixture.put(Q, &[body]);
        assert_eq!(fixture.metrics.messages_dropped.get(), dropped);
    }
    let every = fixture.receiver(3);
    let _everything = fixture.subscribe(DEAD, &every, ALL);
    assert_eq!(every.bodies(), ["�2", "�3"]);
}

#[test]
fn not_text_dead_letter_is_dropped_when_its_queue_cannot_be_created() {
    let fixture = Fixture::with(Options { queues_max: 1, ..Options::default() }, usize::MAX);
    let reader = fixture.receiver(1);
    let _text = fixture.subscribe(Q, &reader, TEXT);
    fixture.put(Q, &["�1"]);
    assert_eq!((fixture.dead_and_dropped(), fixture.metrics.queue_messages.get()), ((0, 1), 0));
}

#[test]
fn full_queue_refuses_non_text_that_would_be_dead_lettered() {
    let fixture = Fixture::with(Options { queue_messages_max: 1, ..Options::default() }, usize::MAX);
    let reader = fixture.receiver(1);
    let text = fixture.subscribe(Q, &reader, TEXT);
    fixture.put(Q, &["�1", "a"]);
    assert_eq!(fixture.publish(Q, &bytes("�2")).unwrap_err().limit, Some("queue-messages-max"));
    accept(&fixture, &text, &[2]);
    assert_eq!(fixture.take_not_text(), ["�1"]);
}

#[test]
fn temporary_queue_drops_non_text_when_all_consumers_are_text_only() {
    let fixture = Fixture::new();
    let temp = fixture.broker.open_temp(&to(TEMP)).expect("opened");
    let reader = fixture.receiver(1);
    fixture.put(TEMP, &["�1", "a"]);
    let text = fixture.subscribe(TEMP, &reader, TEXT);
    fixture.put(TEMP, &["b", "�2"]);
    assert_eq!((reader.bodies(), fixture.dead_and_dropped()), (vec!["a".into(), "b".to_string()], (0, 2)));
    assert_eq!(fixture.metrics.queue_messages.get(), 2);
    drop(text);
    fixture.put(TEMP, &["�3"]);
    drop(temp);
    assert_eq!(fixture.dead_and_dropped(), (0, 5), "returned and waiting messages of both kinds");
    assert!(fixture.broker.is_empty());
}

#[test]
fn transaction_dead_letters_non_text_when_all_consumers_are_text_only() {
    let fixture = Fixture::new();
    let reader = fixture.receiver(1);
    let text = fixture.subscribe(Q, &reader, TEXT);
    let (queue, headers) = (to(Q), Headers::default());
    let bodies = ["�1", "a", "�2"].map(bytes);
    let steps: Vec<TransactionStep<'_>> =
        bodies.iter().map(|body| publish_step(&queue, body, &headers)).collect();
    assert_eq!(commit(&fixture.broker, &steps, fixture.now()).expect("committed").reached, 3);
    assert_eq!(
        (reader.bodies(), fixture.take_not_text()),
        (vec!["a".to_string()], vec!["�1".into(), "�2".to_string()])
    );
    assert_eq!(fixture.metrics.messages_published.get(), 3);
    accept(&fixture, &text, &[2]);
    drop(text);
    fixture.assert_empty();
}

#[test]
fn backoff_timer_of_a_consumer_that_left_has_no_effect() {
    let fixture = Fixture::new();
    let (every, reader) = (fixture.receiver(1), fixture.receiver(2));
    let text = fixture.subscribe(Q, &reader, TEXT);
    let everything = fixture.subscribe(Q, &every, ALL);
    fixture.put(Q, &["�1"]);
    for _ in 0..2 {
        assert_eq!(every.deliveries().len(), 1);
        everything.settle(&[1], Settlement::Returned, fixture.now());
    }
    drop(everything);
    assert_eq!(fixture.take_not_text(), ["�1"]);
    assert_eq!(fixture.broker.expire(fixture.now() + Duration::from_secs(1)), None);
    drop(text);
    fixture.assert_empty();
}
