//! Instruction counts of presence, and of all steps of a SEND after decoding: session, permissions, routing, fan-out
//! and outbound queues.
//!
//! `tests/bench/count` runs these benchmarks and the benchmarks of `frames`, and compares the counts with the committed
//! counts.

#![allow(missing_docs, unreachable_pub)]

mod fixture;

use bytes::BytesMut;
use fixture::{Fixture, publish_for, publish_to, selector, take};
use gungraun::prelude::*;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stompbox::auth::Principal;
use stompbox::broker::Subscription;
use stompbox::command::{Audience, Publish};
use stompbox::destination::{Address, Owner, Selector, UserPath};
use stompbox::operations::Client;
use stompbox::outbound_queue::{Delivery, OutboundQueue};
use stompbox::permissions::{AccessDenied, Permissions, Preset, Rule, Verb};
use stompbox::session::{Action, Session};
use stompbox_frames::message::{Message, MessageParts};
use stompbox_frames::stomp::{Decoder, Frame, Headers, Limits};

const HOT: &str = "/topic/hot";

/// Creates a broker with `subscribers` subscribers of `/topic/hot`, and `others` other topics with one subscriber each.
fn fixture(subscribers: u32, others: u32) -> (Fixture, Publish) {
    let mut fixture = Fixture::new();
    for _ in 0..subscribers {
        let outbound_queue = fixture.outbound_queue();
        fixture.add_subscriber(HOT, &outbound_queue, 1);
    }
    let other = fixture.outbound_queue();
    for number in 0..others {
        fixture.add_subscriber(&format!("/topic/other.{number}"), &other, number);
    }
    let hot = publish_to(HOT, Headers::default());
    // Publishes once, so that the outbound queues have allocated space before the measurement.
    fixture.publish(&hot);
    (fixture, hot)
}

#[library_benchmark]
#[bench::one(fixture(1, 0))]
#[bench::thousand(fixture(1000, 0))]
#[bench::one_with_100_000_other_topics(fixture(1, 100_000))]
fn fan_out((fixture, hot): (Fixture, Publish)) -> (usize, Fixture, Publish) {
    (black_box(fixture.publish(black_box(&hot))), fixture, hot)
}

/// Creates a broker with one subscriber, and the message of a SEND that requests a RECEIPT.
fn with_receipt() -> (Fixture, Publish) {
    let (fixture, _) = fixture(1, 0);
    let hot = publish_to(HOT, send(HOT).headers);
    fixture.publish(&hot);
    (fixture, hot)
}

#[library_benchmark]
#[bench::one(setup = with_receipt)]
fn publish_with_receipt((fixture, hot): (Fixture, Publish)) -> (usize, Fixture, Publish) {
    (black_box(fixture.publish(black_box(&hot))), fixture, hot)
}

/// Creates a broker with sessions of alice, each of which subscribes to `/user/queue/x`.
fn alice(sessions: u32) -> (Fixture, Publish) {
    let mut fixture = Fixture::new();
    let owner = Owner::user("alice");
    let path = user_path();
    let to = path.of(&owner).expect("no wildcard");
    for number in 0..sessions {
        let outbound_queue = fixture.enter(&format!("session-{number}"), Some("alice"));
        fixture.add_subscriber(to.as_str(), &outbound_queue, 1);
    }
    let publish = publish_to(to.as_str(), Headers::default());
    fixture.publish(&publish);
    (fixture, publish)
}

fn user_path() -> UserPath {
    match Address::parse_send("/user/queue/x", 1024) {
        Ok(Address::User(_, path)) => path,
        other => panic!("{other:?}"),
    }
}

#[library_benchmark]
#[bench::two_sessions(alice(2))]
fn publish_to_user((fixture, publish): (Fixture, Publish)) -> (usize, Fixture, Publish) {
    (black_box(fixture.publish(black_box(&publish))), fixture, publish)
}

/// Creates a broker with ten users, each with one session, and a message to them.
fn ten_users() -> (Fixture, Publish) {
    let mut fixture = Fixture::new();
    let owners: Vec<Owner> = (0..10).map(|number| Owner::user(&format!("user-{number}"))).collect();
    let path = user_path();
    for (number, owner) in owners.iter().enumerate() {
        let outbound_queue = fixture.enter(&format!("session-{number}"), Some(&format!("user-{number}")));
        fixture.add_subscriber(path.of(owner).expect("no wildcard").as_str(), &outbound_queue, 1);
    }
    let publish = publish_for(Audience::Users(owners, path), "/user/queue/x", Headers::default());
    fixture.publish(&publish);
    (fixture, publish)
}

#[library_benchmark]
#[bench::ten(setup = ten_users)]
fn publish_to_users((fixture, publish): (Fixture, Publish)) -> (usize, Fixture, Publish) {
    (black_box(fixture.publish(black_box(&publish))), fixture, publish)
}

fn outbound_queue(deliveries: usize) -> (Arc<OutboundQueue>, Vec<Delivery>, Vec<Delivery>, Instant) {
    let fixture = Fixture::new();
    let headers = Headers::default();
    let parts =
        MessageParts { id: "n-1", destination: HOT, headers: &headers, extra: &[], body: &[b'x'; 128] };
    let message = Message::new(parts, |bytes| fixture.charge(bytes));
    let deliveries = vec![Delivery { message, key: 1, count: 1, tag: 0 }; deliveries];
    let (outbound_queue, mut batch) = (fixture.standalone_queue(), Vec::with_capacity(deliveries.len()));
    push_and_take(&outbound_queue, &deliveries, &mut batch, fixture.now);
    batch.clear();
    (outbound_queue, deliveries, batch, fixture.now)
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
#[bench::of_1(outbound_queue(1))]
#[bench::of_16(outbound_queue(16))]
fn push_and_take_deliveries(
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
    let client = Client::new(Arc::default(), "s".into(), Arc::new(Box::new(|| "~1".into())));
    let mut session = Session::new(Arc::default(), client, now);
    let mut actions = Vec::with_capacity(16);
    session.handle(frame("CONNECT\naccept-version:1.2\nhost:h\n\n\0"), now, &mut actions);
    let rules = Arc::new(rules(20));
    session.authenticated(Ok(Principal::named("alice", "bench")), rules, now, &mut actions);
    session.handle(frame("SUBSCRIBE\nid:sub-0\ndestination:/topic/hot\n\n\0"), now, &mut actions);
    handle_send(&mut session, send(HOT), &mut actions, now);
    assert!(actions.iter().any(|action| matches!(action, Action::Publish { .. })), "{actions:?}");
    actions.clear();
    (session, send(HOT), actions, now)
}

/// Handles a SEND, including its RECEIPT.
fn handle_send(session: &mut Session, frame: Frame, actions: &mut Vec<Action>, now: Instant) {
    session.handle(frame, now, actions);
    session.complete(Some("message-1234".into()), &[], actions);
}

#[library_benchmark]
#[bench::with_receipt(setup = session)]
fn handle_send_frame(
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

/// The way of one message: the decoder and session of its publisher, the broker, and the session of its receiver.
struct Relay {
    fixture: Fixture,
    decoder: Decoder,
    publisher: Session,
    receiver: Session,
    outbound_queue: Arc<OutboundQueue>,
    bytes: &'static [u8],
    actions: Vec<Action>,
    batch: Vec<Delivery>,
    output: BytesMut,
}

const RELAYED: &str = "SEND\ndestination:/topic/hot\ncontent-type:application/json\ncontent-length:16\n\n{\"text\":\"hello\"}\0";

impl Relay {
    fn new() -> Box<Relay> {
        let mut fixture = Fixture::new();
        let outbound_queue = fixture.outbound_queue();
        fixture.add_subscriber(HOT, &outbound_queue, 1);
        let decoder = Decoder::new(Limits {
            frame_bytes_max: 1 << 20,
            header_count_max: 100,
            header_bytes_max: 8192,
            to_bytes_max: 0,
        });
        let mut relay = Box::new(Relay {
            fixture,
            decoder,
            publisher: session().0,
            receiver: session().0,
            outbound_queue,
            bytes: RELAYED.as_bytes(),
            actions: Vec::with_capacity(16),
            batch: Vec::with_capacity(16),
            output: BytesMut::with_capacity(4096),
        });
        relay.relay();
        assert!(relay.output.ends_with(b"{\"text\":\"hello\"}\0\n"), "{:?}", relay.output);
        relay.output.clear();
        relay
    }

    /// Decodes a SEND and encodes the MESSAGE for the receiver.
    fn relay(&mut self) {
        let now = self.fixture.now;
        self.decoder.feed(self.bytes);
        while let Some(frame) = self.decoder.next().expect("a valid frame") {
            self.publisher.handle(frame, now, &mut self.actions);
        }
        for action in self.actions.drain(..) {
            if let Action::Publish { publish, .. } = action {
                self.fixture.publish(&publish);
            }
        }
        take(&self.outbound_queue, &mut self.batch, now);
        for delivery in self.batch.drain(..) {
            self.receiver.deliver(&delivery, &mut self.output);
            self.output.extend_from_slice(&delivery.message.tail(self.receiver.version(), |_, _| None));
        }
    }
}

#[library_benchmark]
#[bench::one_message(setup = Relay::new)]
fn relay_message(mut relay: Box<Relay>) -> Box<Relay> {
    relay.relay();
    relay
}

/// Returns `n` rules. Only the last rule applies to `/topic/hot`.
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
fn check_permission((rules, principal, owner, to): Case) -> (Result<(), AccessDenied>, Case) {
    (black_box(&rules).check(&principal, &owner, Verb::Send, black_box(&to)), (rules, principal, owner, to))
}

/// Creates a topic with 70 members, which watch its presence and have received all changes. Also creates 16 other
/// sessions.
fn with_watchers() -> (Fixture, Selector, Vec<Arc<OutboundQueue>>, Instant) {
    let mut fixture = Fixture::new();
    for number in 0..70 {
        let outbound_queue = fixture.enter(&format!("session-{number}"), Some(&format!("user-{number}")));
        fixture.add_subscriber(HOT, &outbound_queue, 1);
        fixture.add_subscriber("/presence/topic/hot", &outbound_queue, 2);
    }
    let newcomers = (0..16).map(|number| {
        let newcomer = format!("newcomer-{number}");
        fixture.enter(&newcomer, Some(&newcomer))
    });
    let newcomers = newcomers.collect();
    let later = fixture.now + Duration::from_secs(60);
    fixture.broker.expire(later);
    (fixture, selector(HOT), newcomers, later)
}

#[library_benchmark]
#[bench::of_16_to_70(setup = with_watchers)]
fn presence_join(
    (fixture, to, newcomers, _): (Fixture, Selector, Vec<Arc<OutboundQueue>>, Instant),
) -> (Vec<Subscription>, Fixture, Vec<Arc<OutboundQueue>>) {
    (join(black_box(&fixture), &to, &newcomers), fixture, newcomers)
}

fn join(fixture: &Fixture, to: &Selector, newcomers: &[Arc<OutboundQueue>]) -> Vec<Subscription> {
    newcomers.iter().map(|newcomer| fixture.subscribe(to, newcomer, 1)).collect()
}

fn after_joins() -> (Fixture, Vec<Subscription>, Instant) {
    let (fixture, to, newcomers, later) = with_watchers();
    let subscriptions = join(&fixture, &to, &newcomers);
    (fixture, subscriptions, later + Duration::from_secs(60))
}

#[library_benchmark]
#[bench::of_16_to_70(setup = after_joins)]
fn presence_flush(
    (fixture, subscriptions, now): (Fixture, Vec<Subscription>, Instant),
) -> (Fixture, Vec<Subscription>) {
    black_box(fixture.broker.expire(black_box(now)));
    (fixture, subscriptions)
}

library_benchmark_group!(
    name = counts,
    benchmarks = [
        relay_message,
        handle_send_frame,
        check_permission,
        publish_with_receipt,
        fan_out,
        publish_to_user,
        publish_to_users,
        push_and_take_deliveries,
        deliver,
        presence_join,
        presence_flush
    ]
);
main!(
    config = LibraryBenchmarkConfig::default().env("_RJEM_MALLOC_CONF", fixture::MALLOC_CONF);
    library_benchmark_groups = counts
);
