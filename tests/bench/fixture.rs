//! A broker with subscribers, for benchmarks.

#![allow(dead_code, reason = "each benchmark uses a part")]

use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;
use stompbox::broker::{Broker, Options, SessionRegistration, Subscription};
use stompbox::budget::{Budget, Charge};
use stompbox::command::{Audience, ConsumerOptions, Publish, Subscribe};
use stompbox::destination::{Destination, Selector};
use stompbox::metrics::Metrics;
use stompbox::outbound_queue::{self, Delivery, Key, Label, NodeId, OutboundQueue, SessionIds};
use stompbox_frames::stomp::Headers;

/// The allocator of the `stompbox` command. Its costs depend little on earlier allocations.
#[cfg(all(feature = "jemalloc", unix, not(target_env = "musl")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Disables purging by time, because it could happen during a measurement. `tests/bench/count` has the same value.
pub const MALLOC_CONF: &str = "dirty_decay_ms:-1,muzzy_decay_ms:-1,tcache_gc_incr_bytes:1099511627776";

const CONSUMER_OPTIONS: ConsumerOptions =
    ConsumerOptions { prefetch: 100, prefetch_bytes: 1 << 20, text_only: false, presence_names: false };

/// A broker with a fixed time, and its subscriptions, sessions and outbound queues.
pub struct Fixture {
    pub broker: Broker,
    pub now: Instant,
    budget: Arc<Budget>,
    metrics: Arc<Metrics>,
    session_ids: SessionIds,
    subscriptions: Vec<Subscription>,
    registrations: Vec<SessionRegistration>,
    outbound_queues: Vec<Arc<OutboundQueue>>,
}

impl Fixture {
    pub fn new() -> Fixture {
        let (budget, metrics, now) = (Budget::new(usize::MAX), Metrics::new(), Instant::now());
        let node = NodeId::from_random(0);
        let broker = Broker::new(Options::default(), node, budget.clone(), metrics.clone());
        let (subscriptions, registrations, outbound_queues) = Default::default();
        let session_ids = SessionIds::new(node);
        Fixture { broker, now, budget, metrics, session_ids, subscriptions, registrations, outbound_queues }
    }

    /// Returns a new outbound queue that [`drain`](Fixture::drain) empties.
    pub fn outbound_queue(&mut self) -> Arc<OutboundQueue> {
        let outbound_queue = self.standalone_queue();
        self.outbound_queues.push(outbound_queue.clone());
        outbound_queue
    }

    pub fn standalone_queue(&self) -> Arc<OutboundQueue> {
        let (id, options) = (self.session_ids.next(), outbound_queue::Options::default());
        OutboundQueue::new(id, options, &self.budget, self.metrics.clone(), self.now)
    }

    /// Returns the outbound queue of a new session that is online.
    pub fn enter(&mut self, id: &str, user: Option<&str>) -> Arc<OutboundQueue> {
        let outbound_queue = self.standalone_queue();
        outbound_queue.set_label(Arc::new(Label { session: id.into(), user: user.map(Arc::from) }));
        self.registrations.push(self.broker.register_session(&outbound_queue, self.now));
        outbound_queue
    }

    pub fn charge(&self, bytes: usize) -> Charge {
        self.budget.charge(bytes)
    }

    pub fn subscribe(&self, to: &Selector, outbound_queue: &Arc<OutboundQueue>, key: Key) -> Subscription {
        let subscribe = Subscribe { key, selector: to.clone(), options: CONSUMER_OPTIONS };
        self.broker.subscribe(&subscribe, outbound_queue, self.now).expect("no limit is reached")
    }

    /// Adds a subscription that is dropped with the fixture.
    pub fn add_subscriber(&mut self, to: &str, outbound_queue: &Arc<OutboundQueue>, key: Key) {
        let subscription = self.subscribe(&selector(to), outbound_queue, key);
        self.subscriptions.push(subscription);
    }

    /// Publishes a message, and returns the number of subscriptions that it reached.
    pub fn publish(&self, publish: &Publish) -> usize {
        self.broker.publish(publish, self.now).expect("no limit is reached").reached
    }

    /// Takes all deliveries from the outbound queues and drops them.
    pub fn drain(&self) {
        for outbound_queue in &self.outbound_queues {
            take(outbound_queue, &mut Vec::new(), self.now);
        }
    }
}

/// Takes all deliveries from an outbound queue.
pub fn take(outbound_queue: &OutboundQueue, batch: &mut Vec<Delivery>, now: Instant) {
    let mut cx = Context::from_waker(Waker::noop());
    let _ = outbound_queue.poll_take(&mut cx, batch, usize::MAX, now);
}

pub fn selector(text: &str) -> Selector {
    Selector::parse(text, 1024).expect("a destination")
}

pub fn destination(text: &str) -> Destination {
    Destination::parse(text, 1024).expect("a destination without wildcards")
}

/// Returns the command to publish a body of 128 bytes to one destination.
pub fn publish_to(to: &str, headers: Headers) -> Publish {
    publish_for(Audience::One(destination(to)), to, headers)
}

/// Returns the command to publish a body of 128 bytes.
pub fn publish_for(audience: Audience, destination_header: &str, headers: Headers) -> Publish {
    let body = Bytes::from_static(&[b'x'; 128]);
    Publish { audience, destination_header: destination_header.into(), headers, extra: Vec::new(), body }
}
