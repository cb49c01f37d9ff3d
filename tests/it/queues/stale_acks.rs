//! Workers that reconnect and settle deliveries of earlier connections. The broker runs in memory and is compared with
//! a model. A job is done only if a worker acknowledges it on the connection that delivered it. It fails only as often
//! as in the model.

use proptest::prelude::*;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use stompbox::auth::Principal;
use stompbox::broker::{self, Broker, Subscription};
use stompbox::budget::Budget;
use stompbox::command::{Audience, ConsumerOptions, Publish, Settlement, Subscribe};
use stompbox::destination::{Destination, Selector};
use stompbox::metrics::Metrics;
use stompbox::operations::Client;
use stompbox::outbound_queue::{self, Delivery, NodeId, OutboundQueue, SessionId};
use stompbox::session::{Action, Closing, DeliveryAction, Options, Session};
use stompbox_frames::stomp::{Decoder, Headers, Limits};

const QUEUE: &str = "/queue/jobs";
const WORKERS: usize = 3;
const MAX_DELIVERIES: u32 = 3;
const VERSIONS: [&str; 3] = ["1.0", "1.1", "1.2"];
const MODES: [&str; 3] = ["auto", "client", "client-individual"];

#[derive(Clone, Copy, Debug)]
enum Event {
    Publish,
    /// Writes the waiting messages to a worker.
    Deliver(usize),
    /// Has a worker settle delivery `nth` of those that it has received on all its connections. Number 0 is the newest.
    Settle {
        worker: usize,
        nth: usize,
        verb: Settlement,
        by_message: bool,
    },
    /// Ends a worker's connection or subscription, and starts a new one.
    Leave {
        worker: usize,
        departure: Departure,
        version: usize,
        mode: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum Departure {
    Disconnect,
    Unsubscribe,
    Shutdown,
    Lost,
}

fn event() -> impl Strategy<Value = Event> {
    let verbs = [Settlement::Accepted, Settlement::Accepted, Settlement::Returned, Settlement::Rejected];
    let departures = [
        Departure::Disconnect,
        Departure::Unsubscribe,
        Departure::Shutdown,
        Departure::Lost,
        Departure::Lost,
    ];
    let (verbs, departures) =
        (prop::sample::select(verbs.to_vec()), prop::sample::select(departures.to_vec()));
    prop_oneof![
        3 => Just(Event::Publish),
        4 => (0..WORKERS).prop_map(Event::Deliver),
        6 => (0..WORKERS, 0..8_usize, verbs, any::<bool>())
            .prop_map(|(worker, nth, verb, by_message)| Event::Settle { worker, nth, verb, by_message }),
        2 => (0..WORKERS, departures, 0..3_usize, 0..3_usize)
            .prop_map(|(worker, departure, version, mode)| Event::Leave { worker, departure, version, mode }),
    ]
}

/// The headers of a delivery that a worker can use to settle it later.
#[derive(Clone, Debug)]
struct KnownDelivery {
    job: usize,
    ack: Option<String>,
    message_id: String,
}

struct Worker {
    session: Session,
    decoder: Decoder,
    outbound_queue: Arc<OutboundQueue>,
    subscription: Option<Subscription>,
    version: usize,
    mode: usize,
    /// Unsettled deliveries of this connection, in order.
    held: Vec<KnownDelivery>,
    /// Deliveries of all connections, the newest last.
    known: Vec<KnownDelivery>,
    /// Whether the client has received an ERROR.
    has_error: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JobState {
    /// In the work queue, or in the outbound queue of a worker.
    Queued,
    Held(usize),
    Done,
    Dead(&'static str),
}

#[derive(Clone, Copy, Debug)]
struct Job {
    state: JobState,
    failed: u32,
}

struct Model {
    broker: Broker,
    metrics: Arc<Metrics>,
    budget: Arc<Budget>,
    now: Instant,
    sessions: usize,
    workers: Vec<Worker>,
    jobs: Vec<Job>,
}

/// Returns the identity of the worker's session number `number`.
fn session_id(number: usize) -> SessionId {
    SessionId { node: NodeId::from_random(0), number: number as u64 }
}

impl Worker {
    fn new(
        context: (&Broker, &Arc<Budget>, &Arc<Metrics>),
        id: usize,
        (version, mode): (usize, usize),
    ) -> Worker {
        let (broker, budget, metrics) = context;
        let now = Instant::now();
        let outbound_queue = OutboundQueue::new(
            session_id(id),
            outbound_queue::Options::default(),
            budget,
            metrics.clone(),
            now,
        );
        // `ack` values begin with the first digits of the id. These digits must differ between sessions.
        let name: String = format!("{id:032x}").chars().rev().collect();
        let client = Client::new(Arc::default(), name.into(), Arc::new(Box::new(String::new)));
        let session = Session::new(Arc::new(Options::default()), client, now);
        let limits = Limits {
            frame_bytes_max: 1 << 16,
            header_count_max: 100,
            header_bytes_max: 1 << 14,
            to_bytes_max: 0,
        };
        let mut worker = Worker {
            session,
            decoder: Decoder::new(limits),
            outbound_queue,
            subscription: None,
            version,
            mode,
            held: Vec::new(),
            known: Vec::new(),
            has_error: false,
        };
        worker.send(broker, &format!("CONNECT\naccept-version:{}\nhost:a\n\n\0", VERSIONS[version]));
        worker.subscribe(broker);
        worker
    }

    fn subscribe(&mut self, broker: &Broker) {
        let ack = MODES[self.mode];
        self.send(
            broker,
            &format!("SUBSCRIBE\nid:s\ndestination:{QUEUE}\nack:{ack}\nprefetch-count:4\n\n\0"),
        );
        assert!(self.subscription.is_some());
    }

    fn send(&mut self, broker: &Broker, frame: &str) {
        let now = Instant::now();
        self.decoder.feed(frame.as_bytes());
        while let Some(frame) = self.decoder.next().expect("a frame") {
            let mut actions = Vec::new();
            self.session.handle(frame, now, &mut actions);
            self.perform(broker, actions, now);
        }
    }

    /// Performs actions as a connection whose socket accepts all output.
    fn perform(&mut self, broker: &Broker, actions: Vec<Action>, now: Instant) {
        for action in actions {
            match action {
                Action::Write(frame) => self.has_error |= frame.starts_with(b"ERROR"),
                Action::Authenticate(_) => {
                    let mut more = Vec::new();
                    self.session.authenticated(Ok(Principal::anonymous()), Arc::default(), now, &mut more);
                    self.perform(broker, more, now);
                }
                Action::Established(version) => self.decoder.set_version(version),
                Action::Subscribe { mut subscribe, .. } => {
                    subscribe.options.prefetch_bytes = usize::MAX;
                    let subscription = broker.subscribe(&subscribe, &self.outbound_queue, now);
                    self.subscription = Some(subscription.expect("a queue accepts every consumer"));
                }
                Action::Settle { settle, .. } => self.settle(&settle.tags, settle.settlement, now),
                Action::Lost(lost) => {
                    lost.iter().for_each(|(_, tag)| self.settle(&[*tag], Settlement::Lost, now))
                }
                Action::Unsubscribe { .. } | Action::Close(_) => drop(self.subscription.take()),
                other => panic!("unexpected action of a worker's session: {other:?}"),
            }
        }
    }

    fn settle(&self, tags: &[u64], settlement: Settlement, now: Instant) {
        self.subscription.as_ref().expect("the worker is subscribed").settle(tags, settlement, now);
    }

    fn deliveries(&self) -> Vec<Delivery> {
        let mut batch = Vec::new();
        let taken = self.outbound_queue.poll_take(
            &mut Context::from_waker(Waker::noop()),
            &mut batch,
            usize::MAX,
            Instant::now(),
        );
        assert!(!matches!(taken, Poll::Ready(Err(_))), "the outbound queue must not overflow");
        batch
    }
}

impl Model {
    fn new() -> Model {
        let (budget, metrics) = (Budget::new(usize::MAX), Metrics::new());
        let options = broker::Options {
            max_deliveries: MAX_DELIVERIES,
            // Returned messages are available again at once, so that no timer is needed.
            redelivery_backoff: std::time::Duration::ZERO,
            ..broker::Options::default()
        };
        let broker = Broker::new(options, NodeId::from_random(0), budget.clone(), metrics.clone());
        let mut model = Model {
            broker,
            metrics,
            budget,
            now: Instant::now(),
            sessions: 0,
            workers: Vec::new(),
            jobs: Vec::new(),
        };
        for worker in 0..WORKERS {
            let new = model.connect(2, worker);
            model.workers.push(new);
        }
        model
    }

    fn connect(&mut self, version: usize, mode: usize) -> Worker {
        self.sessions += 1;
        Worker::new((&self.broker, &self.budget, &self.metrics), self.sessions, (version, mode))
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Publish => {
                let body = self.jobs.len().to_string();
                let destination = Destination::parse(QUEUE, usize::MAX).expect("a queue");
                let publish = Publish {
                    audience: Audience::One(destination),
                    destination_header: QUEUE.into(),
                    headers: Headers::default(),
                    extra: Vec::new(),
                    body: body.into(),
                };
                self.broker.publish(&publish, self.now).expect("the queue has space");
                self.jobs.push(Job { state: JobState::Queued, failed: 0 });
            }
            Event::Deliver(worker) => self.deliver(worker),
            Event::Settle { worker, nth, verb, by_message } => self.settle(worker, nth, verb, by_message),
            Event::Leave { worker, departure, version, mode } => {
                self.leave(worker, departure, (version, mode))
            }
        }
    }

    fn deliver(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        loop {
            let deliveries = worker.deliveries();
            if deliveries.is_empty() {
                return;
            }
            for delivery in deliveries {
                let mut prefix = bytes::BytesMut::new();
                let action = worker.session.deliver(&delivery, &mut prefix);
                let DeliveryAction::Write { settle_when_written } = action else { panic!("{action:?}") };
                let job: usize = String::from_utf8_lossy(delivery.message.body()).parse().expect("a number");
                assert_eq!(self.jobs[job].state, JobState::Queued, "{job} is delivered to two workers");
                let head = String::from_utf8(prefix.to_vec()).expect("headers are text");
                let ack = head.lines().find_map(|line| line.strip_prefix("ack:")).map(str::to_owned);
                let known = KnownDelivery { job, ack, message_id: delivery.message.id().to_owned() };
                worker.known.push(known.clone());
                if settle_when_written {
                    worker.settle(&[delivery.tag], Settlement::Accepted, self.now);
                    self.jobs[job].state = JobState::Done;
                } else {
                    worker.held.push(known);
                    self.jobs[job].state = JobState::Held(at);
                }
            }
        }
    }

    fn settle(&mut self, at: usize, nth: usize, verb: Settlement, by_message: bool) {
        let worker = &mut self.workers[at];
        let (version, mode) = (worker.version, worker.mode);
        let Some(known) = worker.known.iter().rev().nth(nth).cloned() else { return };
        if version == 0 && verb != Settlement::Accepted {
            return;
        }
        let name = match (version, known.ack.clone().filter(|_| !by_message)) {
            (2, Some(ack)) => format!("id:{ack}"),
            (2, None) => format!("id:{}", known.message_id),
            (1, _) => format!("message-id:{}\nsubscription:s", known.message_id),
            _ => format!("message-id:{}", known.message_id),
        };
        let frame = match verb {
            Settlement::Accepted => format!("ACK\n{name}\n\n\0"),
            Settlement::Returned => format!("NACK\n{name}\n\n\0"),
            Settlement::Rejected => format!("NACK\n{name}\nrequeue:false\n\n\0"),
            Settlement::Lost | Settlement::Unwritten => unreachable!("no client requests it"),
        };
        // An `ack` value identifies one delivery. A `message-id` identifies every delivery of the message on this
        // connection.
        let is_named = |held: &KnownDelivery| match name.strip_prefix("id:") {
            Some(id) if id != known.message_id => held.ack.as_deref() == Some(id),
            _ => held.message_id == known.message_id,
        };
        let state = worker.held.iter().position(is_named);
        worker.send(&self.broker, &frame);
        match state {
            _ if MODES[mode] == "auto" => assert!(!worker.has_error, "auto mode ignores it: {frame:?}"),
            Some(state) => {
                assert!(!worker.has_error, "{frame:?} of {known:?} is rejected");
                let from = if MODES[mode] == "client" { 0 } else { state };
                let settled: Vec<_> = worker.held.drain(from..=state).collect();
                settled.iter().for_each(|held| self.settled(held.job, verb));
            }
            None => {
                assert!(worker.has_error, "{frame:?} of {known:?} must not settle a delivery");
                // The stale acknowledgement has settled nothing, and the ERROR ends the connection. Thus all unsettled
                // deliveries of the worker are returned.
                self.return_deliveries(at, false);
                self.reconnect(at, (version, mode));
            }
        }
    }

    fn settled(&mut self, job: usize, verb: Settlement) {
        match verb {
            Settlement::Accepted => self.jobs[job].state = JobState::Done,
            Settlement::Rejected => self.jobs[job].state = JobState::Dead("rejected"),
            Settlement::Returned => self.failed(job),
            Settlement::Lost | Settlement::Unwritten => unreachable!("no client requests it"),
        }
    }

    fn failed(&mut self, job: usize) {
        let Job { state, failed } = &mut self.jobs[job];
        *failed += 1;
        *state = if *failed >= MAX_DELIVERIES { JobState::Dead("max-deliveries") } else { JobState::Queued };
    }

    /// Requeues the deliveries of a worker. If the worker was lost, its oldest delivery counts as failed.
    fn return_deliveries(&mut self, at: usize, lost: bool) {
        let held = std::mem::take(&mut self.workers[at].held);
        held.iter().for_each(|held| self.jobs[held.job].state = JobState::Queued);
        if let Some(oldest) = held.first().filter(|_| lost) {
            self.failed(oldest.job);
        }
    }

    fn leave(&mut self, at: usize, departure: Departure, reconnection: (usize, usize)) {
        let (broker, now) = (&self.broker, self.now);
        let worker = &mut self.workers[at];
        let mut is_lost = false;
        match departure {
            Departure::Disconnect => worker.send(broker, "DISCONNECT\n\n\0"),
            Departure::Unsubscribe => {
                worker.send(broker, "UNSUBSCRIBE\nid:s\n\n\0");
                self.return_deliveries(at, false);
                // The connection stays open. It does not accept `ack` values of the old subscription either.
                return self.workers[at].subscribe(&self.broker);
            }
            Departure::Shutdown | Departure::Lost => {
                is_lost = matches!(departure, Departure::Lost);
                let closing = if is_lost { Closing::PeerLeft } else { Closing::Shutdown };
                let lost = worker.session.finish(closing);
                worker.perform(broker, vec![Action::Lost(lost), Action::Close(closing)], now);
            }
        }
        self.return_deliveries(at, is_lost);
        self.reconnect(at, reconnection);
    }

    fn reconnect(&mut self, at: usize, (version, mode): (usize, usize)) {
        assert!(self.workers[at].subscription.is_none(), "the subscription of the old connection remains");
        let known = std::mem::take(&mut self.workers[at].known);
        self.workers[at] = Worker { known, ..self.connect(version, mode) };
    }

    fn check(&self) {
        let count = |is: fn(&JobState) -> bool| self.jobs.iter().filter(|job| is(&job.state)).count();
        let (dead, done) =
            (count(|state| matches!(state, JobState::Dead(_))), count(|state| *state == JobState::Done));
        assert_eq!(self.metrics.dead_letters.get(), dead as u64);
        assert_eq!(self.metrics.queue_messages.get(), (self.jobs.len() - done) as i64);
    }

    /// Disconnects all workers, and asserts that the queues contain exactly the unfinished jobs of the model.
    fn finish(mut self) {
        self.workers.clear();
        for (queue, is_there) in [
            (QUEUE, (|state| matches!(state, JobState::Queued | JobState::Held(_))) as fn(&JobState) -> bool),
            ("/queue/dead.jobs", |state| matches!(state, JobState::Dead(_))),
        ] {
            let outbound_queue = OutboundQueue::new(
                session_id(0),
                outbound_queue::Options::default(),
                &self.budget,
                self.metrics.clone(),
                self.now,
            );
            let selector = Selector::parse(queue, usize::MAX).expect("a queue");
            let options = ConsumerOptions {
                prefetch: 10_000,
                prefetch_bytes: usize::MAX,
                text_only: false,
                presence_names: false,
            };
            let subscribe = Subscribe { key: 1, selector, options };
            let _subscription = self
                .broker
                .subscribe(&subscribe, &outbound_queue, self.now)
                .expect("the subscription is accepted");
            let mut batch = Vec::new();
            let _ = outbound_queue.poll_take(
                &mut Context::from_waker(Waker::noop()),
                &mut batch,
                usize::MAX,
                self.now,
            );
            let number = |delivery: &Delivery| {
                String::from_utf8_lossy(delivery.message.body()).parse().expect("a number")
            };
            let mut there: Vec<usize> = batch.iter().map(number).collect();
            there.sort_unstable();
            let expected = (0..self.jobs.len()).filter(|&job| is_there(&self.jobs[job].state));
            assert_eq!(there, expected.collect::<Vec<_>>(), "{queue} of {:?}", self.jobs);
        }
    }
}

proptest! {
    #[test]
    fn a_job_is_settled_only_by_the_connection_it_was_delivered_on(events in prop::collection::vec(event(), 1..150)) {
        let mut model = Model::new();
        for event in events {
            model.apply(event);
            model.check();
        }
        model.finish();
    }
}
