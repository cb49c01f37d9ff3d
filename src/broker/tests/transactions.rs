//! Transactions: all steps are applied, or none.

use super::fixture::*;
use crate::broker::{Options, Subscription, TransactionStep};
use crate::command::Settlement;
use crate::outbound_queue::Tag;
use crate::rejection::{Limit, Rejection};

/// Commits a transaction that sends messages (destination and body) and then settles deliveries. Returns the number of
/// subscriptions reached.
fn commit(
    fixture: &Fixture,
    messages: &[(&str, &str)],
    settled: &[(&Subscription, &[Tag], Settlement)],
) -> Result<usize, Rejection> {
    let publish = messages.iter().map(|(text, body)| publish_step(&to(text), body));
    let settle = settled.iter().filter_map(|&(subscription, tags, settlement)| {
        Some(TransactionStep::Settle { consumer: subscription.consumer()?, tags: tags.into(), settlement })
    });
    let steps: Vec<TransactionStep> = publish.chain(settle).collect();
    super::fixture::commit(&fixture.broker, &steps, fixture.now()).map(|committed| committed.reached)
}

#[test]
fn steps_are_applied_in_order() {
    let fixture = Fixture::new();
    let outbound_queue = fixture.outbound_queue();
    let receiver = |key| Receiver { outbound_queue: outbound_queue.clone(), key };
    let _topic = fixture.subscribe("/topic/t", &receiver(1), ALL);
    let queue = fixture.subscribe("/queue/q", &receiver(2), credit(1));
    fixture.send("/queue/q", "before");
    drain(&outbound_queue);
    let messages =
        [("/topic/t", "1"), ("/queue/q", "2"), ("/topic/t", "3"), ("/queue/q", "4"), ("/topic/x", "5")];
    let reached = commit(&fixture, &messages, &[(&queue, &[1], Settlement::Accepted)]).unwrap();
    assert_eq!(reached, 4);
    assert_eq!(bodies(&drain(&outbound_queue)), ["1", "3", "2"]);
    assert_eq!(fixture.metrics.messages_published.get(), 6);
    assert_eq!(fixture.metrics.queue_messages.get(), 2);
}

#[test]
fn empty_transaction_is_accepted() {
    let fixture = Fixture::new();
    assert_eq!(commit(&fixture, &[], &[]), Ok(0));
}

/// If a step is rejected, the other steps have no effect either.
#[test]
fn one_rejected_step_rejects_all() {
    let options = Options { queue_messages_max: 3, queues_max: 2, ..Options::default() };
    let fixture = Fixture::with(options, usize::MAX);
    let outbound_queue = fixture.outbound_queue();
    let receiver = |key| Receiver { outbound_queue: outbound_queue.clone(), key };
    let _topic = fixture.subscribe("/topic/t", &receiver(1), ALL);
    let queue = fixture.subscribe("/queue/q", &receiver(2), credit(1));
    fixture.send("/queue/q", "1");
    fixture.send("/queue/q", "2");
    drain(&outbound_queue);
    let good = [("/topic/t", "m"), ("/queue/q", "3"), ("/queue/new", "m")];
    let full = [&good[..], &[("/queue/q", "4")]].concat();
    let too_many = [&good[..], &[("/queue/newer", "m")]].concat();
    let accept: &[Tag] = &[1];
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a [Tag]], Option<Limit>);
    let rows: [Row<'_>; 6] = [
        (&full, &[accept], Some(Limit::QueueMessages)),
        (&too_many, &[accept], Some(Limit::Queues)),
        (&good, &[&[2]], None),
        (&good, &[&[1, 7]], None),
        (&good, &[&[1, 1]], None),
        (&good, &[&[1], &[1]], None),
    ];
    for (messages, tags, limit) in rows {
        let settled: Vec<_> = tags.iter().map(|&tags| (&queue, tags, Settlement::Accepted)).collect();
        let rejection = commit(&fixture, messages, &settled).unwrap_err();
        assert_eq!(rejection.limit, limit, "{rejection:?}");
        assert!(drain(&outbound_queue).is_empty(), "{rejection:?}");
        let metrics = &fixture.metrics;
        assert_eq!((metrics.queue_messages.get(), metrics.messages_published.get()), (2, 2), "{rejection:?}");
        assert_eq!(fixture.broker.stats().work_queues, 1, "no queue was created: {rejection:?}");
    }
    // The reserved space was released: the same transaction without the faulty step succeeds.
    assert_eq!(commit(&fixture, &good, &[(&queue, accept, Settlement::Accepted)]), Ok(3));
    assert_eq!(bodies(&drain(&outbound_queue)), ["m", "2"]);
}

#[test]
fn bytes_of_several_steps_to_one_queue_are_added() {
    let probe = Fixture::new();
    for body in ["1", "2", "3"] {
        probe.send("/queue/q", body);
    }
    let three = probe.metrics.queue_bytes.get() as usize;
    for (bytes_max, expected_limit) in [(three - 1, Some(Limit::QueueBytes)), (three, None)] {
        let fixture = Fixture::with(Options { queue_bytes_max: bytes_max, ..Options::default() }, usize::MAX);
        let result = commit(&fixture, &[("/queue/q", "1"), ("/queue/q", "2"), ("/queue/q", "3")], &[]);
        assert_eq!(result.err().and_then(|rejection| rejection.limit), expected_limit);
        assert_eq!(fixture.broker.is_empty(), expected_limit.is_some());
    }
}

#[test]
fn space_freed_by_the_same_transaction_is_not_used() {
    let fixture = Fixture::with(Options { queue_messages_max: 1, ..Options::default() }, usize::MAX);
    let receiver = fixture.receiver(1);
    let queue = fixture.subscribe("/queue/q", &receiver, ALL);
    fixture.send("/queue/q", "1");
    let swap = commit(&fixture, &[("/queue/q", "2")], &[(&queue, &[1], Settlement::Accepted)]);
    assert_eq!(swap.unwrap_err().limit, Some(Limit::QueueMessages));
}

#[test]
fn nack_in_a_transaction_can_dead_letter_a_message() {
    let fixture = Fixture::with(Options { max_deliveries: 1, ..Options::default() }, usize::MAX);
    let receiver = fixture.receiver(1);
    let queue = fixture.subscribe("/queue/q", &receiver, ALL);
    fixture.send("/queue/q", "1");
    assert_eq!(commit(&fixture, &[], &[(&queue, &[1], Settlement::Returned)]), Ok(0));
    assert_eq!(fixture.metrics.dead_letters.get(), 1);
}

#[test]
fn settlements_of_topic_subscriptions_are_ignored() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let topic = fixture.subscribe("/topic/t", &receiver, ALL);
    assert_eq!(commit(&fixture, &[("/topic/t", "m")], &[(&topic, &[0, 0, 5], Settlement::Accepted)]), Ok(1));
}

#[test]
fn message_to_a_closed_temporary_queue_is_dropped_and_other_steps_apply() {
    let fixture = Fixture::new();
    let _temp = fixture.broker.open_temp(&to("/temp-queue/~b")).expect("opened");
    let messages = [("/temp-queue/~a", "m"), ("/temp-queue/~b", "m"), ("/queue/q", "m")];
    assert_eq!(commit(&fixture, &messages, &[]), Ok(2));
    assert_eq!(fixture.metrics.messages_dropped.get(), 1);
    assert_eq!(fixture.metrics.messages_published.get(), 3);
}

#[test]
fn settling_works_while_messages_are_rejected_at_the_memory_limit() {
    let fixture = Fixture::with(Options::default(), 10_000);
    let receiver = fixture.receiver(1);
    let queue = fixture.subscribe("/queue/q", &receiver, ALL);
    fixture.send("/queue/q", &"x".repeat(10_000));
    let result = commit(&fixture, &[("/topic/t", "m")], &[(&queue, &[1], Settlement::Accepted)]);
    assert_eq!(result.unwrap_err().limit, Some(Limit::MemoryBytes));
    assert_eq!(fixture.metrics.queue_messages.get(), 1);
    assert_eq!(commit(&fixture, &[], &[(&queue, &[1], Settlement::Accepted)]), Ok(0));
    assert_eq!(fixture.metrics.queue_messages.get(), 0);
}

#[test]
fn each_step_reports_its_congested_receiver() {
    let fixture = Fixture::new();
    let outbound_queue = fixture.outbound_queue_of(100_000);
    let _topic = fixture.subscribe("/topic/t", &Receiver { outbound_queue, key: 1 }, ALL);
    let (topic, large) = (to("/topic/t"), "x".repeat(30_000));
    let steps = [0; 3].map(|_| publish_step(&topic, &large));
    let committed = super::fixture::commit(&fixture.broker, &steps, fixture.now()).expect("committed");
    let congested: Vec<usize> = committed.congested.iter().map(Vec::len).collect();
    assert_eq!((committed.reached, &congested[..]), (3, &[0, 1, 1][..]));
    assert!(committed.congested[2][0].is_widespread);
}

#[test]
fn queue_with_reserved_space_is_not_removed() {
    let fixture = Fixture::new();
    let receiver = fixture.receiver(1);
    let (queues, message) = (&fixture.broker.shared.queues, fixture.message("m"));
    let queue = queues
        .reserve(&to("/queue/q"), message.size())
        .expect("the queue has space")
        .expect("the queue exists");
    drop(fixture.subscribe("/queue/q", &receiver, ALL));
    assert!(
        queue
            .publish_reserved(&message, fixture.now())
            .is_ok_and(|(undeliverable, _)| undeliverable.is_empty())
    );
    let queue = queues.reserve(&to("/queue/r"), 1).expect("the queue has space").expect("the queue exists");
    queues.release(&queue, 1);
    let consumer = fixture.subscribe("/queue/q", &receiver, ALL);
    consumer.settle(&[1], Settlement::Accepted, fixture.now());
    drop(consumer);
    assert!(fixture.broker.is_empty());
}
