//! Destinations below `/app`: each message goes to one service.

use super::fixture::*;
use crate::broker::{Published, Subscription};
use crate::outbound_queue::OutboundQueue;
use std::sync::Arc;

fn send(fixture: &Fixture, body: &str) -> Published {
    fixture.publish("/app/orders.new", body).expect("accepted")
}

/// Creates a service for each destination or pattern, each with an outbound queue of its own.
fn services(fixture: &Fixture, texts: &[&str]) -> (Vec<Receiver>, Vec<Subscription>) {
    let receivers: Vec<_> = (1u32..).zip(texts).map(|(key, _)| fixture.receiver(key)).collect();
    let subscriptions =
        texts.iter().zip(&receivers).map(|(text, to)| fixture.subscribe(text, to, ALL)).collect();
    (receivers, subscriptions)
}

#[test]
fn messages_go_round_robin_to_exact_and_pattern_services() {
    for texts in [
        &["/app/orders.new", "/app/orders.new", "/app/orders.new"][..],
        &["/app/orders.new", "/app/orders.*", "/app/**", "/app/**"],
        &["/app/orders.*", "/app/orders.*"],
        &["/app/orders.*", "/app/**", "/app/*.new"],
    ] {
        let fixture = Fixture::new();
        let (receivers, _subscriptions) = services(&fixture, texts);
        for n in 0..texts.len() * 10 {
            let published = send(&fixture, &n.to_string());
            assert_eq!((published.reached, published.services, published.sessions), (1, Some(1), None));
        }
        for receiver in &receivers {
            let deliveries = receiver.deliveries();
            assert_eq!(deliveries.len(), 10, "{texts:?}");
            assert!(
                deliveries
                    .iter()
                    .all(|delivery| (delivery.key, delivery.count, delivery.tag) == (receiver.key, 1, 0))
            );
        }
    }
}

#[test]
fn message_without_a_service_is_accepted_and_not_stored() {
    let fixture = Fixture::new();
    let (_others, _subscriptions) = services(&fixture, &["/app/orders", "/app/orders/new", "/topic/**"]);
    let published = send(&fixture, "m");
    assert_eq!((published.reached, published.services), (0, Some(0)), "no service has this name");
    let (receivers, subscriptions) = services(&fixture, &["/app/orders.new"]);
    assert!(receivers[0].bodies().is_empty(), "the message was not stored");
    assert_eq!(send(&fixture, "m").services, Some(1));
    drop(subscriptions);
    assert_eq!(send(&fixture, "m").services, Some(0));
}

#[test]
fn closed_service_is_skipped() {
    let fixture = Fixture::new();
    let (receivers, _subscriptions) = services(&fixture, &["/app/**"; 3]);
    receivers[1].outbound_queue.close();
    for n in 0..10 {
        assert_eq!(send(&fixture, &n.to_string()).services, Some(1));
    }
    let counts: Vec<usize> = receivers.iter().map(|receiver| receiver.deliveries().len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 10);
    assert_eq!(counts[1], 0);
    receivers.iter().for_each(|receiver| drop(receiver.outbound_queue.close()));
    let published = send(&fixture, "m");
    assert_eq!((published.services, published.congested.len()), (Some(0), 0));
}

#[test]
fn message_that_is_not_text_goes_to_a_service_that_accepts_it() {
    let fixture = Fixture::new();
    let (text, any) = (fixture.receiver(1), fixture.receiver(2));
    let publish = |body: &[u8]| fixture.publish("/app/orders.new", body).expect("accepted").services;
    let _text =
        [fixture.subscribe("/app/**", &text, TEXT), fixture.subscribe("/app/orders.new", &text, TEXT)];
    assert_eq!((publish(b"\xff"), publish(b"m")), (Some(0), Some(1)));
    let _any = fixture.subscribe("/app/*.new", &any, ALL);
    for _ in 0..5 {
        assert_eq!(publish(b"\xff"), Some(1));
    }
    assert_eq!((text.deliveries().len(), any.deliveries().len()), (1, 5));
}

/// Returns a service whose outbound queue has space for ten messages of one kilobyte and contains `messages` such
/// messages.
fn filled(fixture: &Fixture, messages: usize) -> Receiver {
    let outbound_queue: Arc<OutboundQueue> = fixture.outbound_queue_of(12_000);
    let receiver = Receiver { outbound_queue, key: 1 };
    let filling = fixture.subscribe("/topic/fill", &receiver, ALL);
    for _ in 0..messages {
        fixture.send("/topic/fill", &"f".repeat(800));
    }
    drop(filling);
    receiver
}

#[test]
fn uncongested_service_is_preferred_and_else_the_least_congested() {
    let fixture = Fixture::new();
    let receivers = [filled(&fixture, 9), filled(&fixture, 2), filled(&fixture, 7)];
    let _all: Vec<_> = receivers.iter().map(|to| fixture.subscribe("/app/**", to, ALL)).collect();
    let uncongested = &receivers[1];
    while uncongested.outbound_queue.bytes_above_half() == Some(0) {
        let before = uncongested.outbound_queue.bytes();
        let published = send(&fixture, &"m".repeat(800));
        assert_eq!((published.services, published.congested.len()), (Some(1), 0));
        assert!(uncongested.outbound_queue.bytes() > before);
    }
    assert!(receivers.iter().all(|receiver| {
        receiver.outbound_queue.bytes_above_half().is_some_and(|bytes_above_half| bytes_above_half > 0)
    }));
    let published = send(&fixture, &"m".repeat(800));
    assert_eq!(published.services, Some(1));
    assert_eq!(published.congested.len(), 1);
    assert!(Arc::ptr_eq(&published.congested[0].outbound_queue, &uncongested.outbound_queue));
    assert!(published.congested[0].is_widespread, "all services are congested");
    receivers[0].deliveries();
    assert!(send(&fixture, "m").congested.is_empty());
    assert_eq!(receivers[0].bodies(), ["m"]);
}

#[test]
fn each_message_goes_to_one_service_while_services_change() {
    const ROUNDS: usize = 300;
    let fixture = Fixture::new();
    let (staying, _subscriptions) = services(&fixture, &["/app/orders.new", "/app/**"]);
    let received_by_others = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (fixture, received_by_others) = (&fixture, &received_by_others);
        for _ in 0..2 {
            scope.spawn(move || (0..ROUNDS).for_each(|_| assert_eq!(send(fixture, "m").services, Some(1))));
        }
        for (key, text) in [(8, "/app/orders.new"), (9, "/app/orders.*")] {
            scope.spawn(move || {
                let receiver = fixture.receiver(key);
                for _ in 0..ROUNDS {
                    drop(fixture.subscribe(text, &receiver, ALL));
                    let deliveries = receiver.deliveries().len();
                    received_by_others.fetch_add(deliveries, std::sync::atomic::Ordering::Relaxed);
                    assert_eq!(receiver.outbound_queue.bytes(), 0, "no delivery is left after drop");
                }
            });
        }
    });
    let received_by_staying: usize = staying.iter().map(|receiver| receiver.deliveries().len()).sum();
    assert_eq!(received_by_staying + received_by_others.into_inner(), 2 * ROUNDS);
}
