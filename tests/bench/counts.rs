//! Instruction counts of all steps of a SEND after its decoding: the session, permissions, routing, fan-out and
//! outbound queues; and of presence.
//!
//! `tests/bench/count` runs these benchmarks with those of `frames`, and compares the counts with the committed ones.

#![allow(missing_docs, unreachable_pub)]

mod stage;

use bytes::BytesMut;
use gungraun::prelude::*;
use stage::{Stage, selector, take, topic};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stompbox::broker::{Multicast, Subscription};
use stompbox::destination::{Address, Destination, Owner, Selector, UserPath};
use stompbox::outbound_queue::{Delivery, OutboundQueue};
use stompbox::session::{Action, Session};
use stompbox::users::Principal;
use stompbox::users::permissions::{AccessDenied, Permissions, Preset, Rule, Verb};
use stompbox_frames::message::{Message, Parts};
use stompbox_frames::stomp::{Decoder, Frame, Headers, Limits};

const HOT: &str = "/topic/hot";

/// Creates a broker with this many subscribers of `/topic/hot`, and other topics with one subscriber each.
fn stage(subscribers: u32, others: u32) -> (Stage, Destination) {
    let mut stage = Stage::new();
    for _ in 0..subscribers {
        let outbound_queue = stage.outbound_queue();
        stage.add_subscriber(HOT, &outbound_queue, 1);
    }
    let other = stage.outbound_queue();
    for number in 0..others {
        stage.add_subscriber(&format!("/topic/other.{number}"), &other, number);
    }
    let hot = topic(HOT);
    // Allocates the space in the outbound queues that the measured message needs.
    stage.publish(&hot);
    (stage, hot)
}

#[library_benchmark]
#[bench::one(stage(1, 0))]
#[bench::thousand(stage(1000, 0))]
#[bench::one_beside_100_000_topics(stage(1, 100_000))]
fn fan_out((stage, hot): (Stage, Destination)) -> (usize, Stage, Destination) {
    (black_box(stage.publish(black_box(&hot))), stage, hot)
}

/// Returns the headers of a SEND that asks for a RECEIPT.
fn with_receipt() -> (Stage, Destination, Headers) {
    let (stage, hot) = stage(1, 0);
    let headers = send(HOT).headers;
    stage.publish_with(&hot, &headers);
    (stage, hot, headers)
}

#[library_benchmark]
#[bench::one_with_receipt(setup = with_receipt)]
fn route((stage, hot, headers): (Stage, Destination, Headers)) -> (usize, Stage, Destination, Headers) {
    (black_box(stage.publish_with(black_box(&hot), black_box(&headers))), stage, hot, headers)
}

/// Creates a broker with sessions of alice, each of which subscribes to `/user/queue/x`.
fn alice(sessions: u32) -> (Stage, Destination) {
    let mut stage = Stage::new();
    let owner = Owner::user("alice");
    let path = user_path();
    let to = path.of(&owner).expect("no wildcard");
    for number in 0..sessions {
        let outbound_queue = stage.enter(&format!("session-{number}"), Some("alice"));
        stage.add_subscriber(to.as_str(), &outbound_queue, 1);
    }
    stage.publish(&to);
    (stage, to)
}

fn user_path() -> UserPath {
    match Address::parse_send("/user/queue/x", 1024) {
        Ok(Address::User(_, path)) => path,
        other => panic!("{other:?}"),
    }
}

#[library_benchmark]
#[bench::two_sessions(alice(2))]
fn user((stage, to): (Stage, Destination)) -> (usize, Stage, Destination) {
    (black_box(stage.publish(black_box(&to))), stage, to)
}

/// Creates a broker with ten users, each with one session.
fn ten() -> (Stage, Vec<Owner>, UserPath) {
    let mut stage = Stage::new();
    let owners: Vec<Owner> = (0..10).map(|number| Owner::user(&format!("user-{number}"))).collect();
    let path = user_path();
    for (number, owner) in owners.iter().enumerate() {
        let outbound_queue = stage.enter(&format!("session-{number}"), Some(&format!("user-{number}")));
        stage.add_subscriber(path.of(owner).expect("no wildcard").as_str(), &outbound_queue, 1);
    }
    to_all(&stage, &owners, &path);
    (stage, owners, path)
}

fn to_all(stage: &Stage, owners: &[Owner], path: &UserPath) -> usize {
    let headers = Headers::default();
    let destination_header = "/user/queue/x";
    let multicast =
        Multicast { owners, path, destination_header, headers: &headers, extra: &[], body: &[b'x'; 128] };
    stage.broker.publish_to_users(multicast, stage.now).expect("room").reached
}

#[library_benchmark]
#[bench::ten(setup = ten)]
fn users((stage, owners, path): (Stage, Vec<Owner>, UserPath)) -> (usize, Stage, Vec<Owner>, UserPath) {
    (black_box(to_all(black_box(&stage), &owners, &path)), stage, owners, path)
}

fn outbound_queue(deliveries: usize) -> (Arc<OutboundQueue>, Vec<Delivery>, Vec<Delivery>, Instant) {
    let stage = Stage::new();
    let headers = Headers::default();
    let parts = Parts { id: "n-1", destination: HOT, headers: &headers, extra: &[], body: &[b'x'; 128] };
    let message = Message::new(parts, |bytes| stage.charge(bytes));
    let deliveries = vec![Delivery { message, key: 1, count: 1, tag: 0 }; deliveries];
    let (outbound_queue, mut batch) = (stage.standalone_queue(), Vec::with_capacity(deliveries.len()));
    push_and_take(&outbound_queue, &deliveries, &mut batch, stage.now);
    batch.clear();
    (outbound_queue, deliveries, batch, stage.now)
}

fn push_and_take(
    outbound_queue: &OutboundQueue,
    deliveries: &[Delivery],
    batch: &mut Vec<Delivery>,
    now: Instant,
) {
    for delivery in deliveries {
        outbound_queue.push(delivery.clone(), now);
    }
    take(outbound_queue, batch, now);
}

type OutboundQueueAndDeliveries = (Arc<OutboundQueue>, Vec<Delivery>, Vec<Delivery>, Instant);

#[library_benchmark]
#[bench::push_1_take(outbound_queue(1))]
#[bench::push_16_take(outbound_queue(16))]
fn mailbox(
    (outbound_queue, deliveries, mut batch, now): OutboundQueueAndDeliveries,
) -> OutboundQueueAndDeliveries {
    push_and_take(black_box(&outbound_queue), &deliveries, &mut batch, now);
    (outbound_queue, deliveries, batch, now)
}

fn send(to: &str) -> Frame {
    frame(&format!(
        "SEND\ndestination:{to}\ncontent-type:application/json\nreceipt:message-1234\ncontent-length:128\n\n{}\0",
        "x".repeat(128)
    ))
}

fn frame(text: &str) -> Frame {
    let limits =
        Limits { frame_bytes_max: 1 << 20, header_count_max: 100, header_bytes_max: 8192, to_bytes_max: 0 };
    let mut decoder = Decoder::new(limits);
    decoder.feed(text.as_bytes());
    decoder.next().expect("a frame").expect("a whole frame")
}

/// Returns an authenticated session that has handled a SEND and delivered a message.
fn session() -> (Session, Frame, Vec<Action>, Instant) {
    let now = Instant::now();
    let mut session = Session::new(Arc::default(), "s".into(), Arc::new(|| "~1".into()), now);
    let mut actions = Vec::with_capacity(16);
    session.handle(frame("CONNECT\naccept-version:1.2\nhost:h\n\n\0"), now, &mut actions);
    let rules = Arc::new(rules(20));
    session.authenticated(Ok(Principal::named("alice", "bench")), rules, now, &mut actions);
    session.handle(frame("SUBSCRIBE\nid:sub-0\ndestination:/topic/hot\n\n\0"), now, &mut actions);
    handle_send(&mut session, send(HOT), &mut actions, now);
    assert!(actions.iter().any(|action| matches!(action, Action::Publish(_))), "{actions:?}");
    actions.clear();
    (session, send(HOT), actions, now)
}

/// Handles a SEND, including its RECEIPT.
fn handle_send(session: &mut Session, frame: Frame, actions: &mut Vec<Action>, now: Instant) {
    session.handle(frame, now, actions);
    session.complete(Some("message-1234".into()), &[], actions);
}

#[library_benchmark]
#[bench::send_with_receipt(setup = session)]
fn conversation(
    (mut session, frame, mut actions, now): (Session, Frame, Vec<Action>, Instant),
) -> (Session, Vec<Action>) {
    handle_send(black_box(&mut session), frame, &mut actions, now);
    (session, actions)
}

fn delivery() -> (Session, OutboundQueueAndDeliveries, BytesMut) {
    (session().0, outbound_queue(1), BytesMut::with_capacity(4096))
}

#[library_benchmark]
#[bench::to_a_topic(setup = delivery)]
fn deliver(
    (mut session, deliveries, mut prefix): (Session, OutboundQueueAndDeliveries, BytesMut),
) -> (Session, OutboundQueueAndDeliveries, BytesMut) {
    black_box(session.deliver(black_box(&deliveries.1[0]), &mut prefix));
    (session, deliveries, prefix)
}

/// Returns `n` rules, of which the last applies to `/topic/hot`.
fn rules(n: usize) -> Permissions {
    let rule = |number| format!("allow send role:role-{number} /topic/room.{number}.**");
    let texts = (1..n).map(rule).chain(["allow all users /topic/*".to_owned()]);
    Permissions::new(
        Preset::Safe,
        texts.map(|text| Rule::parse(&text).expect("a rule")).collect(),
        Vec::new(),
    )
}

type Case = (Permissions, Principal, Owner, Selector);

fn case(n: usize) -> Case {
    (rules(n), Principal::named("alice", "bench"), Owner::user("alice"), selector(HOT))
}

#[library_benchmark]
#[bench::one_rule(case(1))]
#[bench::twenty_rules(case(20))]
fn judge((rules, who, owner, to): Case) -> (Result<(), AccessDenied>, Case) {
    (black_box(&rules).check(&who, &owner, Verb::Send, black_box(&to)), (rules, who, owner, to))
}

/// Creates a topic with 70 members that watch its presence and have received all changes, and 16 further sessions.
fn watched() -> (Stage, Selector, Vec<Arc<OutboundQueue>>, Instant) {
    let mut stage = Stage::new();
    for number in 0..70 {
        let outbound_queue = stage.enter(&format!("session-{number}"), Some(&format!("user-{number}")));
        stage.add_subscriber(HOT, &outbound_queue, 1);
        stage.add_subscriber("/presence/topic/hot", &outbound_queue, 2);
    }
    let newcomers = (0..16).map(|number| {
        let newcomer = format!("newcomer-{number}");
        stage.enter(&newcomer, Some(&newcomer))
    });
    let newcomers = newcomers.collect();
    let later = stage.now + Duration::from_secs(60);
    stage.broker.expire(later);
    (stage, selector(HOT), newcomers, later)
}

#[library_benchmark]
#[bench::of_16_to_70(setup = watched)]
fn presence_join(
    (stage, to, newcomers, _): (Stage, Selector, Vec<Arc<OutboundQueue>>, Instant),
) -> (Vec<Subscription>, Stage, Vec<Arc<OutboundQueue>>) {
    (join(black_box(&stage), &to, &newcomers), stage, newcomers)
}

fn join(stage: &Stage, to: &Selector, newcomers: &[Arc<OutboundQueue>]) -> Vec<Subscription> {
    newcomers.iter().map(|newcomer| stage.subscribe(to, newcomer, 1)).collect()
}

fn joined() -> (Stage, Vec<Subscription>, Instant) {
    let (stage, to, newcomers, later) = watched();
    let subscriptions = join(&stage, &to, &newcomers);
    (stage, subscriptions, later + Duration::from_secs(60))
}

#[library_benchmark]
#[bench::of_16_to_70(setup = joined)]
fn presence_flush(
    (stage, subscriptions, now): (Stage, Vec<Subscription>, Instant),
) -> (Stage, Vec<Subscription>) {
    black_box(stage.broker.expire(black_box(now)));
    (stage, subscriptions)
}

library_benchmark_group!(
    name = counts,
    benchmarks =
        [conversation, judge, route, fan_out, user, users, mailbox, deliver, presence_join, presence_flush]
);
main!(
    config = LibraryBenchmarkConfig::default().env("_RJEM_MALLOC_CONF", stage::MALLOC_CONF);
    library_benchmark_groups = counts
);
