//! Memory of subscriptions and transactions. It is estimated before admission, it is bounded, and it is released.

use super::fixture::*;
use crate::broker::{Commit, Options, Subscription};
use crate::command::{Settlement, Subscribe};
use crate::destination::Selector;
use crate::outbound_queue::{Delivery, OutboundQueue};
use crate::rejection::{Limit, Rejection};
use std::sync::Arc;

/// Name of the option that sets the limit.
const MEMORY: Option<Limit> = Some(Limit::MemoryBytes);

fn try_subscribe(
    fixture: &Fixture,
    selector: &Selector,
    outbound_queue: &Arc<OutboundQueue>,
) -> Result<Subscription, Rejection> {
    let subscribe = Subscribe { key: 1, selector: selector.clone(), options: ALL };
    fixture.broker.subscribe(&subscribe, outbound_queue, fixture.now())
}

/// A function that returns the n-th destination of a kind.
type Numbered = Box<dyn Fn(usize) -> String>;

/// Returns the kinds of destinations: the name of each, and a function that returns destinations of this kind.
fn kinds() -> Vec<(&'static str, Numbered)> {
    let long = |prefix: &'static str| {
        Box::new(move |n: usize| format!("{prefix}{n}-{}", "x".repeat(1000))) as Numbered
    };
    vec![
        ("short topics", Box::new(|n| format!("/topic/{n}"))),
        ("long topics", long("/topic/")),
        ("users", long("/user/alice/queue/")),
        ("services", long("/app/")),
        ("short queues", Box::new(|n| format!("/queue/{n}"))),
        ("long queues", long("/queue/")),
        ("deep patterns", Box::new(|n| format!("/topic/{}*", format!("{n}.").repeat(63)))),
        ("short patterns", Box::new(|n| format!("/topic/{n}.*"))),
        ("long presence", long("/presence/topic/")),
        ("short presence", Box::new(|n| format!("/presence/topic/{n}"))),
    ]
}

#[test]
fn subscription_charge_is_near_its_estimate_and_is_released() {
    for (kind, name) in kinds() {
        let fixture = Fixture::new();
        let outbound_queue = fixture.outbound_queue();
        let selectors: Vec<_> = (0..300).map(|n| selector(&name(n))).collect();
        let subscriptions: Vec<_> = selectors
            .iter()
            .map(|one| try_subscribe(&fixture, one, &outbound_queue).expect("the subscription is accepted"))
            .collect();
        drain(&outbound_queue);
        let (charged, share) = (fixture.budget.used(), fixture.broker.subscription_budget().used());
        let admitted: usize = selectors.iter().map(|one| fixture.broker.subscription_bytes(one)).sum();
        assert_eq!(admitted, subscriptions.iter().map(Subscription::bytes).sum::<usize>(), "{kind}");
        assert!(share * 13 >= admitted * 10, "{kind}: {share} charged, admitted for {admitted}");
        assert!(share * 10 <= admitted * 16, "{kind}: {share} charged, admitted for {admitted}");
        assert!(charged - share < 100_000, "{kind}: {charged} in all, {share} for subscriptions");
        drop(subscriptions);
        drain(&outbound_queue);
        assert_eq!((fixture.budget.used(), fixture.broker.subscription_budget().used()), (0, 0), "{kind}");
    }
}

#[test]
fn subscription_over_the_subscription_share_is_rejected_with_the_option_name() {
    for (kind, name) in kinds() {
        let fixture = Fixture::with(Options::default(), 4 << 20);
        let outbound_queue = fixture.outbound_queue();
        let mut subscriptions = Vec::new();
        let error = loop {
            match try_subscribe(&fixture, &selector(&name(subscriptions.len())), &outbound_queue) {
                Ok(subscription) => subscriptions.push(subscription),
                Err(rejection) => break rejection,
            }
            drain(&outbound_queue);
        };
        assert_eq!(error.limit, MEMORY, "{kind}");
        assert!(error.detail.contains("memory-bytes-max"), "{}", error.detail);
        let share = fixture.broker.subscription_budget();
        assert!(
            share.used() <= share.bytes_max() * 5 / 4,
            "{kind}: {} of {}",
            share.used(),
            share.bytes_max()
        );
        assert!(share.used() >= share.bytes_max() / 2, "{kind}: {} of {}", share.used(), share.bytes_max());
        assert!(fixture.publish("/topic/other", "m").is_ok(), "{kind}: publishers are still accepted");
        assert!(fixture.publish("/queue/other", "m").is_ok(), "{kind}");
        subscriptions.truncate(subscriptions.len() / 2);
        assert!(
            try_subscribe(&fixture, &selector("/topic/other"), &outbound_queue).is_ok(),
            "{kind}: memory was released"
        );
    }
}

#[test]
fn temporary_queue_over_the_memory_limit_is_rejected_with_the_option_name() {
    let fixture = Fixture::with(Options::default(), 4 << 20);
    let mut queues = Vec::new();
    let error = loop {
        match fixture.broker.open_temp(&to(&format!("/temp-queue/~{}", queues.len()))) {
            Ok(queue) => queues.push(queue),
            Err(rejection) => break rejection,
        }
    };
    assert_eq!(error.limit, MEMORY);
    let bytes: usize = queues.iter().map(super::super::TempQueueHandle::bytes).sum();
    assert_eq!(fixture.broker.subscription_budget().used(), bytes);
    queues.pop();
    assert!(fixture.broker.open_temp(&to("/temp-queue/~new")).is_ok());
}

#[test]
fn consumers_can_subscribe_while_messages_exhaust_the_budget() {
    let fixture = Fixture::with(Options::default(), 1 << 20);
    for n in 0..20 {
        let _ = fixture.publish(&format!("/queue/{n}"), &"x".repeat(100_000));
    }
    assert!(fixture.budget.is_exhausted());
    let receiver = fixture.receiver(1);
    let subscriptions: Vec<_> =
        (0..20).map(|n| fixture.subscribe(&format!("/queue/{n}"), &receiver, ALL)).collect();
    assert!(!receiver.deliveries().is_empty());
    drop(subscriptions);
}

#[test]
fn queues_without_consumers_do_not_use_the_subscription_share() {
    let fixture = Fixture::new();
    let outbound_queue = fixture.outbound_queue();
    for number in 0..10 {
        let queue = format!("/queue/{number}");
        let consumer = try_subscribe(&fixture, &selector(&queue), &outbound_queue)
            .expect("the subscription is accepted");
        fixture.send(&queue, "m");
        drop(consumer);
    }
    assert_eq!(fixture.broker.subscription_budget().used(), 0);
    assert!(fixture.budget.used() > 0, "the queues and their messages stay");
    let consumers = (0..10)
        .map(|number| try_subscribe(&fixture, &selector(&format!("/queue/{number}")), &outbound_queue));
    let consumers: Vec<_> =
        consumers.map(|consumer| consumer.expect("the subscription is accepted")).collect();
    for (delivery, consumer) in drain(&outbound_queue).iter().zip(&consumers) {
        consumer.settle(&[delivery.tag], Settlement::Accepted, fixture.now());
    }
    drop(consumers);
    assert_eq!(fixture.budget.used(), 0);
}

#[test]
fn many_subscribers_of_one_topic_are_charged_only_their_slots() {
    let fixture = Fixture::new();
    let outbound_queue = fixture.outbound_queue();
    let topic = selector(&format!("/topic/{}", "x".repeat(1000)));
    let subscriptions: Vec<_> = (0..1000)
        .map(|_| try_subscribe(&fixture, &topic, &outbound_queue).expect("the subscription is accepted"))
        .collect();
    let used = fixture.budget.used();
    assert!((48 * 1000..100 * 1000).contains(&used), "{used} bytes for 1000 slots");
    drop(subscriptions);
    assert_eq!(fixture.budget.used(), 0);
}

#[test]
fn matching_groups_are_cached_only_within_the_subscription_share() {
    let fixture = Fixture::with(Options::default(), 16 << 20);
    let outbound_queue = fixture.outbound_queue();
    let patterns: Vec<_> = (0..2000)
        .map(|n| {
            try_subscribe(&fixture, &selector(&format!("/topic/{}*", "*.".repeat(n % 8))), &outbound_queue)
                .expect("the subscription is accepted")
        })
        .collect();
    let deep: Vec<_> = (0..500)
        .map(|n| selector(&format!("/topic/a.**.{n}.**")))
        .map(|selector| {
            let subscribe = Subscribe { key: 2, selector, options: ALL };
            fixture
                .broker
                .subscribe(&subscribe, &outbound_queue, fixture.now())
                .expect("the subscription is accepted")
        })
        .collect();
    let mut names = Vec::new();
    for n in 0..10_000 {
        match try_subscribe(&fixture, &selector(&format!("/topic/{n}")), &outbound_queue) {
            Ok(subscription) => names.push(subscription),
            Err(_) => break,
        }
    }
    let before = fixture.broker.subscription_budget().used();
    for n in 0..names.len() {
        fixture.send(&format!("/topic/{n}"), "m");
        drain(&outbound_queue);
    }
    let share = fixture.broker.subscription_budget();
    assert!(share.used() <= share.bytes_max().max(before), "{} of {}", share.used(), share.bytes_max());
    drop((patterns, deep, names));
    assert_eq!(fixture.budget.used(), 0);
}

#[test]
fn commit_over_the_memory_limit_is_rejected_and_no_step_is_applied() {
    let fixture = Fixture::with(Options::default(), 4 << 20);
    let receivers: Vec<_> = (0..200).map(|key| fixture.receiver(key)).collect();
    let _subscriptions: Vec<_> =
        receivers.iter().map(|receiver| fixture.subscribe("/topic/t", receiver, ALL)).collect();
    let (topic, queue) = (to("/topic/t"), to("/queue/q"));
    let commit_sends = |sends: usize| {
        let mut steps: Vec<_> = (0..sends).map(|_| publish_step(&topic, "m")).collect();
        steps.push(publish_step(&queue, "m"));
        commit(&fixture.broker, &steps, fixture.now())
    };
    let before = fixture.budget.used();
    // Each message takes some 10 KB for its pointers and keys in 200 outbound queues.
    let rejection = commit_sends(1000).expect_err("ten times the memory limit");
    assert_eq!(rejection.limit, MEMORY);
    assert!(
        rejection.detail.contains("The broker applied no step of the transaction"),
        "{}",
        rejection.detail
    );
    assert_eq!(fixture.budget.used(), before);
    assert!(receivers.iter().all(|receiver| receiver.deliveries().is_empty()));
    assert_eq!((fixture.broker.stats().queues, fixture.metrics.messages_published.get()), (0, 0));
    assert_eq!(commit_sends(10).expect("a small transaction fits").reached, 2001);
    assert!(fixture.publish("/topic/t", "m").is_ok());
}

#[test]
fn commit_is_admitted_by_the_messages_and_queues_it_adds() {
    let fixture = Fixture::with(Options::default(), 1 << 20);
    let body = "x".repeat(1000);
    let queues: Vec<_> = (0..1000).map(|n| to(&format!("/queue/{n}"))).collect();
    let commit_sends = |count: usize| {
        let steps: Vec<_> = queues[..count].iter().map(|queue| publish_step(queue, &body)).collect();
        commit(&fixture.broker, &steps, fixture.now()).map(|published| published.reached)
    };
    assert_eq!(commit_sends(1000).map_err(|rejection| rejection.limit), Err(MEMORY));
    assert_eq!(fixture.broker.stats().queues, 0, "no queue was created");
    assert_eq!(commit_sends(100), Ok(100));
    let used = fixture.budget.used();
    assert!((100 * 2000..100 * 3000).contains(&used), "{used}");
}

#[test]
fn commit_reservation_shrinks_with_each_applied_step() {
    let fixture = Fixture::with(Options::default(), 8 << 20);
    let receivers: Vec<_> = (0..200).map(|key| fixture.receiver(key)).collect();
    let _subscriptions: Vec<_> =
        receivers.iter().map(|receiver| fixture.subscribe("/topic/t", receiver, ALL)).collect();
    let reserved = || {
        // At most half of the free memory can be reserved. The largest reservation that succeeds therefore shows how
        // much memory is free.
        let fits = |bytes: usize| fixture.budget.reserve(bytes).is_some();
        let bits = (0..23).rev().map(|bit| 1 << bit);
        let half = bits.fold(0, |sum, bit| if fits(sum + bit) { sum + bit } else { sum });
        fixture.budget.bytes_max() - fixture.budget.used() - 2 * half
    };
    let topic = to("/topic/t");
    let steps: Vec<_> = (0..100).map(|_| publish_step(&topic, "m")).collect();
    let mut commit = Commit::new(fixture.broker.shared.clone());
    assert!(steps.iter().all(|step| commit.check(step).is_ok()));
    assert!(reserved() < 2);
    assert!(commit.admit().is_ok() && steps.iter().all(|step| commit.reserve(step).is_ok()));
    let all = reserved();
    assert!(all > 100 * 200 * size_of::<Delivery>(), "{all}");
    for (done, step) in steps.iter().enumerate() {
        let expected = all - all * done / 100;
        assert!(reserved().abs_diff(expected) < 100, "{} of {all} after {done} steps", reserved());
        commit.apply(step, fixture.now());
    }
    assert!(reserved() < 2);
}

#[test]
fn commit_dropped_between_its_steps_releases_its_reservations() {
    let fixture = Fixture::with(Options::default(), 8 << 20);
    let (queue, body) = (to("/queue/q"), "x".repeat(1000));
    let steps: Vec<_> = (0..100).map(|_| publish_step(&queue, &body)).collect();
    let mut commit = Commit::new(fixture.broker.shared.clone());
    assert!(steps.iter().all(|step| commit.check(step).is_ok()));
    assert!(commit.admit().is_ok() && steps[..50].iter().all(|step| commit.reserve(step).is_ok()));
    assert!(fixture.budget.used() > 50_000);
    drop(commit);
    assert_eq!((fixture.budget.used(), fixture.broker.stats().queues), (0, 0));
    assert!(fixture.budget.reserve(4 << 20).is_some());
}
