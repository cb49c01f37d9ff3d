//! What a publish costs, in instructions: to few and to many subscribers, and with many other destinations there.
//!
//! `cargo bench --bench fan_out` (needs valgrind, and gungraun-runner of the same version as the crate).

#![allow(missing_docs, unreachable_pub)]

use gungraun::prelude::*;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use stompbox::broker::{Broker, Options, Publication, Subscriber, Subscription, Terms};
use stompbox::budget::Budget;
use stompbox::destination::{Destination, Selector};
use stompbox::metrics::Metrics;
use stompbox::outbox::{self, Outbox};
use stompbox_frames::stomp::Headers;

const TERMS: Terms =
    Terms { prefetch: 100, prefetch_bytes: 1 << 20, text_only: false, presence_names: false };

struct Stage {
    broker: Broker,
    hot: Destination,
    _subscriptions: Vec<Subscription>,
}

fn selector(text: &str) -> Selector {
    Selector::parse(text, 1024).expect("a destination")
}

/// A broker with so many subscribers of `/topic/hot`, and so many other topics with a subscriber each.
fn stage(subscribers: u32, others: u32) -> Stage {
    let (budget, metrics, now) = (Budget::new(usize::MAX), Metrics::new(), Instant::now());
    let broker = Broker::new(Options::default(), "bench", budget.clone(), metrics.clone());
    let outbox = || Outbox::new(outbox::Options::default(), &budget, metrics.clone(), now);
    let mut subscriptions = Vec::new();
    let mut subscribe = |topic: &str, outbox: Arc<Outbox>, key| {
        let subscription = broker.subscribe(&selector(topic), Subscriber { outbox, key }, TERMS, now);
        subscriptions.push(subscription.expect("room"));
    };
    for _ in 0..subscribers {
        subscribe("/topic/hot", outbox(), 1);
    }
    let other = outbox();
    for number in 0..others {
        subscribe(&format!("/topic/other.{number}"), other.clone(), number);
    }
    let hot = Destination::parse("/topic/hot", 1024).expect("a topic");
    let stage = Stage { broker, hot, _subscriptions: subscriptions };
    // The outboxes have room for the message that is counted.
    publish(&stage);
    stage
}

fn publish(stage: &Stage) -> usize {
    let headers = Headers::default();
    let publication = Publication {
        destination: &stage.hot,
        to_session: None,
        shown: "/topic/hot",
        headers: &headers,
        extra: &[],
        body: &[b'x'; 128],
    };
    stage.broker.publish(publication, Instant::now()).expect("room").reached
}

#[library_benchmark]
#[bench::one(stage(1, 0))]
#[bench::thousand(stage(1000, 0))]
#[bench::one_beside_100_000_topics(stage(1, 100_000))]
fn fan_out(stage: Stage) -> (usize, Stage) {
    (black_box(publish(black_box(&stage))), stage)
}

library_benchmark_group!(name = benches, benchmarks = fan_out);
main!(library_benchmark_groups = benches);
