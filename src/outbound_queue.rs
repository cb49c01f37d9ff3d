//! The bounded mailbox of a connection: the only buffer between publishers and a receiver.
//!
//! WaitingPublishers push a pointer to a message and a subscription key; the receiver's own task takes batches out
//! and writes them. The bound is in bytes as the receiver will get them. What happens above it is decided
//! here and nowhere else:
//!
//! ```text
//!  0 ........ 1/4 ............... 1/2 .................... bytes-max ........ 4 times bytes-max
//!  patience   |                   | publishers wait for    | while patience   | overflow: everything unsent
//!  is renewed |                   | this receiver, as long | lasts: as before | is dropped, the connection
//!  below here |                   | as its patience lasts  | then: overflow   | ends as a slow consumer
//! ```
//!
//! Patience lasts `slow_consumer_grace` from the moment at which the outbound queue passed one half. Where *most* of the
//! receivers of a message are that far behind, the machine is saturated and not one receiver slow: then it
//! lasts as long as the receiver still takes a batch now and then.
//!
//! An empty outbound queue takes any one message, however large: that it does not fit is not the receiver's fault.
//!
//! Who is woken, and when:
//!
//! | who | by | when |
//! |---|---|---|
//! | the receiver | [`OutboundQueue::push`], [`OutboundQueue::push_within`] | it found nothing to take, or took all there was; once per such wait |
//! | the receiver | an overflow | in any case |
//! | the receiver | [`OutboundQueue::withdraw`] | a work queue was turned away, which may go on now |
//! | publishers that wait | taking, withdrawing | at or below one half |
//! | publishers that wait | overflow, [`OutboundQueue::close`] | in any case: there is nothing to wait for any more |
//! | publishers that wait | another one that begins to wait | at most once a second, so that those that have left are forgotten |
//!
//! Whom a push wakes while [`batch_wakes`] holds is woken when that ends; before that when an outbound queue that was drained
//! passes one half or overflows, or when very many are to be woken.

mod label;
mod state;
mod waiting_publishers;
mod wake_batch;

pub use self::label::Label;
pub use self::wake_batch::{WakeBatch, batch_wakes};

use self::state::{Phase, State, weight};
use self::waiting_publishers::{PendingWakes, WaitingPublishers};
use self::wake_batch::wake_deferred;
use crate::budget::{Budget, Charge};
use crate::metrics::Metrics;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
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
pub struct Delivery {
    /// The message, shared by all its subscribers.
    pub message: Message,
    /// Which of the connection's subscriptions it is for.
    pub key: Key,
    /// How often it has been given to a consumer, this time included; 1 for broadcast.
    pub count: u32,
    /// Its place in the work queue it came from, 0 if it came from none.
    pub tag: Tag,
}

/// Below this the gauge is not told: one add a batch, not one a message.
const GAUGE_STEP_BYTES: usize = 16 * 1024;
/// How many times `outbox_bytes_max` may wait while there is patience with a burst.
const BURST_FACTOR: usize = 4;
/// Deliveries for which an empty outbound queue keeps its room.
const IDLE_CAPACITY: usize = 8;
/// Most messages of work queues that wait here. It bounds the work when a consumer comes or goes.
const FROM_QUEUES_MAX: usize = 512;
/// How much an outbound queue may hold and how long it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes waiting for one receiver at most; four times as many for the time of `slow_consumer_grace`.
    pub outbox_bytes_max: usize,
    /// How long publishers wait for a receiver that is above half.
    pub slow_consumer_grace: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { outbox_bytes_max: 4 * 1024 * 1024, slow_consumer_grace: Duration::from_secs(1) }
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

/// The mailbox. Pushing is cheap and never waits; taking is for the one receiver.
#[derive(Debug)]
pub struct OutboundQueue {
    options: Options,
    metrics: Arc<Metrics>,
    label: OnceLock<Arc<Label>>,
    text_only: AtomicBool,
    state: Mutex<State>,
}

impl OutboundQueue {
    /// An empty outbound queue.
    pub fn new(
        options: Options,
        budget: &Arc<Budget>,
        metrics: Arc<Metrics>,
        now: Instant,
    ) -> Arc<OutboundQueue> {
        let state = State {
            deliveries: VecDeque::new(),
            bytes: 0,
            phase: Phase::Open,
            receiver: None,
            receiver_waits: false,
            publishers: WaitingPublishers::new(now),
            congested_since: None,
            taken_at: now,
            starved: false,
            gauged: 0,
            room: budget.charge(0),
            from_queues: BTreeMap::new(),
            from_queues_len: 0,
            withdrawn: BTreeSet::new(),
            sweep_credit: 0,
        };
        Arc::new(OutboundQueue {
            options,
            metrics,
            label: OnceLock::new(),
            text_only: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    /// Says whose outbound queue it is, before anything is subscribed to or entered with it. Said once: later ones are ignored.
    pub fn label(&self, label: Arc<Label>) {
        let _ = self.label.set(label);
    }

    /// Whose outbound queue it is, if that has been said.
    pub fn labelled(&self) -> Option<&Arc<Label>> {
        self.label.get()
    }

    /// Says that its receiver cannot be sent what is not text.
    pub fn set_text_only(&self) {
        self.text_only.store(true, Relaxed);
    }

    /// Whether its receiver cannot be sent what is not text.
    pub fn is_text_only(&self) -> bool {
        self.text_only.load(Relaxed)
    }

    /// A broadcast message for this receiver. Above the bound the outbound queue overflows: it drops what it holds
    /// and its receiver is told by [`OutboundQueue::poll_take`].
    pub fn push(&self, delivery: Delivery, now: Instant) -> Pushed {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Pushed::Gone;
        }
        let bytes = state.bytes + weight(&delivery);
        if self.overflows(&state, bytes, now) {
            let dropped = state.end(Phase::Overflowed);
            self.gauge(&mut state);
            let receiver = state.receiver.take();
            let publishers = state.publishers.take();
            drop(state);
            drop(dropped);
            receiver.into_iter().for_each(Waker::wake);
            // It may be noted down already.
            wake_deferred();
            publishers.wake();
            return Pushed::Gone;
        }
        state.put(delivery, bytes);
        let congested = bytes > self.options.outbox_bytes_max / 2;
        let begins = congested && state.congested_since.is_none();
        if begins {
            state.congested_since = Some(now);
        }
        self.gauge(&mut state);
        let receiver = state.waiting_receiver();
        drop(state);
        if let Some(receiver) = receiver {
            wake_batch::wake(receiver);
        }
        if begins {
            // It shall begin to take while this turn goes on.
            wake_deferred();
        }
        if congested { Pushed::Congested } else { Pushed::Accepted }
    }

    /// Whether `bytes` are too many. While patience with a burst lasts, a few times as many may wait: publishers
    /// stop for this receiver, but what many publishers had under way comes all the same.
    fn overflows(&self, state: &State, bytes: usize, now: Instant) -> bool {
        let bytes_max = self.options.outbox_bytes_max;
        if bytes <= bytes_max || state.bytes == 0 {
            return false;
        }
        let is_patient = state.congested_since.is_none() || now < state.grace_ends(&self.options, true);
        !is_patient || bytes > bytes_max.saturating_mul(BURST_FACTOR)
    }

    /// A work queue's message, only if there is room for it below one half (an empty outbound queue has room for any
    /// one message) and few wait already: what the receiver does not take soon would only have to be given back. `false`: keep it; [`OutboundQueue::take_blocked`] will tell the receiver to ask the queue again.
    pub fn push_within(&self, delivery: Delivery) -> bool {
        let mut state = self.state.lock();
        let bytes = state.bytes + weight(&delivery);
        let is_full = state.bytes > 0 && bytes > self.options.outbox_bytes_max / 2;
        if state.phase != Phase::Open || is_full || state.from_queues_len >= FROM_QUEUES_MAX {
            state.starved = true;
            return false;
        }
        state.put(delivery, bytes);
        self.gauge(&mut state);
        let receiver = state.waiting_receiver();
        drop(state);
        if let Some(receiver) = receiver {
            wake_batch::wake(receiver);
        }
        true
    }

    /// Moves deliveries into `batch` until about `bytes_max` bytes are in it, and tells whether that was all; `batch` stays
    /// empty if all that waited was withdrawn. Then, and
    /// when it is `Pending` because there is none (or `bytes_max` is 0), the task is woken by the next push; and by an
    /// overflow in any case.
    pub fn poll_take(
        &self,
        cx: &mut Context<'_>,
        batch: &mut Vec<Delivery>,
        bytes_max: usize,
        now: Instant,
    ) -> Poll<Result<bool, Overflowed>> {
        let mut state = self.state.lock();
        if state.phase == Phase::Overflowed {
            return Poll::Ready(Err(Overflowed));
        }
        let (mut taken, mut withdrawn) = (0, Vec::new());
        while taken < bytes_max
            && let Some(delivery) = state.pop(&mut withdrawn)
        {
            taken += weight(&delivery);
            batch.push(delivery);
        }
        if taken == 0 && withdrawn.is_empty() {
            state.receiver_waits = bytes_max > 0;
            state.register(cx);
            return Poll::Pending;
        }
        // What is drained need not be looked at once more to be woken by the next push.
        let drained = state.deliveries.is_empty();
        state.receiver_waits = drained;
        if drained {
            state.register(cx);
        }
        state.bytes -= taken + withdrawn.iter().map(weight).sum::<usize>();
        state.taken_at = now;
        let publishers = self.after_removal(&mut state);
        drop(state);
        publishers.wake();
        Poll::Ready(Ok(drained))
    }

    /// Waits until the receiver need not be waited for: below half, gone, or out of patience. The caller
    /// polls again at [`OutboundQueue::grace_ends`] at the latest.
    pub fn poll_drained(&self, cx: &mut Context<'_>, crowd: bool, now: Instant) -> Poll<()> {
        let mut state = self.state.lock();
        if state.bytes <= self.options.outbox_bytes_max / 2 || state.grace_ends(&self.options, crowd) <= now {
            return Poll::Ready(());
        }
        let stale = state.publishers.wait(cx.waker(), now);
        drop(state);
        stale.wake();
        Poll::Pending
    }

    /// When the patience with this receiver ends; `crowd` if most receivers of the message are as far behind.
    pub fn grace_ends(&self, crowd: bool) -> Instant {
        self.state.lock().grace_ends(&self.options, crowd)
    }

    /// Whether a work queue was turned away since the last call. To be asked after each taking and each
    /// [`OutboundQueue::withdraw`]; all queues that the connection consumes are to be resumed then.
    pub fn take_blocked(&self) -> bool {
        std::mem::take(&mut self.state.lock().starved)
    }

    /// Withdraws the deliveries that wait for one subscription: the receiver does not get them. Returns the tags of those
    /// from a work queue, in order.
    ///
    /// The cost depends only on the deliveries for this subscription, see [`State::withdraw`].
    pub fn withdraw(&self, key: Key) -> VecDeque<Tag> {
        let mut state = self.state.lock();
        let (tags, removed) = state.withdraw(key);
        let makes_room = !removed.is_empty() || !tags.is_empty();
        let receiver = if state.starved && makes_room { state.receiver.take() } else { None };
        let publishers = self.after_removal(&mut state);
        drop(state);
        drop(removed);
        receiver.into_iter().for_each(Waker::wake);
        publishers.wake();
        tags
    }

    /// Ends the outbound_queue: later pushes are [`Pushed::Gone`]. Returns what was not taken.
    pub fn close(&self) -> Vec<Delivery> {
        let mut state = self.state.lock();
        let left = state.end(Phase::Closed);
        self.gauge(&mut state);
        state.receiver = None;
        let publishers = state.publishers.take();
        drop(state);
        publishers.wake();
        left.into()
    }

    /// Wakes the receiver's task, for news that is not in the outbound queue.
    pub fn wake_receiver(&self) {
        let receiver = self.state.lock().receiver.take();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Bytes above one half: 0 for a receiver that need not be waited for; `None` if it has gone.
    pub fn bytes_above_half(&self) -> Option<usize> {
        let state = self.state.lock();
        let half = self.options.outbox_bytes_max / 2;
        (state.phase == Phase::Open).then(|| state.bytes.saturating_sub(half))
    }

    /// Bytes waiting.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// After bytes have left: renews patience, lets publishers go on, gives idle room back.
    fn after_removal(&self, state: &mut State) -> PendingWakes {
        self.gauge(state);
        if state.deliveries.is_empty() && state.deliveries.capacity() > IDLE_CAPACITY {
            state.deliveries = VecDeque::new();
            state.charge_room();
        }
        if state.bytes < self.options.outbox_bytes_max / 4 {
            state.congested_since = None;
        }
        if state.bytes <= self.options.outbox_bytes_max / 2 {
            state.publishers.take()
        } else {
            PendingWakes::default()
        }
    }

    fn gauge(&self, state: &mut State) {
        if state.bytes.abs_diff(state.gauged) >= GAUGE_STEP_BYTES || state.bytes == 0 && state.gauged != 0 {
            self.metrics.outbox_bytes.inc_by(state.bytes as i64 - state.gauged as i64);
            state.gauged = state.bytes;
        }
    }
}

impl Drop for OutboundQueue {
    fn drop(&mut self) {
        self.close();
    }
}

/// The receiver was too slow; see the module's diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflowed;

#[cfg(test)]
mod tests {
    use super::state::OVERHEAD_BYTES;
    use super::*;
    use crate::work;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use stompbox_frames::message::Parts;
    use stompbox_frames::stomp::Headers;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Task {
        fn woken(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    /// An outbound queue for exactly `UNITS` deliveries of one unit each, and its receiver.
    struct Rig {
        budget: Arc<Budget>,
        metrics: Arc<Metrics>,
        outbound_queue: Arc<OutboundQueue>,
        start: Instant,
        receiver: Arc<Task>,
    }

    const UNITS: usize = 16;
    const PATIENCE: Duration = Duration::from_secs(5);

    fn message(budget: &Arc<Budget>, bytes: usize) -> Message {
        let body = vec![b'x'; bytes];
        let parts = Parts {
            id: "n-1",
            destination: "/topic/t",
            headers: &Headers::default(),
            extra: &[],
            body: &body,
        };
        Message::new(parts, |bytes| budget.charge(bytes))
    }

    impl Rig {
        fn new() -> Rig {
            let (budget, metrics, start) = (Budget::new(usize::MAX), Metrics::new(), Instant::now());
            let unit = message(&budget, 40_000).size() + OVERHEAD_BYTES;
            let options = Options { outbox_bytes_max: UNITS * unit, slow_consumer_grace: PATIENCE };
            let outbound_queue = OutboundQueue::new(options, &budget, metrics.clone(), start);
            Rig { budget, metrics, outbound_queue, start, receiver: Arc::default() }
        }

        fn delivery(&self, key: Key) -> Delivery {
            Delivery { message: message(&self.budget, 40_000), key, count: 1, tag: 0 }
        }

        fn units(&self) -> usize {
            self.outbound_queue.bytes() * UNITS / self.outbound_queue.options.outbox_bytes_max
        }

        /// Pushes so many deliveries at `after` the start; what became of the last.
        fn push(&self, deliveries: usize, after: u64) -> Pushed {
            assert!(deliveries > 0);
            (0..deliveries)
                .fold(Pushed::Gone, |_, _| self.outbound_queue.push(self.delivery(1), self.at(after)))
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        /// Takes so many deliveries; `None` is `Pending`.
        fn take(&self, deliveries: usize, after: u64) -> Option<Result<Vec<Key>, Overflowed>> {
            let mut batch = Vec::new();
            let waker = Waker::from(self.receiver.clone());
            let unit = self.outbound_queue.options.outbox_bytes_max / UNITS;
            match self.outbound_queue.poll_take(
                &mut Context::from_waker(&waker),
                &mut batch,
                deliveries * unit,
                self.at(after),
            ) {
                Poll::Pending => None,
                Poll::Ready(result) => {
                    Some(result.map(|_| batch.iter().map(|delivery| delivery.key).collect()))
                }
            }
        }

        fn drained(&self, publisher: &Arc<Task>, crowd: bool, after: u64) -> bool {
            let waker = Waker::from(publisher.clone());
            self.outbound_queue
                .poll_drained(&mut Context::from_waker(&waker), crowd, self.at(after))
                .is_ready()
        }
    }

    #[test]
    fn parcels_come_out_in_order_and_in_batches_of_about_the_asked_size() {
        let rig = Rig::new();
        for key in 1..=5 {
            rig.outbound_queue.push(rig.delivery(key), rig.start);
        }
        assert_eq!(rig.take(2, 0), Some(Ok(vec![1, 2])));
        let mut batch = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(rig.outbound_queue.poll_take(&mut cx, &mut batch, 1, rig.start).is_ready());
        assert_eq!(batch.len(), 1, "one octet asked for is one parcel");
        assert_eq!(rig.take(9, 0), Some(Ok(vec![4, 5])));
        assert_eq!(rig.take(9, 0), None);
    }

    #[test]
    fn the_diagram() {
        let rig = Rig::new();
        assert_eq!(rig.push(8, 0), Pushed::Accepted, "up to one half");
        assert_eq!(rig.push(1, 0), Pushed::Congested, "above it");
        assert_eq!(rig.push(7, 0), Pushed::Congested, "to the last octet");
        assert_eq!(rig.units(), 16);
        assert_eq!(rig.push(48, 4), Pushed::Congested, "four times as much while patience lasts");
        assert_eq!(rig.push(1, 4), Pushed::Gone, "overflow");
        assert_eq!(rig.outbound_queue.bytes(), 0, "everything unsent is dropped");
        assert_eq!(rig.push(1, 0), Pushed::Gone);
        assert_eq!(rig.take(1, 0), Some(Err(Overflowed)));
        assert_eq!(rig.take(0, 0), Some(Err(Overflowed)), "and again, whatever is asked for");
        assert!(rig.drained(&Arc::default(), false, 0), "nobody waits for who has gone");
    }

    #[test]
    fn when_patience_is_over_the_limit_is_the_limit() {
        let rig = Rig::new();
        rig.push(16, 0);
        assert_eq!(rig.push(1, 5), Pushed::Gone, "patience began at one half, 5 s before");
        let rig = Rig::new();
        rig.push(20, 0);
        assert_eq!(rig.take(1, 4), Some(Ok(vec![1])));
        assert_eq!(rig.push(1, 8), Pushed::Congested, "a receiver that takes something is borne with");
        assert_eq!(rig.push(1, 9), Pushed::Gone, "until 5 s after it took something last");
    }

    #[test]
    fn an_empty_outbox_takes_any_one_message() {
        let rig = Rig::new();
        let huge = Delivery { message: message(&rig.budget, 40_000 * 80), key: 1, count: 1, tag: 0 };
        assert_eq!(rig.outbound_queue.push(huge.clone(), rig.start), Pushed::Congested);
        assert_eq!(rig.take(99, 0), Some(Ok(vec![1])));
        assert!(rig.outbound_queue.push_within(huge.clone()));
        assert!(!rig.outbound_queue.push_within(rig.delivery(1)));
        assert_eq!(rig.take(99, 0), Some(Ok(vec![1])));
        rig.push(1, 0);
        assert_eq!(
            rig.outbound_queue.push(huge, rig.start),
            Pushed::Gone,
            "behind another one it is one too many"
        );
    }

    #[test]
    fn a_closed_outbox_takes_nothing_and_gives_back_what_it_had() {
        let rig = Rig::new();
        rig.push(3, 0);
        assert_eq!(rig.outbound_queue.close().len(), 3);
        assert_eq!(rig.push(1, 0), Pushed::Gone);
        assert!(!rig.outbound_queue.push_within(rig.delivery(1)));
        assert_eq!(rig.take(1, 0), None);
        assert_eq!(rig.outbound_queue.bytes(), 0);
        assert!(rig.outbound_queue.close().is_empty());
    }

    #[test]
    fn in_a_turn_the_receiver_is_woken_at_the_end_or_when_it_falls_behind() {
        let rig = Rig::new();
        assert_eq!(rig.take(9, 0), None);
        let turn = batch_wakes();
        rig.push(8, 0);
        assert_eq!(rig.receiver.woken(), 0, "more may come");
        drop(turn);
        assert_eq!(rig.receiver.woken(), 1);
        assert!(rig.take(9, 0).is_some());
        assert_eq!(rig.take(9, 0), None);
        let turn = batch_wakes();
        rig.push(9, 0);
        assert_eq!(rig.receiver.woken(), 1, "above half it shall begin");
        rig.push(1, 0);
        drop(turn);
        assert_eq!(rig.receiver.woken(), 0, "once");
    }

    #[test]
    fn an_overflow_wakes_who_was_to_be_woken_at_the_end_of_the_turn() {
        let rig = Rig::new();
        assert_eq!(rig.take(9, 0), None);
        let turn = batch_wakes();
        rig.push(1, 0);
        let huge = Delivery { message: message(&rig.budget, 40_000 * 80), key: 1, count: 1, tag: 0 };
        assert_eq!(rig.outbound_queue.push(huge, rig.start), Pushed::Gone);
        assert_eq!(rig.receiver.woken(), 1);
        drop(turn);
    }

    #[test]
    fn the_receiver_is_woken_once_per_wait() {
        let rig = Rig::new();
        rig.push(1, 0);
        assert_eq!(rig.receiver.woken(), 0, "it has not waited");
        assert!(rig.take(9, 0).is_some());
        assert_eq!(rig.take(9, 0), None);
        rig.push(3, 0);
        assert_eq!(rig.receiver.woken(), 1);
        assert!(rig.take(9, 0).is_some());
        assert_eq!(rig.take(9, 0), None);
        assert!(rig.outbound_queue.push_within(rig.delivery(1)));
        assert_eq!(rig.receiver.woken(), 1, "a work queue's message wakes as well");
    }

    #[test]
    fn a_receiver_that_has_no_room_is_woken_by_overflow_alone() {
        let rig = Rig::new();
        rig.push(1, 0);
        assert_eq!(rig.take(0, 0), None);
        rig.push(63, 0);
        assert_eq!(rig.receiver.woken(), 0);
        rig.push(1, 0);
        assert_eq!(rig.receiver.woken(), 1);
    }

    #[test]
    fn a_receiver_that_has_room_no_more_is_not_woken_by_what_it_waited_for_before() {
        let rig = Rig::new();
        assert_eq!(rig.take(9, 0), None);
        assert_eq!(rig.take(0, 0), None);
        rig.push(1, 0);
        assert_eq!(rig.receiver.woken(), 0);
        assert_eq!(rig.take(9, 0), Some(Ok(vec![1])));
    }

    #[test]
    fn the_task_that_polled_last_is_the_one_that_is_woken() {
        let mut rig = Rig::new();
        assert_eq!(rig.take(9, 0), None);
        let before = std::mem::take(&mut rig.receiver);
        assert_eq!(rig.take(9, 0), None);
        rig.push(1, 0);
        assert_eq!((before.woken(), rig.receiver.woken()), (0, 1));
    }

    #[test]
    fn publishers_wait_above_half_and_go_on_at_half() {
        let rig = Rig::new();
        let publisher: Arc<Task> = Arc::default();
        rig.push(8, 0);
        assert!(rig.drained(&publisher, false, 0), "half is not above half");
        rig.push(3, 0);
        assert!(!rig.drained(&publisher, false, 0));
        rig.take(2, 0);
        assert_eq!((rig.units(), publisher.woken()), (9, 0));
        rig.take(1, 0);
        assert_eq!((rig.units(), publisher.woken()), (8, 1));
        assert!(rig.drained(&publisher, false, 0));
    }

    #[test]
    fn publishers_go_on_when_the_receiver_has_gone() {
        type End = fn(&Rig);
        let ends: [(&str, End); 3] = [
            ("overflow", |rig| assert_eq!(rig.push(60, 0), Pushed::Gone)),
            ("close", |rig| drop(rig.outbound_queue.close())),
            ("withdraw", |rig| drop(rig.outbound_queue.withdraw(1))),
        ];
        for (name, end) in ends {
            let rig = Rig::new();
            let publishers: [Arc<Task>; 2] = Default::default();
            rig.push(9, 0);
            assert!(publishers.iter().all(|publisher| !rig.drained(publisher, false, 0)));
            end(&rig);
            assert!(publishers.iter().all(|publisher| publisher.woken() == 1), "{name}");
            assert!(rig.drained(&publishers[0], false, 0), "{name}");
        }
    }

    /// Each row: when the ninth delivery came, when a batch was taken (staying above half), when patience ends for
    /// one slow receiver and in a crowd. In seconds.
    #[test]
    fn patience_lasts_from_passing_half_and_in_a_crowd_from_the_last_batch() {
        for (passed, taken, alone, crowd) in
            [(0, None, 5, 5), (3, None, 8, 8), (3, Some(4), 8, 9), (3, Some(7), 8, 12), (3, Some(30), 8, 35)]
        {
            let rig = Rig::new();
            rig.push(8, 0);
            rig.push(5, passed);
            rig.push(1, passed + 1);
            if let Some(taken) = taken {
                rig.take(2, taken);
            }
            assert_eq!(rig.outbound_queue.grace_ends(false), rig.at(alone), "{passed} {taken:?}");
            assert_eq!(rig.outbound_queue.grace_ends(true), rig.at(crowd), "{passed} {taken:?}");
            let publisher = Arc::default();
            let latest = taken.unwrap_or(0).max(passed);
            for (in_crowd, ends) in [(false, alone), (true, crowd)] {
                for after in latest..ends + 2 {
                    assert_eq!(
                        rig.drained(&publisher, in_crowd, after),
                        after >= ends,
                        "{passed} {taken:?} {after}"
                    );
                }
            }
        }
    }

    #[test]
    fn patience_is_renewed_below_a_quarter_and_not_before() {
        let rig = Rig::new();
        rig.push(9, 0);
        rig.take(5, 1);
        assert_eq!(rig.units(), 4);
        rig.push(5, 7);
        assert!(rig.drained(&Arc::default(), false, 7), "a quarter is not below a quarter");
        rig.take(6, 8);
        assert_eq!(rig.units(), 3);
        rig.push(6, 9);
        assert_eq!(rig.outbound_queue.grace_ends(false), rig.at(14));
        assert!(!rig.drained(&Arc::default(), false, 13));
    }

    #[test]
    fn endless_patience_is_no_overflow_of_the_clock() {
        let rig = Rig::new();
        let options = Options { outbox_bytes_max: 1, slow_consumer_grace: Duration::MAX };
        let outbound_queue = OutboundQueue::new(options, &rig.budget, rig.metrics.clone(), rig.start);
        assert!(outbound_queue.grace_ends(true) > rig.at(3600));
    }

    #[test]
    fn a_publisher_is_kept_once_and_those_that_left_are_forgotten() {
        let rig = Rig::new();
        rig.push(9, 0);
        let staying: Arc<Task> = Arc::default();
        for _ in 0..3 {
            assert!(!rig.drained(&staying, false, 0));
        }
        assert_eq!(rig.outbound_queue.state.lock().publishers.len(), 1);
        // In a crowd patience has no end while batches are taken; publishers come and go all the time.
        let mut woken = 0;
        for second in 1..1000 {
            rig.push(1, second);
            rig.take(1, second);
            for _ in 0..10 {
                assert!(!rig.drained(&Arc::default(), true, second));
            }
            woken += staying.woken();
            assert!(!rig.drained(&staying, true, second), "it waits on");
            assert!(rig.outbound_queue.state.lock().publishers.len() <= 12);
        }
        assert_eq!(woken, 999, "once a second, to say that it is still there");
        rig.take(1, 1000);
        assert_eq!(staying.woken(), 1);
    }

    #[test]
    fn lag_is_what_is_above_half_until_the_receiver_has_gone() {
        let rig = Rig::new();
        let unit = rig.outbound_queue.options.outbox_bytes_max / UNITS;
        assert_eq!(rig.outbound_queue.bytes_above_half(), Some(0));
        for (push, bytes_above_half) in [(8, 0), (1, unit), (7, 8 * unit)] {
            rig.push(push, 0);
            assert_eq!(rig.outbound_queue.bytes_above_half(), Some(bytes_above_half));
        }
        rig.take(8, 0);
        assert_eq!(rig.outbound_queue.bytes_above_half(), Some(0));
        rig.outbound_queue.close();
        assert_eq!(rig.outbound_queue.bytes_above_half(), None);
    }

    #[test]
    fn a_label_is_given_once() {
        let rig = Rig::new();
        let label = |session: &str| Arc::new(Label { session: session.into(), user: None });
        assert_eq!(rig.outbound_queue.labelled(), None);
        rig.outbound_queue.label(label("1"));
        rig.outbound_queue.label(label("2"));
        assert_eq!(rig.outbound_queue.labelled(), Some(&label("1")));
    }

    #[test]
    fn a_work_queue_fills_one_half_at_most_and_is_turned_away_then() {
        let rig = Rig::new();
        assert!((0..8).all(|_| rig.outbound_queue.push_within(rig.delivery(1))));
        assert!(!rig.outbound_queue.take_blocked());
        assert!(!rig.outbound_queue.push_within(rig.delivery(1)));
        assert_eq!(rig.units(), 8);
        assert!(rig.outbound_queue.take_blocked());
        assert!(!rig.outbound_queue.take_blocked(), "told once");
        rig.take(1, 0);
        assert!(rig.outbound_queue.push_within(rig.delivery(1)));
        assert!(!rig.outbound_queue.take_blocked());
    }

    #[test]
    fn withdrawing_takes_one_subscription_in_order_and_leaves_the_rest_in_order() {
        let rig = Rig::new();
        for (tag, key) in [(1, 7), (2, 8), (3, 7), (4, 9), (5, 7)] {
            rig.outbound_queue.push(Delivery { tag, ..rig.delivery(key) }, rig.start);
        }
        let tags: Vec<Tag> = rig.outbound_queue.withdraw(7).into();
        assert_eq!(tags, [1, 3, 5]);
        assert!(rig.outbound_queue.withdraw(7).is_empty());
        assert_eq!(rig.units(), 2);
        assert_eq!(rig.take(9, 0), Some(Ok(vec![8, 9])));
        assert_eq!(rig.outbound_queue.bytes(), 0);
    }

    /// Returns the work of `count` subscriptions that come, get one message and go, while `pile` messages wait for
    /// another.
    fn work_beside(pile: usize, count: u32) -> u64 {
        let (budget, now) = (Budget::new(usize::MAX), Instant::now());
        let options = Options { outbox_bytes_max: usize::MAX, slow_consumer_grace: PATIENCE };
        let outbound_queue = OutboundQueue::new(options, &budget, Metrics::new(), now);
        let small = message(&budget, 1);
        let delivery = |key, tag| Delivery { message: small.clone(), key, count: 1, tag };
        (0..pile).for_each(|_| assert_eq!(outbound_queue.push(delivery(1, 0), now), Pushed::Accepted));
        let before = work::done();
        for key in 2..2 + count {
            outbound_queue.push(delivery(key, 0), now);
            outbound_queue.push_within(delivery(key, 7));
            assert_eq!(outbound_queue.withdraw(key), [7]);
        }
        let done = work::done() - before;
        let mut batch = Vec::new();
        let taken =
            outbound_queue.poll_take(&mut Context::from_waker(Waker::noop()), &mut batch, usize::MAX, now);
        assert_eq!(taken, Poll::Ready(Ok(true)));
        assert!(
            batch.len() == pile && batch.iter().all(|delivery| delivery.key == 1),
            "what was withdrawn is not taken"
        );
        assert_eq!((outbound_queue.bytes(), outbound_queue.take_blocked()), (0, false));
        done
    }

    #[test]
    fn withdrawing_costs_no_more_beside_a_long_pile_of_others() {
        // The pile itself is paid for by those who pushed it, once.
        for pile in [10, 1000, 10_000] {
            let done = work_beside(pile, 2000);
            assert!(done <= 2000 * 10 + pile as u64, "{done} units beside {pile}");
        }
    }

    #[test]
    fn withdrawn_parcels_are_never_more_than_the_other_waiting_parcels() {
        let (budget, now) = (Budget::new(usize::MAX), Instant::now());
        let options = Options { outbox_bytes_max: usize::MAX, slow_consumer_grace: PATIENCE };
        let outbound_queue = OutboundQueue::new(options, &budget, Metrics::new(), now);
        let small = message(&budget, 1);
        let push = |key| {
            let pushed = outbound_queue.push(Delivery { message: small.clone(), key, count: 1, tag: 0 }, now);
            assert_eq!(pushed, Pushed::Accepted);
        };
        (0..5000).for_each(|_| push(1));
        for key in 2..500 {
            (0..100).for_each(|_| push(key));
            outbound_queue.withdraw(key);
            let waiting = outbound_queue.state.lock().deliveries.len();
            assert!(waiting <= 2 * 5000 + 100, "{waiting} wait, of which 5000 are wanted");
        }
    }

    #[test]
    fn a_work_queue_has_a_few_hundred_messages_waiting_at_most() {
        let rig = Rig::new();
        let small = message(&rig.budget, 1);
        let delivery = |tag| Delivery { message: small.clone(), key: 1, count: 1, tag };
        let taken = (1..).take_while(|&tag| rig.outbound_queue.push_within(delivery(tag))).count();
        assert_eq!(taken, FROM_QUEUES_MAX);
        assert!(rig.outbound_queue.take_blocked());
        assert!(rig.take(1, 0).is_some());
        assert!(rig.outbound_queue.push_within(delivery(9999)), "there is room again");
        rig.outbound_queue.withdraw(1);
        assert!(rig.outbound_queue.push_within(delivery(10_000)));
    }

    #[test]
    fn withdrawing_wakes_the_receiver_if_a_queue_was_turned_away() {
        let rig = Rig::new();
        rig.push(8, 0);
        assert_eq!(rig.take(0, 0), None);
        rig.outbound_queue.withdraw(99);
        rig.outbound_queue.push_within(rig.delivery(2));
        rig.outbound_queue.withdraw(99);
        assert_eq!(rig.receiver.woken(), 0, "nothing has changed");
        rig.outbound_queue.withdraw(1);
        assert_eq!(rig.receiver.woken(), 1);
        assert!(rig.outbound_queue.take_blocked());
    }

    #[test]
    fn an_outbox_that_is_dropped_leaves_no_trace() {
        type Empty = fn(&Rig);
        let ways: [(&str, Empty); 5] = [
            ("taken", |rig| drop(rig.take(99, 0))),
            ("withdrawn", |rig| drop(rig.outbound_queue.withdraw(1))),
            ("closed", |rig| drop(rig.outbound_queue.close())),
            ("overflowed", |rig| assert_eq!(rig.push(65, 0), Pushed::Gone)),
            ("left", |_| {}),
        ];
        for (name, empty) in ways {
            let rig = Rig::new();
            rig.push(16, 0);
            assert_eq!(rig.metrics.outbox_bytes.get(), rig.outbound_queue.bytes() as i64, "{name}");
            assert!(rig.budget.used() > 16 * 40_000);
            empty(&rig);
            assert_eq!(rig.metrics.outbox_bytes.get(), rig.outbound_queue.bytes() as i64, "{name}");
            if name != "left" {
                assert_eq!(rig.budget.used(), 0, "{name}: idle room is given back");
            }
            drop(rig.outbound_queue);
            assert_eq!((rig.metrics.outbox_bytes.get(), rig.budget.used()), (0, 0), "{name}");
        }
    }

    proptest! {
        #[test]
        fn octets_room_and_gauge_follow_every_step(steps in prop::collection::vec((0u8..7, 1usize..5), 1..100)) {
            let rig = Rig::new();
            let unit = rig.outbound_queue.options.outbox_bytes_max / UNITS;
            let mut model: VecDeque<Key> = VecDeque::new();
            for (step, n) in steps {
                match step {
                    0..=2 if model.len() + n <= UNITS => {
                        for key in (1..).take(n) {
                            rig.outbound_queue.push(rig.delivery(key), rig.start);
                            model.push_back(key);
                        }
                    }
                    3 => {
                        let taken = rig.outbound_queue.push_within(rig.delivery(9));
                        prop_assert_eq!(taken, model.len() < UNITS / 2);
                        if taken {
                            model.push_back(9);
                        }
                    }
                    4 => {
                        let expected: Vec<Key> = model.drain(..n.min(model.len())).collect();
                        let taken = rig.take(n, 0).map(|result| result.expect("no overflow"));
                        prop_assert_eq!(taken.unwrap_or_default(), expected);
                    }
                    5 => {
                        rig.outbound_queue.withdraw(n as Key);
                        model.retain(|&key| key != n as Key);
                    }
                    _ => {}
                }
                prop_assert_eq!(rig.outbound_queue.bytes(), model.len() * unit);
                prop_assert_eq!(rig.metrics.outbox_bytes.get(), rig.outbound_queue.bytes() as i64);
                let state = rig.outbound_queue.state.lock();
                prop_assert_eq!(state.room.bytes(), state.deliveries.capacity() * size_of::<Delivery>());
            }
        }
    }
}
