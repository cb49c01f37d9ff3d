//! A broker without sockets. The tests read the outbound queues themselves.

use super::super::{
    Broker, Commit, Congested, Journal, Options, Published, SessionRegistration, Subscription,
    TransactionStep,
};
use crate::budget::Budget;
use crate::command::{Audience, ConsumerOptions, Publish, Subscribe};
use crate::destination::{Address, AddressOwner, Destination, Owner, Selector};
use crate::metrics::Metrics;
use crate::outbound_queue::{self, Delivery, Key, Label, Message, NodeId, OutboundQueue, SessionIds};
use crate::rejection::Rejection;
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use stompbox_frames::message::MessageParts;
use stompbox_frames::stomp::{Headers, Version};

/// Options with unlimited credit.
pub(in crate::broker) const ALL: ConsumerOptions = ConsumerOptions {
    prefetch: 1_000_000,
    prefetch_bytes: usize::MAX,
    text_only: false,
    presence_names: false,
};

/// Options of a text-only consumer with unlimited credit.
pub(in crate::broker) const TEXT: ConsumerOptions = ConsumerOptions { text_only: true, ..ALL };

pub(in crate::broker) fn credit(prefetch: u32) -> ConsumerOptions {
    ConsumerOptions { prefetch, ..ALL }
}

pub(in crate::broker) fn to(text: &str) -> Destination {
    Destination::parse(text, usize::MAX).expect(text)
}

pub(in crate::broker) fn selector(text: &str) -> Selector {
    Selector::parse(text, usize::MAX).expect(text)
}

/// A broker with its budget and metrics. The tests pass the current time to the broker.
pub(in crate::broker) struct Fixture {
    pub(in crate::broker) broker: Broker,
    pub(in crate::broker) budget: Arc<Budget>,
    pub(in crate::broker) metrics: Arc<Metrics>,
    session_ids: SessionIds,
    start: Instant,
}

impl Fixture {
    pub(in crate::broker) fn new() -> Fixture {
        Fixture::with(Options::default(), usize::MAX)
    }

    pub(in crate::broker) fn with(options: Options, memory: usize) -> Fixture {
        Fixture::with_journal(options, memory, None)
    }

    pub(in crate::broker) fn with_journal(
        options: Options,
        memory: usize,
        journal: Option<Arc<dyn Journal>>,
    ) -> Fixture {
        let (budget, metrics, node) = (Budget::new(memory), Metrics::new(), NodeId::from_random(0));
        let broker = Broker::with_journal(options, node, budget.clone(), metrics.clone(), journal);
        Fixture { broker, budget, metrics, session_ids: SessionIds::new(node), start: Instant::now() }
    }

    pub(in crate::broker) fn now(&self) -> Instant {
        self.start
    }

    pub(in crate::broker) fn outbound_queue(&self) -> Arc<OutboundQueue> {
        self.outbound_queue_of(1 << 30)
    }

    pub(in crate::broker) fn outbound_queue_of(&self, outbound_queue_bytes_max: usize) -> Arc<OutboundQueue> {
        let options = outbound_queue::Options { outbound_queue_bytes_max, ..Default::default() };
        OutboundQueue::new(self.session_ids.next(), options, &self.budget, self.metrics.clone(), self.start)
    }

    pub(in crate::broker) fn message(&self, body: &str) -> Message {
        let parts = MessageParts {
            id: "m-1",
            destination: "/queue/q",
            headers: &Headers::default(),
            extra: &[],
            body: body.as_bytes(),
        };
        Message::new(parts, |bytes| self.budget.charge(bytes))
    }

    pub(in crate::broker) fn publish_at(
        &self,
        destination: &str,
        body: &(impl AsRef<[u8]> + ?Sized),
        now: Instant,
    ) -> Result<Published, Rejection> {
        publish(&self.broker, &to(destination), body, now)
    }

    pub(in crate::broker) fn publish(
        &self,
        destination: &str,
        body: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<Published, Rejection> {
        self.publish_at(destination, body, self.start)
    }

    /// Publishes a message that the broker must accept.
    pub(in crate::broker) fn send(&self, destination: &str, body: &(impl AsRef<[u8]> + ?Sized)) -> usize {
        self.publish(destination, body).expect("accepted").reached
    }

    pub(in crate::broker) fn subscribe(
        &self,
        text: &str,
        receiver: &Receiver,
        options: ConsumerOptions,
    ) -> Subscription {
        self.try_subscribe(selector(text), receiver, options, self.start).expect("subscribed")
    }

    pub(in crate::broker) fn try_subscribe(
        &self,
        selector: Selector,
        receiver: &Receiver,
        options: ConsumerOptions,
        now: Instant,
    ) -> Result<Subscription, Rejection> {
        let subscribe = Subscribe { key: receiver.key, selector, options };
        self.broker.subscribe(&subscribe, &receiver.outbound_queue, now)
    }

    /// Registers an online session of `user`, or an anonymous session if `user` is `None`.
    pub(in crate::broker) fn session(&self, id: &str, user: Option<&str>) -> Session {
        self.session_at(id, user, self.start)
    }

    pub(in crate::broker) fn session_at(&self, id: &str, user: Option<&str>, now: Instant) -> Session {
        let outbound_queue = self.outbound_queue();
        outbound_queue.set_label(Arc::new(Label { session: id.into(), user: user.map(Arc::from) }));
        let registration = self.broker.register_session(&outbound_queue, now);
        Session { owner: Owner::of(user, id), outbound_queue, _registration: registration }
    }

    /// Subscribes a session to `text`. If `text` begins with `/user/`, this is the destination of the session's user.
    pub(in crate::broker) fn join(&self, text: &str, session: &Session, key: Key) -> Subscription {
        self.join_at(text, session, key, self.start)
    }

    pub(in crate::broker) fn join_at(
        &self,
        text: &str,
        session: &Session,
        key: Key,
        now: Instant,
    ) -> Subscription {
        let selector = match Address::parse_subscribe(text, usize::MAX).expect(text) {
            Address::User(AddressOwner::Own, path) => path.selector(&session.owner).expect(text),
            _ => selector(text),
        };
        let subscribe = Subscribe { key, selector, options: ALL };
        self.broker.subscribe(&subscribe, &session.outbound_queue, now).expect("subscribed")
    }

    /// Subscribes a watcher to the presence destination `text`. `names` is the option `presence_names`.
    pub(in crate::broker) fn watch(
        &self,
        text: &str,
        outbound_queue: &Arc<OutboundQueue>,
        names: bool,
        now: Instant,
    ) -> Subscription {
        let options = ConsumerOptions { presence_names: names, ..ALL };
        let subscribe = Subscribe { key: 1, selector: selector(text), options };
        self.broker.subscribe(&subscribe, outbound_queue, now).expect("subscribed")
    }

    pub(in crate::broker) fn receiver(&self, key: Key) -> Receiver {
        Receiver { outbound_queue: self.outbound_queue(), key }
    }
}

/// Publishes a message with a body and no headers.
pub(in crate::broker) fn publish(
    broker: &Broker,
    destination: &Destination,
    body: &(impl AsRef<[u8]> + ?Sized),
    now: Instant,
) -> Result<Published, Rejection> {
    broker.publish(&publish_command(destination, body), now)
}

/// Returns the command to publish a message with a body and no headers.
pub(in crate::broker) fn publish_command(
    destination: &Destination,
    body: &(impl AsRef<[u8]> + ?Sized),
) -> Publish {
    Publish {
        audience: Audience::One(destination.clone()),
        destination_header: destination.as_str().into(),
        headers: Headers::default(),
        extra: Vec::new(),
        body: Bytes::copy_from_slice(body.as_ref()),
    }
}

pub(in crate::broker) fn publish_step(
    destination: &Destination,
    body: &(impl AsRef<[u8]> + ?Sized),
) -> TransactionStep {
    TransactionStep::Publish(Box::new(publish_command(destination, body)))
}

/// The result of a committed transaction.
#[derive(Debug, Default)]
pub(in crate::broker) struct Committed {
    pub(in crate::broker) reached: usize,
    pub(in crate::broker) sessions: Option<usize>,
    pub(in crate::broker) services: Option<usize>,
    /// Indexes of the steps for `/app` that reached no service.
    pub(in crate::broker) without_service: Vec<usize>,
    /// The receivers to wait for after each step.
    pub(in crate::broker) congested: Vec<Vec<Congested>>,
}

/// Commits a transaction without other work between its steps.
pub(in crate::broker) fn commit(
    broker: &Broker,
    steps: &[TransactionStep],
    now: Instant,
) -> Result<Committed, Rejection> {
    let mut commit = Commit::new(broker.shared.clone());
    steps.iter().try_for_each(|step| commit.check(step))?;
    commit.admit()?;
    steps.iter().try_for_each(|step| commit.reserve(step))?;
    let mut committed = Committed::default();
    let sum =
        |one: Option<usize>, other: Option<usize>| one.map_or(other, |one| Some(one + other.unwrap_or(0)));
    for (index, step) in steps.iter().enumerate() {
        let published = commit.apply(step, now);
        committed.reached += published.reached;
        committed.sessions = sum(committed.sessions, published.sessions);
        committed.services = sum(committed.services, published.services);
        committed.without_service.extend((published.services == Some(0)).then_some(index));
        committed.congested.push(published.congested);
    }
    Ok(committed)
}

/// An online session. All its subscriptions use one outbound queue.
pub(in crate::broker) struct Session {
    pub(in crate::broker) outbound_queue: Arc<OutboundQueue>,
    pub(in crate::broker) owner: Owner,
    _registration: SessionRegistration,
}

impl Session {
    /// Takes all deliveries and returns their bodies.
    pub(in crate::broker) fn bodies(&self) -> Vec<String> {
        bodies(&drain(&self.outbound_queue))
    }
}

/// The receiving end of a connection with one subscription.
pub(in crate::broker) struct Receiver {
    pub(in crate::broker) outbound_queue: Arc<OutboundQueue>,
    pub(in crate::broker) key: Key,
}

impl Receiver {
    /// Takes all deliveries from the outbound queue.
    pub(in crate::broker) fn deliveries(&self) -> Vec<Delivery> {
        drain(&self.outbound_queue)
    }

    /// Takes all deliveries and returns their bodies.
    pub(in crate::broker) fn bodies(&self) -> Vec<String> {
        bodies(&self.deliveries())
    }

    /// Takes all deliveries. Returns the body, the count and the tag of each.
    pub(in crate::broker) fn received(&self) -> Vec<(String, u32, u64)> {
        self.deliveries().iter().map(|delivery| (body(delivery), delivery.count, delivery.tag)).collect()
    }
}

pub(in crate::broker) fn drain(outbound_queue: &OutboundQueue) -> Vec<Delivery> {
    let mut batch = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(taken) = outbound_queue.poll_take(&mut cx, &mut batch, usize::MAX, Instant::now()) {
        taken.expect("no overflow");
    }
    batch
}

pub(in crate::broker) fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(body).collect()
}

/// Returns the body. Replaces bytes that are not UTF-8 by U+FFFD.
pub(in crate::broker) fn body(delivery: &Delivery) -> String {
    String::from_utf8_lossy(delivery.message.body()).into_owned()
}

/// Returns the header lines of MESSAGE that all receivers share.
pub(in crate::broker) fn headers(delivery: &Delivery) -> Vec<String> {
    let tail = delivery.message.tail(Version::V1_2, |_, _| None);
    let tail = String::from_utf8_lossy(&tail);
    tail.split("\n\n").next().unwrap_or_default().lines().map(str::to_owned).collect()
}
