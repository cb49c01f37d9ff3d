//! Concurrency tests. They do not sleep: each test ends when its threads have completed their rounds.

use super::fixture::*;
use crate::command::{ConsumerOptions, Settlement};
use crate::outbound_queue::{OutboundQueue, Tag};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const PUBLISHERS: usize = 4;

/// Runs publishers, and calls `concurrent_action` in another thread until the publishers are done.
fn publish_against(
    fixture: &Fixture,
    destination: &str,
    rounds: usize,
    concurrent_action: impl Fn(usize) + Sync,
) {
    let done = AtomicBool::new(false);
    let (publishers_left, done, concurrent_action) =
        (AtomicUsize::new(PUBLISHERS), &done, &concurrent_action);
    let publishers_left = &publishers_left;
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            scope.spawn(move || {
                for n in 0..rounds {
                    fixture.send(destination, &format!("{publisher} {n}"));
                }
                if publishers_left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    done.store(true, Ordering::Release);
                }
            });
        }
        scope.spawn(move || {
            for round in 0.. {
                if done.load(Ordering::Acquire) {
                    break;
                }
                concurrent_action(round);
            }
        });
    });
}

/// Checks that each message arrived once, and that the messages of each publisher are in order.
fn assert_complete(bodies: &[String], rounds: usize) {
    assert_eq!(bodies.len(), PUBLISHERS * rounds);
    let mut next = [0; PUBLISHERS];
    for body in bodies {
        let (publisher, n) = body.split_once(' ').expect("publisher and number");
        let next = &mut next[publisher.parse::<usize>().unwrap()];
        assert_eq!(n.parse(), Ok(*next));
        *next += 1;
    }
}

#[test]
fn exact_and_pattern_subscribers_see_the_same_order_while_others_change() {
    const ROUNDS: usize = 500;
    let fixture = Fixture::new();
    let (exact, wild) = (fixture.receiver(1), fixture.receiver(2));
    let subscriptions =
        [fixture.subscribe("/topic/a.b", &exact, ALL), fixture.subscribe("/topic/a.*", &wild, ALL)];
    let temporary = fixture.receiver(3);
    publish_against(&fixture, "/topic/a.b", ROUNDS, |round| {
        let text = ["/topic/**", "/topic/a.*", "/topic/*.b", "/topic/a.b", "/topic/z.*"][round % 5];
        drop(fixture.subscribe(text, &temporary, ALL));
        temporary.deliveries();
    });
    let (exact, wild) = (exact.bodies(), wild.bodies());
    assert_complete(&exact, ROUNDS);
    assert_eq!(exact, wild);
    drop(subscriptions);
    assert!(fixture.broker.is_empty());
}

#[test]
fn pattern_subscribers_see_the_same_order_while_the_topic_is_recreated() {
    const ROUNDS: usize = 500;
    let fixture = Fixture::new();
    let (one, two) = (fixture.receiver(1), fixture.receiver(2));
    let subscriptions =
        [fixture.subscribe("/topic/a.*", &one, ALL), fixture.subscribe("/topic/**", &two, ALL)];
    let temporary = fixture.receiver(3);
    publish_against(&fixture, "/topic/a.b", ROUNDS, |round| {
        let text = ["/topic/a.b", "/topic/#.b"][round % 2];
        drop(fixture.subscribe(text, &temporary, ALL));
        temporary.deliveries();
    });
    let (one, two) = (one.bodies(), two.bodies());
    assert_complete(&one, ROUNDS);
    assert_eq!(one, two);
    drop(subscriptions);
    assert!(fixture.broker.is_empty());
    assert_eq!(fixture.metrics.topics.get(), 0);
}

/// Subscribes, publishes and unsubscribes repeatedly in several threads on one topic. The topic is removed whenever it
/// has no subscriber.
fn subscribe_and_unsubscribe(texts: [&str; 4], rounds: usize) {
    let fixture = Fixture::new();
    thread::scope(|scope| {
        for (key, text) in (1u32..).zip(texts) {
            let fixture = &fixture;
            scope.spawn(move || {
                let receiver = fixture.receiver(key);
                for round in 0..rounds {
                    let subscription = fixture.subscribe(text, &receiver, ALL);
                    let marker = format!("{key} {round}");
                    assert!(fixture.send("/topic/a.b", &marker) >= 1);
                    drop(subscription);
                    let bodies = receiver.bodies();
                    assert_eq!(
                        bodies.iter().filter(|body| **body == marker).count(),
                        1,
                        "once between subscribe and drop"
                    );
                    fixture.send("/topic/a.b", "late");
                    assert_eq!(receiver.outbound_queue.bytes(), 0, "no delivery is left after drop");
                }
            });
        }
    });
    assert!(fixture.broker.is_empty());
    assert_eq!((fixture.metrics.topics.get(), fixture.metrics.subscriptions.get()), (0, 0));
    assert_eq!(fixture.budget.used(), 0);
}

#[test]
fn subscriber_gets_all_messages_between_subscribe_and_drop_and_no_others() {
    subscribe_and_unsubscribe(["/topic/a.b"; 4], 1000);
}

#[test]
fn pattern_subscriber_gets_all_messages_between_subscribe_and_drop() {
    subscribe_and_unsubscribe(["/topic/a.b", "/topic/a.*", "/topic/a.*", "/topic/**"], 500);
}

/// Reads and settles a few messages. Returns the bodies of the accepted messages.
fn consume(fixture: &Fixture, receiver: &Receiver, options: ConsumerOptions, round: usize) -> Vec<String> {
    let subscription = fixture.subscribe("/queue/q", receiver, options);
    let mut accepted = Vec::new();
    for delivery in receiver.deliveries() {
        assert!(!options.text_only || delivery.message.is_text());
        let settlement = if (round + delivery.tag as usize).is_multiple_of(3) {
            Settlement::Returned
        } else {
            Settlement::Accepted
        };
        subscription.settle(&[delivery.tag], settlement, fixture.now());
        if settlement == Settlement::Accepted {
            accepted.push(body(&delivery));
        }
    }
    accepted
}

#[test]
fn queue_delivers_each_message_to_one_consumer_while_consumers_change() {
    deliver_each_to_one([credit(3), credit(3)], |publisher, n| format!("{publisher} {n}").into_bytes());
}

#[test]
fn each_message_is_accepted_or_dead_lettered_once_with_a_text_only_consumer() {
    deliver_each_to_one([credit(3), ConsumerOptions { text_only: true, ..credit(3) }], |publisher, n| {
        let mut body = format!("{publisher} {n}").into_bytes();
        body.extend(n.is_multiple_of(2).then_some(0xff));
        body
    });
}

/// Runs two publishers, and two consumers that subscribe with `options` and leave repeatedly. Checks that each message
/// arrives once.
fn deliver_each_to_one(options: [ConsumerOptions; 2], body: impl Fn(usize, usize) -> Vec<u8> + Sync) {
    const ROUNDS: usize = 500;
    let fixture = Fixture::new();
    let accepted = parking_lot::Mutex::new(Vec::new());
    thread::scope(|scope| {
        let (fixture, accepted, body) = (&fixture, &accepted, &body);
        for publisher in 0..2 {
            scope.spawn(move || {
                for n in 0..ROUNDS {
                    fixture.send("/queue/q", &body(publisher, n));
                }
            });
        }
        for (key, options) in (1..).zip(options) {
            scope.spawn(move || {
                let receiver = fixture.receiver(key);
                for round in 0..ROUNDS {
                    let bodies = consume(fixture, &receiver, options, round);
                    accepted.lock().extend(bodies);
                    assert_eq!(receiver.outbound_queue.bytes(), 0, "unread messages returned to the queue");
                }
            });
        }
    });
    let mut accepted = accepted.into_inner();
    for queue in ["/queue/q", "/queue/dead.q"] {
        let receiver = fixture.receiver(9);
        let last = fixture.subscribe(queue, &receiver, ALL);
        // Several batches may be needed: the consumers may have left before the publishers began.
        loop {
            let deliveries = receiver.deliveries();
            if deliveries.is_empty() {
                break;
            }
            let tags: Vec<Tag> = deliveries.iter().map(|delivery| delivery.tag).collect();
            last.settle(&tags, Settlement::Accepted, fixture.now());
            last.resume(fixture.now());
            accepted.extend(bodies(&deliveries));
        }
    }
    assert_eq!(accepted.len(), 2 * ROUNDS);
    assert_eq!(accepted.into_iter().collect::<BTreeSet<_>>().len(), 2 * ROUNDS);
    assert!(fixture.broker.is_empty());
    assert_eq!((fixture.metrics.queue_messages.get(), fixture.metrics.queue_bytes.get()), (0, 0));
    assert_eq!(fixture.budget.used(), 0);
}

#[test]
fn every_message_sent_while_a_temporary_queue_closes_is_dropped() {
    let fixture = Fixture::new();
    for _ in 0..200 {
        let before = fixture.metrics.messages_dropped.get();
        let temp = fixture.broker.open_temp(&to("/temp-queue/~x")).expect("opened");
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..10 {
                    fixture.send("/temp-queue/~x", "m");
                }
            });
            scope.spawn(|| drop(temp));
        });
        assert_eq!(fixture.metrics.messages_dropped.get() - before, 10);
        assert!(fixture.broker.is_empty());
    }
    assert_eq!((fixture.metrics.queues.get(), fixture.metrics.queue_messages.get()), (0, 0));
}

#[test]
fn connection_closed_during_publish_is_released() {
    let fixture = Fixture::new();
    thread::scope(|scope| {
        let fixture = &fixture;
        for key in 1..=2 {
            scope.spawn(move || {
                for _ in 0..300 {
                    let receiver = fixture.receiver(key);
                    let outbound_queue: std::sync::Weak<OutboundQueue> =
                        Arc::downgrade(&receiver.outbound_queue);
                    let subscriptions =
                        ["/topic/t", "/topic/*"].map(|text| fixture.subscribe(text, &receiver, ALL));
                    fixture.send("/topic/t", "m");
                    receiver.outbound_queue.close();
                    drop((subscriptions, receiver));
                    assert!(outbound_queue.upgrade().is_none());
                }
            });
        }
    });
    assert!(fixture.broker.is_empty());
    assert_eq!(fixture.budget.used(), 0);
}
