//! Measures how the costs of publish, subscribe and unsubscribe grow with the number of other objects.
//!
//! `growth` lists its rows. `growth ROW` runs one row and prints `operations<TAB>median nanoseconds of one`. The
//! measured code runs inside [`counted`], so that `callgrind --toggle-collect=*counted*` counts its instructions.
//! `tests/bench/count --growth` does this for all rows, and prints the table in `web/docs/performance.md`.

#![allow(missing_docs, unreachable_pub)]

mod fixture;

use fixture::{Fixture, publish_to, selector};
use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stompbox::broker::Subscription;
use stompbox::command::Publish;
use stompbox::destination::Selector;
use stompbox::outbound_queue::OutboundQueue;
use stompbox_frames::stomp::Headers;

/// Number of operations in a batch, whose time is measured as a whole. After each batch the outbound queues are
/// drained.
const BATCH: usize = 100;
const BATCHES: usize = 20;
const HOT: &str = "/topic/hot";

type Run = fn(&mut Meter, u32);

/// Title of the row, function that measures it, and numbers of other objects.
const ROWS: &[(&str, Run, &[u32])] = &[
    ("publish-destinations-hot", destinations_hot, &[1, 1_000, 100_000, 1_000_000]),
    ("publish-destinations-random", destinations_random, &[1, 1_000, 100_000, 1_000_000]),
    ("publish-patterns-hot", patterns_hot, &[0, 1, 1_000, 100_000]),
    ("publish-patterns-random", patterns_random, &[1, 1_000, 100_000]),
    ("publish-connections-hot", connections_hot, &[1, 1_000, 100_000]),
    ("publish-1-in-100-after-change", changes_before_1_in_100, &[0, 1_000, 100_000]),
    ("publish-after-change-of-other-segment", changes_of_other_segment, &[0, 1_000, 100_000]),
    ("publish-after-change-of-same-segment", changes_of_same_segment, &[0, 1_000, 100_000]),
    ("publish-after-change-of-wildcard", changes_of_wildcard, &[0, 1_000, 100_000]),
    ("pattern-subscribe-unsubscribe", pattern_subscribe_unsubscribe, &[0, 1_000, 100_000]),
    ("subscribe", subscribe, &[1_000, 100_000]),
    ("unsubscribe", unsubscribe, &[1_000, 100_000]),
    ("subscribe-all", subscribe_all, &[1_000, 100_000]),
    ("unsubscribe-all", unsubscribe_all, &[1_000, 100_000]),
];

/// Runs the measured code and no other code.
#[inline(never)]
fn counted(act: &mut dyn FnMut()) {
    black_box(act)();
}

/// Counts operations and measures their time.
#[derive(Default)]
struct Meter {
    operations: usize,
    /// Time of the current batch.
    time: Duration,
    batch_operations: usize,
    nanos: Vec<u128>,
}

impl Meter {
    fn count(&mut self, operations: usize, mut act: impl FnMut()) {
        let start = Instant::now();
        counted(&mut act);
        self.time += start.elapsed();
        self.batch_operations += operations;
    }

    fn end_batch(&mut self) {
        self.nanos.push(self.time.as_nanos() / self.batch_operations.max(1) as u128);
        self.operations += self.batch_operations;
        (self.time, self.batch_operations) = (Duration::ZERO, 0);
    }

    /// Publishes to the destinations in round robin: `BATCHES` batches of `BATCH` messages.
    fn publish(&mut self, fixture: &Fixture, to: &[Publish]) {
        let mut to = to.iter().cycle();
        for batch in 0..=BATCHES {
            let batched: Vec<&Publish> = to.by_ref().take(BATCH).collect();
            let act = || batched.iter().for_each(|to| publish(fixture, to));
            match batch {
                // The first batch is not counted, because it causes the allocations that happen only once.
                0 => batched.iter().for_each(|to| publish(fixture, to)),
                _ => self.count(BATCH, act),
            }
            fixture.drain();
            if batch > 0 {
                self.end_batch();
            }
        }
    }

    /// Subscribes to `change` and unsubscribes from it in turn. After each change, publishes once to `to`.
    fn publish_after(
        &mut self,
        fixture: &Fixture,
        to: &Publish,
        change: &Selector,
        outbound_queue: &Arc<OutboundQueue>,
    ) {
        let mut other = None;
        for at in 0..=BATCHES * BATCH {
            other = match other {
                None => Some(fixture.subscribe(change, outbound_queue, 9)),
                Some(_) => None,
            };
            if at == 0 {
                fixture.publish(to);
                continue;
            }
            self.count(1, || publish(fixture, to));
            if at % BATCH == 0 {
                fixture.drain();
                self.end_batch();
            }
        }
    }
}

/// Returns the command to publish to one destination.
fn topic(text: &str) -> Publish {
    publish_to(text, Headers::default())
}

fn publish(fixture: &Fixture, to: &Publish) {
    black_box(fixture.publish(to));
}

/// Returns pseudo-random numbers below `n` that are the same in every run.
fn random(n: u32) -> impl Iterator<Item = u32> {
    let mut state = 0x9E37_79B9_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % u64::from(n.max(1))) as u32
    })
}

/// Creates a broker with a subscriber of `/topic/hot`.
fn hot() -> Fixture {
    let mut fixture = Fixture::new();
    let outbound_queue = fixture.outbound_queue();
    fixture.add_subscriber(HOT, &outbound_queue, 1);
    fixture
}

fn other(number: u32) -> String {
    format!("/topic/other.{number}")
}

/// Creates a broker with `n` topics in all.
fn with_destinations(n: u32) -> Fixture {
    let mut fixture = hot();
    let outbound_queue = fixture.outbound_queue();
    for number in 1..n {
        fixture.add_subscriber(&other(number), &outbound_queue, number);
    }
    fixture
}

fn destinations_hot(meter: &mut Meter, n: u32) {
    meter.publish(&with_destinations(n), &[topic(HOT)]);
}

fn destinations_random(meter: &mut Meter, n: u32) {
    let name = |number| if number == 0 { topic(HOT) } else { topic(&other(number)) };
    let to: Vec<Publish> = random(n).take(BATCH * (BATCHES + 1)).map(name).collect();
    meter.publish(&with_destinations(n), &to);
}

/// Creates a broker with `n` patterns that do not match `/topic/hot`.
fn with_patterns(n: u32) -> Fixture {
    let mut fixture = hot();
    let outbound_queue = fixture.outbound_queue();
    for number in 0..n {
        fixture.add_subscriber(&format!("/topic/room.{number}.*"), &outbound_queue, number + 2);
    }
    fixture
}

fn patterns_hot(meter: &mut Meter, n: u32) {
    meter.publish(&with_patterns(n), &[topic(HOT)]);
}

/// Publishes to topics without subscribers. Each topic matches one pattern.
fn patterns_random(meter: &mut Meter, n: u32) {
    let name = |number| topic(&format!("/topic/room.{number}.news"));
    let to: Vec<Publish> = random(n).take(BATCH * (BATCHES + 1)).map(name).collect();
    meter.publish(&with_patterns(n), &to);
}

fn connections_hot(meter: &mut Meter, n: u32) {
    let mut fixture = hot();
    for number in 1..n {
        fixture.enter(&format!("session-{number}"), Some(&format!("user-{number}")));
    }
    meter.publish(&fixture, &[topic(HOT)]);
}

/// Changes a pattern before every 100 messages. This corresponds to 100 changes of patterns and 10,000 messages a
/// second.
fn changes_before_1_in_100(meter: &mut Meter, n: u32) {
    let mut fixture = with_patterns(n);
    let (hot, outbound_queue) = (topic(HOT), fixture.outbound_queue());
    let change = selector("/topic/elsewhere.*");
    let mut other = None;
    fixture.publish(&hot);
    for _ in 0..BATCHES {
        other = match other {
            None => Some(fixture.subscribe(&change, &outbound_queue, 9)),
            Some(_) => None,
        };
        meter.count(BATCH, || (0..BATCH).for_each(|_| publish(&fixture, &hot)));
        fixture.drain();
        meter.end_batch();
    }
}

fn changes_of_other_segment(meter: &mut Meter, n: u32) {
    let mut fixture = with_patterns(n);
    let outbound_queue = fixture.outbound_queue();
    meter.publish_after(&fixture, &topic(HOT), &selector("/topic/elsewhere.*"), &outbound_queue);
}

/// Changes a pattern with the same first segment as the topic. All other patterns have the same first segment, too.
fn changes_of_same_segment(meter: &mut Meter, n: u32) {
    let mut fixture = with_patterns(n);
    let outbound_queue = fixture.outbound_queue();
    fixture.add_subscriber("/topic/room.hot", &outbound_queue, 1);
    meter.publish_after(
        &fixture,
        &topic("/topic/room.hot"),
        &selector("/topic/room.beside.*"),
        &outbound_queue,
    );
}

/// Changes a pattern that begins with a wildcard.
fn changes_of_wildcard(meter: &mut Meter, n: u32) {
    let mut fixture = with_patterns(n);
    let outbound_queue = fixture.outbound_queue();
    meter.publish_after(&fixture, &topic(HOT), &selector("/topic/*.elsewhere"), &outbound_queue);
}

fn pattern_subscribe_unsubscribe(meter: &mut Meter, n: u32) {
    let mut fixture = with_patterns(n);
    let outbound_queue = fixture.outbound_queue();
    let change = selector("/topic/room.beside.*");
    for _ in 0..BATCHES {
        let act = || (0..BATCH).for_each(|_| drop(black_box(fixture.subscribe(&change, &outbound_queue, 9))));
        meter.count(BATCH, act);
        meter.end_batch();
    }
}

/// A topic with many subscribers, each with its own outbound queue.
struct CrowdedTopic {
    fixture: Fixture,
    hot: Selector,
    outbound_queues: Vec<Arc<OutboundQueue>>,
    subscriptions: Vec<Option<Subscription>>,
}

impl CrowdedTopic {
    fn new(n: u32) -> CrowdedTopic {
        let fixture = Fixture::new();
        let outbound_queues: Vec<_> = (0..n).map(|_| fixture.standalone_queue()).collect();
        let mut crowded_topic =
            CrowdedTopic { fixture, hot: selector(HOT), outbound_queues, subscriptions: Vec::new() };
        crowded_topic.subscriptions =
            (0..crowded_topic.outbound_queues.len()).map(|at| Some(crowded_topic.subscribe(at))).collect();
        crowded_topic
    }

    fn subscribe(&self, at: usize) -> Subscription {
        self.fixture.subscribe(&self.hot, &self.outbound_queues[at], 1)
    }
}

/// Unsubscribes random subscribers, and measures how they subscribe again.
fn subscribe(meter: &mut Meter, n: u32) {
    let mut crowded_topic = CrowdedTopic::new(n);
    for some in choices(n) {
        some.iter().for_each(|&at| crowded_topic.subscriptions[at] = None);
        let mut back = Vec::with_capacity(BATCH);
        meter.count(some.len(), || back.extend(some.iter().map(|&at| Some(crowded_topic.subscribe(at)))));
        some.iter().zip(back).for_each(|(&at, back)| crowded_topic.subscriptions[at] = back);
        meter.end_batch();
    }
}

/// Measures how random subscribers unsubscribe.
fn unsubscribe(meter: &mut Meter, n: u32) {
    let mut crowded_topic = CrowdedTopic::new(n);
    for some in choices(n) {
        meter.count(some.len(), || some.iter().for_each(|&at| crowded_topic.subscriptions[at] = None));
        some.iter().for_each(|&at| crowded_topic.subscriptions[at] = Some(crowded_topic.subscribe(at)));
        meter.end_batch();
    }
}

/// Returns batches of different numbers below `n`.
fn choices(n: u32) -> impl Iterator<Item = Vec<usize>> {
    let mut all: Vec<usize> = (0..n as usize).collect();
    shuffle(&mut all);
    let mut all = all.into_iter().cycle();
    std::iter::repeat_with(move || all.by_ref().take(BATCH).collect()).take(BATCHES)
}

fn shuffle<T>(all: &mut [T]) {
    for (at, to) in random(all.len() as u32).take(all.len()).enumerate() {
        all.swap(at, to as usize);
    }
}

/// Measures how all subscribers of a topic subscribe. This includes the growth of the subscriber list.
fn subscribe_all(meter: &mut Meter, n: u32) {
    for _ in 0..rounds(n) {
        let mut crowded_topic = CrowdedTopic::new(n);
        crowded_topic.subscriptions.clear();
        let mut all = Vec::with_capacity(crowded_topic.outbound_queues.len());
        meter.count(crowded_topic.outbound_queues.len(), || {
            all.extend((0..crowded_topic.outbound_queues.len()).map(|at| crowded_topic.subscribe(at)))
        });
        meter.end_batch();
    }
}

/// Measures how all subscribers unsubscribe in random order. This includes the shrinking of the subscriber list.
fn unsubscribe_all(meter: &mut Meter, n: u32) {
    for _ in 0..rounds(n) {
        let mut crowded_topic = CrowdedTopic::new(n);
        shuffle(&mut crowded_topic.subscriptions);
        meter.count(crowded_topic.subscriptions.len(), || {
            crowded_topic.subscriptions.iter_mut().for_each(|one| *one = None)
        });
        meter.end_batch();
    }
}

/// Returns the number of rounds. Small sizes get more rounds for a stable median, because their rounds take little
/// time.
fn rounds(n: u32) -> usize {
    if n > 10_000 { 3 } else { 9 }
}

fn main() -> ExitCode {
    // The arguments that `cargo bench` adds begin with a dash.
    let Some(wanted) = env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        for (title, _, sizes) in ROWS {
            sizes.iter().for_each(|size| println!("{title}:{size}"));
        }
        return ExitCode::SUCCESS;
    };
    let row = ROWS.iter().find_map(|(title, run, sizes)| {
        let size = sizes.iter().find(|size| wanted == format!("{title}:{size}"))?;
        Some((run, *size))
    });
    let Some((run, size)) = row else {
        eprintln!("unknown row {wanted:?}: expected one of the rows that are listed without an argument");
        return ExitCode::FAILURE;
    };
    let mut meter = Meter::default();
    run(&mut meter, size);
    meter.nanos.sort_unstable();
    println!("{}\t{}", meter.operations, meter.nanos[meter.nanos.len() / 2]);
    ExitCode::SUCCESS
}
