//! The bounded mailbox of a connection: the only buffer between publishers and a receiver.
//!
//! Publishers push a pointer to a message and a subscription key; the receiver's own task takes batches out
//! and writes them. The bound is in octets as the receiver will get them. What happens above it is decided
//! here and nowhere else:
//!
//! ```text
//!  0 ........ 1/4 ............... 1/2 .................... bytes-max
//!  patience   |                   | publishers wait for    | overflow: everything unsent is dropped,
//!  is renewed |                   | this receiver, as long | the connection ends as a slow consumer
//!  below here |                   | as its patience lasts  |
//! ```
//!
//! Patience lasts `burst_patience` from the moment at which the outbox passed one half. Where *most* of the
//! receivers of a message are that far behind, the machine is saturated and not one receiver slow: then it
//! lasts as long as the receiver still takes a batch now and then.
//!
//! An empty outbox takes any one message, however large: that it does not fit is not the receiver's fault.
//!
//! Who is woken, and when:
//!
//! | who | by | when |
//! |---|---|---|
//! | the receiver | [`Outbox::push`], [`Outbox::push_within`] | it found nothing to take, once per such wait |
//! | the receiver | an overflow | in any case |
//! | the receiver | [`Outbox::withdraw`] | a work queue was turned away, which may go on now |
//! | publishers that wait | taking, withdrawing | at or below one half |
//! | publishers that wait | overflow, [`Outbox::close`] | in any case: there is nothing to wait for any more |
//! | publishers that wait | another one that begins to wait | once per `burst_patience`, so that those that have left are forgotten |

use crate::budget::{Budget, Charge};
use crate::metrics::Metrics;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A message whose memory is charged to the budget for as long as anybody holds it.
pub type Message = stompbox_frames::message::Message<Charge>;

/// A subscription, as its own connection names it; never used twice on one connection.
pub type Key = u32;

/// The place of a message in its work queue; 0 for broadcast.
pub type Tag = u64;

/// What travels to a subscriber.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The message, shared by all its subscribers.
    pub message: Message,
    /// Which of the connection's subscriptions it is for.
    pub key: Key,
    /// How often it has been given to a consumer, this time included; 1 for broadcast.
    pub count: u32,
    /// Its place in the work queue it came from, 0 if it came from none.
    pub tag: Tag,
}

/// What the prefix and the wire's own head cost at most, roughly; added to each message's size.
const OVERHEAD_BYTES: usize = 64;
/// Below this the gauge is not told: one add a batch, not one a message.
const GAUGE_STEP_BYTES: usize = 16 * 1024;
/// Parcels for which an empty outbox keeps its room.
const IDLE_PARCELS: usize = 8;
/// Keeps every sum of a time and a patience a time.
const PATIENCE_LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How much an outbox may hold and how long it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Octets waiting for one receiver at most.
    pub outbox_bytes_max: usize,
    /// How long publishers wait for a receiver that is above half.
    pub burst_patience: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { outbox_bytes_max: 4 * 1024 * 1024, burst_patience: Duration::from_secs(1) }
    }
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It will be sent.
    Accepted,
    /// It will be sent, and the receiver is above half: whoever publishes should wait for it.
    Congested,
    /// It was one too many, or the connection has gone: not sent.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Overflowed,
    Closed,
}

#[derive(Debug)]
struct State {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    phase: Phase,
    receiver: Option<Waker>,
    receiver_waits: bool,
    publishers: Publishers,
    congested_since: Option<Instant>,
    taken_at: Instant,
    starved: bool,
    gauged: usize,
    room: Charge,
}

/// The mailbox. Pushing is cheap and never waits; taking is for the one receiver.
#[derive(Debug)]
pub struct Outbox {
    options: Options,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(options: Options, budget: &Arc<Budget>, metrics: Arc<Metrics>, now: Instant) -> Arc<Outbox> {
        let state = State {
            parcels: VecDeque::new(),
            bytes: 0,
            phase: Phase::Open,
            receiver: None,
            receiver_waits: false,
            publishers: Publishers { waiting: BTreeMap::new(), swept_at: now },
            congested_since: None,
            taken_at: now,
            starved: false,
            gauged: 0,
            room: budget.charge(0),
        };
        Arc::new(Outbox { options, metrics, state: Mutex::new(state) })
    }

    /// A broadcast message for this receiver. Above the bound the outbox overflows: it drops what it holds
    /// and its receiver is told by [`Outbox::poll_take`].
    pub fn push(&self, parcel: Parcel, now: Instant) -> Pushed {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Pushed::Gone;
        }
        let bytes = state.bytes + weight(&parcel);
        if bytes > self.options.outbox_bytes_max && state.bytes > 0 {
            let dropped = state.end(Phase::Overflowed);
            self.gauge(&mut state);
            let receiver = state.receiver.take();
            let publishers = state.publishers.take();
            drop(state);
            drop(dropped);
            receiver.into_iter().for_each(Waker::wake);
            wake(publishers);
            return Pushed::Gone;
        }
        state.put(parcel, bytes);
        let congested = bytes > self.options.outbox_bytes_max / 2;
        if congested && state.congested_since.is_none() {
            state.congested_since = Some(now);
        }
        self.gauge(&mut state);
        let receiver = state.to_wake();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        if congested { Pushed::Congested } else { Pushed::Accepted }
    }

    /// A work queue's message, only if there is room for it below one half (an empty outbox has room for any
    /// one message). `false`: keep it; [`Outbox::take_starved`] will tell the receiver to ask the queue again.
    pub fn push_within(&self, parcel: Parcel) -> bool {
        let mut state = self.state.lock();
        let bytes = state.bytes + weight(&parcel);
        if state.phase != Phase::Open || (state.bytes > 0 && bytes > self.options.outbox_bytes_max / 2) {
            state.starved = true;
            return false;
        }
        state.put(parcel, bytes);
        self.gauge(&mut state);
        let receiver = state.to_wake();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        true
    }

    /// Moves parcels into `batch` until about `bytes_max` octets are in it. `Pending` when there is none (or
    /// `bytes_max` is 0): the task is woken by the next push, and by an overflow in any case.
    pub fn poll_take(
        &self,
        cx: &mut Context<'_>,
        batch: &mut Vec<Parcel>,
        bytes_max: usize,
        now: Instant,
    ) -> Poll<Result<(), Overflowed>> {
        let mut state = self.state.lock();
        if state.phase == Phase::Overflowed {
            return Poll::Ready(Err(Overflowed));
        }
        let mut taken = 0;
        while taken < bytes_max
            && let Some(parcel) = state.parcels.pop_front()
        {
            taken += weight(&parcel);
            batch.push(parcel);
        }
        if taken == 0 {
            state.receiver_waits = bytes_max > 0;
            match &mut state.receiver {
                Some(waker) => waker.clone_from(cx.waker()),
                None => state.receiver = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        state.receiver_waits = false;
        state.bytes -= taken;
        state.taken_at = now;
        let publishers = self.relieve(&mut state);
        drop(state);
        wake(publishers);
        Poll::Ready(Ok(()))
    }

    /// Waits until the receiver need not be waited for: below half, gone, or out of patience. The caller
    /// polls again at [`Outbox::patience_ends`] at the latest.
    pub fn poll_drained(&self, cx: &mut Context<'_>, crowd: bool, now: Instant) -> Poll<()> {
        let mut state = self.state.lock();
        if state.bytes <= self.options.outbox_bytes_max / 2 || state.patience_ends(&self.options, crowd) <= now {
            return Poll::Ready(());
        }
        let sweeps = now.saturating_duration_since(state.publishers.swept_at) >= self.options.burst_patience;
        let stale = if sweeps { state.publishers.take() } else { BTreeMap::new() };
        if sweeps {
            state.publishers.swept_at = now;
        }
        state.publishers.waiting.entry(identity(cx.waker())).or_insert_with(|| cx.waker().clone());
        drop(state);
        wake(stale);
        Poll::Pending
    }

    /// When the patience with this receiver ends; `crowd` if most receivers of the message are as far behind.
    pub fn patience_ends(&self, crowd: bool) -> Instant {
        self.state.lock().patience_ends(&self.options, crowd)
    }

    /// Whether a work queue was turned away since the last call. To be asked after each taking and each
    /// [`Outbox::withdraw`]; all queues that the connection consumes are to be resumed then.
    pub fn take_starved(&self) -> bool {
        std::mem::take(&mut self.state.lock().starved)
    }

    /// Takes back what waits for one subscription, in order.
    pub fn withdraw(&self, key: Key) -> Vec<Parcel> {
        let mut state = self.state.lock();
        let mut out = Vec::new();
        for parcel in std::mem::take(&mut state.parcels) {
            if parcel.key == key { out.push(parcel) } else { state.parcels.push_back(parcel) }
        }
        state.charge_room();
        state.bytes -= out.iter().map(weight).sum::<usize>();
        let receiver = if state.starved && !out.is_empty() { state.receiver.take() } else { None };
        let publishers = self.relieve(&mut state);
        drop(state);
        receiver.into_iter().for_each(Waker::wake);
        wake(publishers);
        out
    }

    /// Ends the outbox: later pushes are [`Pushed::Gone`]. Returns what was not taken.
    pub fn close(&self) -> Vec<Parcel> {
        let mut state = self.state.lock();
        let left = state.end(Phase::Closed);
        self.gauge(&mut state);
        state.receiver = None;
        let publishers = state.publishers.take();
        drop(state);
        wake(publishers);
        left.into()
    }

    /// Wakes the receiver's task, for news that is not in the outbox.
    pub fn nudge(&self) {
        let receiver = self.state.lock().receiver.take();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Octets waiting.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// After octets have left: renews patience, lets publishers go on, gives idle room back.
    fn relieve(&self, state: &mut State) -> BTreeMap<Identity, Waker> {
        self.gauge(state);
        if state.parcels.is_empty() && state.parcels.capacity() > IDLE_PARCELS {
            state.parcels = VecDeque::new();
            state.charge_room();
        }
        if state.bytes < self.options.outbox_bytes_max / 4 {
            state.congested_since = None;
        }
        if state.bytes <= self.options.outbox_bytes_max / 2 { state.publishers.take() } else { BTreeMap::new() }
    }

    fn gauge(&self, state: &mut State) {
        if state.bytes.abs_diff(state.gauged) >= GAUGE_STEP_BYTES || state.bytes == 0 && state.gauged != 0 {
            self.metrics.outbox_bytes.inc_by(state.bytes as i64 - state.gauged as i64);
            state.gauged = state.bytes;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.close();
    }
}

/// The receiver was too slow; see the module's diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflowed;

impl State {
    fn put(&mut self, parcel: Parcel, bytes: usize) {
        if self.parcels.len() == self.parcels.capacity() {
            self.parcels.reserve(1);
            self.charge_room();
        }
        self.parcels.push_back(parcel);
        self.bytes = bytes;
    }

    fn charge_room(&mut self) {
        self.room.resize(self.parcels.capacity() * size_of::<Parcel>());
    }

    fn to_wake(&mut self) -> Option<Waker> {
        if std::mem::take(&mut self.receiver_waits) { self.receiver.take() } else { None }
    }

    fn end(&mut self, phase: Phase) -> VecDeque<Parcel> {
        self.phase = phase;
        self.bytes = 0;
        let parcels = std::mem::take(&mut self.parcels);
        self.charge_room();
        parcels
    }

    fn patience_ends(&self, options: &Options, crowd: bool) -> Instant {
        let since = self.congested_since.unwrap_or(self.taken_at);
        let from = if crowd { since.max(self.taken_at) } else { since };
        from + options.burst_patience.min(PATIENCE_LONGEST)
    }
}

/// The tasks that wait for an outbox to drain, each once.
#[derive(Debug)]
struct Publishers {
    waiting: BTreeMap<Identity, Waker>,
    /// Who began to wait before this has been woken since, so that what is here is at most one patience old.
    swept_at: Instant,
}

impl Publishers {
    fn take(&mut self) -> BTreeMap<Identity, Waker> {
        std::mem::take(&mut self.waiting)
    }
}

/// Wakers that wake the same task are the same in these; a held waker keeps its task's from being used again.
type Identity = (usize, usize);

fn identity(waker: &Waker) -> Identity {
    (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize)
}

fn wake(wakers: BTreeMap<Identity, Waker>) {
    wakers.into_values().for_each(Waker::wake);
}

fn weight(parcel: &Parcel) -> usize {
    parcel.message.size() + OVERHEAD_BYTES
}
