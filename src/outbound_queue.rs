//! The bounded outbound queue of a connection: the only buffer between publishers and a receiver.
//!
//! Publishers push a pointer to a message and a subscription key. The receiver's own task takes batches out and writes
//! them. The limit is `outbound_queue_bytes_max`, in bytes as they are sent to the receiver. This module alone decides
//! what happens as the queue fills:
//!
//! ```text
//!  0 ............ 1/4 ............... 1/2 ...................... limit ............... 4 times the limit
//!  below here,    |                   | publishers wait for      | within the grace    | overflow: all unsent
//!  the grace      |                   | this receiver until its  | period: publishers  | deliveries are dropped,
//!  period is      |                   | grace period ends        | wait; after it:     | the connection is closed
//!  reset          |                   |                          | overflow            | as a slow consumer
//! ```
//!
//! The grace period lasts `slow_consumer_grace` from the moment at which the queue passed one half. If *most* of the
//! receivers of a message are that far behind (`is_widespread`), the machine is saturated and no single receiver is
//! slow. The grace period then starts again with each batch that the receiver takes.
//!
//! An empty outbound queue accepts any one message, however large: the receiver is not at fault for its size.
//!
//! Which tasks are woken, and when:
//!
//! | task | woken by | condition |
//! |---|---|---|
//! | receiver | [`OutboundQueue::push`] | its last take found or left the queue empty; one wake per take |
//! | receiver | [`OutboundQueue::try_push`] | as for `push` |
//! | receiver | an overflow | always |
//! | receiver | [`OutboundQueue::withdraw`] | a work queue was blocked before and may continue |
//! | waiting publishers | taking, withdrawing | the queue is at or below one half |
//! | waiting publishers | overflow, [`OutboundQueue::close`] | always: there is nothing left to wait for |
//! | waiting publishers | another publisher that starts to wait | at most once a second, to release stale wakers |
//!
//! While a [`WakeBatch`] is alive ([`batch_wakes`]), wakes of receivers are queued and sent when it is dropped. They
//! are sent earlier when an outbound queue passes one half for the first time since its grace period was reset, when
//! one overflows, or when very many wakes are queued.

mod label;
mod options;
mod state;
mod waiting_publishers;
mod wake_batch;

pub use self::label::Label;
pub use self::options::Options;
pub use self::wake_batch::{WakeBatch, batch_wakes};

use self::state::{Phase, State, delivery_bytes};
use self::waiting_publishers::{PendingWakes, WaitingPublishers};
use self::wake_batch::wake_deferred;
use crate::budget::{Budget, Charge};
use crate::metrics::Metrics;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// A message whose memory is charged to the budget until its last holder drops it.
pub type Message = stompbox_frames::message::Message<Charge>;

/// The key of a subscription within its connection. A connection never uses a key twice.
pub type Key = u32;

/// The position of a message in its work queue; 0 for a broadcast message.
pub type Tag = u64;

/// A message on its way to one subscription.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message, shared by all its subscribers.
    pub message: Message,
    /// The key of the connection's subscription that receives the message.
    pub key: Key,
    /// Number of times the message has been given to a consumer, this time included; 1 for a broadcast message.
    pub count: u32,
    /// The position of the message in its work queue; 0 if it does not come from one.
    pub tag: Tag,
}

/// Smallest change in bytes that updates the gauge. The gauge is updated once per batch, not once per message.
const GAUGE_STEP_BYTES: usize = 16 * 1024;
/// Factor by which the queue may exceed `outbound_queue_bytes_max` during the grace period.
const BURST_FACTOR: usize = 4;
/// Largest capacity, in deliveries, that an empty queue keeps allocated.
const IDLE_CAPACITY: usize = 8;
/// Maximum number of work queue messages that wait in one outbound queue. It bounds the work of adding or removing a
/// consumer.
const QUEUE_DELIVERIES_MAX: usize = 512;

/// The result of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The message will be sent.
    Accepted,
    /// The message will be sent, but the queue is above half: the publisher should wait for the receiver.
    Congested,
    /// The message is not sent: it made the queue overflow, or the connection has ended.
    Gone,
}

/// The outbound queue of one connection. Pushing never waits. Only the receiver's task takes deliveries.
#[derive(Debug)]
pub struct OutboundQueue {
    options: Options,
    metrics: Arc<Metrics>,
    label: OnceLock<Arc<Label>>,
    text_only: AtomicBool,
    state: Mutex<State>,
}

impl OutboundQueue {
    /// Creates an empty outbound queue.
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
            blocked: false,
            gauge_bytes: 0,
            capacity_charge: budget.charge(0),
            queue_tags: BTreeMap::new(),
            queue_tags_len: 0,
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

    /// Sets the session of this queue. Must be called before the queue is used to subscribe or to register a session.
    /// Only the first call has an effect.
    pub fn set_label(&self, label: Arc<Label>) {
        let _ = self.label.set(label);
    }

    /// Returns the label, or `None` before [`OutboundQueue::set_label`] was called.
    pub fn label(&self) -> Option<&Arc<Label>> {
        self.label.get()
    }

    /// Marks the receiver as text only: it cannot receive messages whose body is not UTF-8.
    pub fn set_text_only(&self) {
        self.text_only.store(true, Relaxed);
    }

    /// Returns whether the receiver can receive only messages whose body is UTF-8.
    pub fn is_text_only(&self) -> bool {
        self.text_only.load(Relaxed)
    }

    /// Pushes a broadcast message. If the queue exceeds its limit, it overflows: it drops all deliveries and reports
    /// the overflow to the receiver through [`OutboundQueue::poll_take`].
    pub fn push(&self, delivery: Delivery, now: Instant) -> Pushed {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Pushed::Gone;
        }
        let bytes = state.bytes + delivery_bytes(&delivery);
        if self.overflows(&state, bytes, now) {
            let dropped = state.close(Phase::Overflowed);
            self.update_gauge(&mut state);
            let receiver = state.receiver.take();
            let publishers = state.publishers.take();
            drop(state);
            drop(dropped);
            receiver.into_iter().for_each(Waker::wake);
            // The receiver's wake may already be queued in a wake batch.
            wake_deferred();
            publishers.wake();
            return Pushed::Gone;
        }
        state.push(delivery, bytes);
        let congested = bytes > self.options.outbound_queue_bytes_max / 2;
        let becomes_congested = congested && state.congested_since.is_none();
        if becomes_congested {
            state.congested_since = Some(now);
        }
        self.update_gauge(&mut state);
        let receiver = state.take_waiting_receiver();
        drop(state);
        if let Some(receiver) = receiver {
            wake_batch::wake(receiver);
        }
        if becomes_congested {
            // Wakes the receiver now, so that it takes deliveries while this poll iteration continues.
            wake_deferred();
        }
        if congested { Pushed::Congested } else { Pushed::Accepted }
    }

    /// Returns whether `bytes` exceed the limit. During the grace period the limit is [`BURST_FACTOR`] times as high:
    /// publishers stop for this receiver, but messages that many publishers have already begun to send still arrive.
    fn overflows(&self, state: &State, bytes: usize, now: Instant) -> bool {
        let bytes_max = self.options.outbound_queue_bytes_max;
        if bytes <= bytes_max || state.bytes == 0 {
            return false;
        }
        let is_in_grace = state.congested_since.is_none() || now < state.grace_ends(&self.options, true);
        !is_in_grace || bytes > bytes_max.saturating_mul(BURST_FACTOR)
    }

    /// Pushes a message of a work queue, if the queue stays at or below one half and few such messages wait. An empty
    /// queue accepts any one message. The limits are low because messages that the receiver does not take soon would
    /// have to be requeued.
    ///
    /// Returns `false` if the message was not accepted: the caller keeps it, and [`OutboundQueue::take_blocked`] tells
    /// the receiver to resume the work queue.
    pub fn try_push(&self, delivery: Delivery) -> bool {
        let mut state = self.state.lock();
        let bytes = state.bytes + delivery_bytes(&delivery);
        let is_full = state.bytes > 0 && bytes > self.options.outbound_queue_bytes_max / 2;
        if state.phase != Phase::Open || is_full || state.queue_tags_len >= QUEUE_DELIVERIES_MAX {
            state.blocked = true;
            return false;
        }
        state.push(delivery, bytes);
        self.update_gauge(&mut state);
        let receiver = state.take_waiting_receiver();
        drop(state);
        if let Some(receiver) = receiver {
            wake_batch::wake(receiver);
        }
        true
    }

    /// Moves deliveries into `batch` until it holds about `bytes_max` bytes. Returns whether the queue is empty then.
    /// `batch` stays empty if all waiting deliveries had been withdrawn.
    ///
    /// Returns `Pending` if no delivery waits or `bytes_max` is 0. The next push wakes the task if the queue was found
    /// or left empty, unless `bytes_max` is 0. An overflow always wakes a registered task.
    ///
    /// # Errors
    /// The queue has overflowed.
    pub fn poll_take(
        &self,
        cx: &mut Context<'_>,
        batch: &mut Vec<Delivery>,
        bytes_max: usize,
        now: Instant,
    ) -> Poll<Result<bool, QueueOverflow>> {
        let mut state = self.state.lock();
        if state.phase == Phase::Overflowed {
            return Poll::Ready(Err(QueueOverflow));
        }
        let (mut taken, mut withdrawn) = (0, Vec::new());
        while taken < bytes_max
            && let Some(delivery) = state.pop(&mut withdrawn)
        {
            taken += delivery_bytes(&delivery);
            batch.push(delivery);
        }
        if taken == 0 && withdrawn.is_empty() {
            state.receiver_waits = bytes_max > 0;
            state.register(cx);
            return Poll::Pending;
        }
        // Registers a receiver that emptied the queue, so that it need not poll again to be woken by the next push.
        let is_drained = state.deliveries.is_empty();
        state.receiver_waits = is_drained;
        if is_drained {
            state.register(cx);
        }
        state.bytes -= taken + withdrawn.iter().map(delivery_bytes).sum::<usize>();
        state.taken_at = now;
        let publishers = self.after_removal(&mut state);
        drop(state);
        publishers.wake();
        Poll::Ready(Ok(is_drained))
    }

    /// Waits until publishers need not wait for this receiver: the queue is at or below half, the receiver has gone, or
    /// its grace period is over. The caller must poll again at [`OutboundQueue::grace_ends`] at the latest.
    pub fn poll_drained(&self, cx: &mut Context<'_>, is_widespread: bool, now: Instant) -> Poll<()> {
        let mut state = self.state.lock();
        if state.bytes <= self.options.outbound_queue_bytes_max / 2
            || state.grace_ends(&self.options, is_widespread) <= now
        {
            return Poll::Ready(());
        }
        let stale = state.publishers.register(cx.waker(), now);
        drop(state);
        stale.wake();
        Poll::Pending
    }

    /// Returns the end of the receiver's grace period. `is_widespread` is set if most receivers of the message are as
    /// far behind.
    pub fn grace_ends(&self, is_widespread: bool) -> Instant {
        self.state.lock().grace_ends(&self.options, is_widespread)
    }

    /// Returns whether a work queue's message was rejected since the last call. Call it after each take and each
    /// [`OutboundQueue::withdraw`]. If it returns `true`, resume all work queues that the connection consumes.
    pub fn take_blocked(&self) -> bool {
        std::mem::take(&mut self.state.lock().blocked)
    }

    /// Withdraws the deliveries that wait for one subscription, so that the receiver does not get them. Returns the
    /// tags of those from a work queue, in order.
    ///
    /// The cost depends only on the deliveries for this subscription, see [`State::withdraw`].
    pub fn withdraw(&self, key: Key) -> VecDeque<Tag> {
        let mut state = self.state.lock();
        let (tags, removed) = state.withdraw(key);
        let frees_space = !removed.is_empty() || !tags.is_empty();
        let receiver = if state.blocked && frees_space { state.receiver.take() } else { None };
        let publishers = self.after_removal(&mut state);
        drop(state);
        drop(removed);
        receiver.into_iter().for_each(Waker::wake);
        publishers.wake();
        tags
    }

    /// Closes the queue: later pushes return [`Pushed::Gone`]. Returns the deliveries that were not taken.
    pub fn close(&self) -> Vec<Delivery> {
        let mut state = self.state.lock();
        let remaining = state.close(Phase::Closed);
        self.update_gauge(&mut state);
        state.receiver = None;
        let publishers = state.publishers.take();
        drop(state);
        publishers.wake();
        remaining.into()
    }

    /// Wakes the receiver's task for an event that is not in the queue.
    pub fn wake_receiver(&self) {
        let receiver = self.state.lock().receiver.take();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Returns the bytes above one half: 0 if publishers need not wait for the receiver, `None` if it has gone.
    pub fn bytes_above_half(&self) -> Option<usize> {
        let state = self.state.lock();
        let half = self.options.outbound_queue_bytes_max / 2;
        (state.phase == Phase::Open).then(|| state.bytes.saturating_sub(half))
    }

    /// Returns the number of bytes waiting.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Updates the state after bytes were removed: resets the grace period, lets publishers continue and frees idle
    /// capacity.
    fn after_removal(&self, state: &mut State) -> PendingWakes {
        self.update_gauge(state);
        if state.deliveries.is_empty() && state.deliveries.capacity() > IDLE_CAPACITY {
            state.deliveries = VecDeque::new();
            state.charge_capacity();
        }
        if state.bytes < self.options.outbound_queue_bytes_max / 4 {
            state.congested_since = None;
        }
        if state.bytes <= self.options.outbound_queue_bytes_max / 2 {
            state.publishers.take()
        } else {
            PendingWakes::default()
        }
    }

    fn update_gauge(&self, state: &mut State) {
        if state.bytes.abs_diff(state.gauge_bytes) >= GAUGE_STEP_BYTES
            || state.bytes == 0 && state.gauge_bytes != 0
        {
            self.metrics.outbound_queue_bytes.inc_by(state.bytes as i64 - state.gauge_bytes as i64);
            state.gauge_bytes = state.bytes;
        }
    }
}

impl Drop for OutboundQueue {
    fn drop(&mut self) {
        self.close();
    }
}

/// The error of a receiver that was too slow; see the module's diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOverflow;

#[cfg(test)]
mod tests {
    use super::state::OVERHEAD_BYTES;
    use super::*;
    use crate::work;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;
    use stompbox_frames::message::Parts;
    use stompbox_frames::stomp::Headers;

    /// A waker that counts how often it is woken.
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

    /// An outbound queue with space for exactly `UNITS` deliveries of one unit each, and its receiver.
    struct Rig {
        budget: Arc<Budget>,
        metrics: Arc<Metrics>,
        outbound_queue: Arc<OutboundQueue>,
        start: Instant,
        receiver: Arc<Task>,
    }

    const UNITS: usize = 16;
    const GRACE: Duration = Duration::from_secs(5);

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
            let options = Options { outbound_queue_bytes_max: UNITS * unit, slow_consumer_grace: GRACE };
            let outbound_queue = OutboundQueue::new(options, &budget, metrics.clone(), start);
            Rig { budget, metrics, outbound_queue, start, receiver: Arc::default() }
        }

        fn delivery(&self, key: Key) -> Delivery {
            Delivery { message: message(&self.budget, 40_000), key, count: 1, tag: 0 }
        }

        fn units(&self) -> usize {
            self.outbound_queue.bytes() * UNITS / self.outbound_queue.options.outbound_queue_bytes_max
        }

        /// Pushes this many deliveries at `after` seconds from the start. Returns the result of the last push.
        fn push(&self, deliveries: usize, after: u64) -> Pushed {
            assert!(deliveries > 0);
            (0..deliveries)
                .fold(Pushed::Gone, |_, _| self.outbound_queue.push(self.delivery(1), self.at(after)))
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        /// Takes this many deliveries. `None` stands for `Pending`.
        fn take(&self, deliveries: usize, after: u64) -> Option<Result<Vec<Key>, QueueOverflow>> {
            let mut batch = Vec::new();
            let waker = Waker::from(self.receiver.clone());
            let unit = self.outbound_queue.options.outbound_queue_bytes_max / UNITS;
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

        fn drained(&self, publisher: &Arc<Task>, is_widespread: bool, after: u64) -> bool {
            let waker = Waker::from(publisher.clone());
            self.outbound_queue
                .poll_drained(&mut Context::from_waker(&waker), is_widespread, self.at(after))
                .is_ready()
        }
    }

    #[test]
    fn deliveries_are_taken_in_order_in_batches_of_about_the_requested_size() {
        let rig = Rig::new();
        for key in 1..=5 {
            rig.outbound_queue.push(rig.delivery(key), rig.start);
        }
        assert_eq!(rig.take(2, 0), Some(Ok(vec![1, 2])));
        let mut batch = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(rig.outbound_queue.poll_take(&mut cx, &mut batch, 1, rig.start).is_ready());
        assert_eq!(batch.len(), 1, "a limit of one byte yields one delivery");
        assert_eq!(rig.take(9, 0), Some(Ok(vec![4, 5])));
        assert_eq!(rig.take(9, 0), None);
    }

    #[test]
    fn push_result_follows_the_fill_level_and_the_grace_period() {
        let rig = Rig::new();
        assert_eq!(rig.push(8, 0), Pushed::Accepted, "up to one half");
        assert_eq!(rig.push(1, 0), Pushed::Congested, "above one half");
        assert_eq!(rig.push(7, 0), Pushed::Congested, "up to the limit");
        assert_eq!(rig.units(), 16);
        assert_eq!(rig.push(48, 4), Pushed::Congested, "up to four times the limit in the grace period");
        assert_eq!(rig.push(1, 4), Pushed::Gone, "overflow");
        assert_eq!(rig.outbound_queue.bytes(), 0, "everything unsent is dropped");
        assert_eq!(rig.push(1, 0), Pushed::Gone);
        assert_eq!(rig.take(1, 0), Some(Err(QueueOverflow)));
        assert_eq!(rig.take(0, 0), Some(Err(QueueOverflow)), "the overflow is reported again");
        assert!(
            rig.drained(&Arc::default(), false, 0),
            "publishers do not wait for a receiver that has gone"
        );
    }

    #[test]
    fn queue_overflows_at_its_limit_after_the_grace_period() {
        let rig = Rig::new();
        rig.push(16, 0);
        assert_eq!(rig.push(1, 5), Pushed::Gone, "the grace period began at one half, 5 s before");
        let rig = Rig::new();
        rig.push(20, 0);
        assert_eq!(rig.take(1, 4), Some(Ok(vec![1])));
        assert_eq!(rig.push(1, 8), Pushed::Congested, "taking a batch extends the grace period");
        assert_eq!(rig.push(1, 9), Pushed::Gone, "it ends 5 s after the last batch");
    }

    #[test]
    fn empty_queue_accepts_one_message_of_any_size() {
        let rig = Rig::new();
        let huge = Delivery { message: message(&rig.budget, 40_000 * 80), key: 1, count: 1, tag: 0 };
        assert_eq!(rig.outbound_queue.push(huge.clone(), rig.start), Pushed::Congested);
        assert_eq!(rig.take(99, 0), Some(Ok(vec![1])));
        assert!(rig.outbound_queue.try_push(huge.clone()));
        assert!(!rig.outbound_queue.try_push(rig.delivery(1)));
        assert_eq!(rig.take(99, 0), Some(Ok(vec![1])));
        rig.push(1, 0);
        assert_eq!(
            rig.outbound_queue.push(huge, rig.start),
            Pushed::Gone,
            "it overflows behind another message"
        );
    }

    #[test]
    fn closed_queue_accepts_no_messages_and_returns_its_deliveries() {
        let rig = Rig::new();
        rig.push(3, 0);
        assert_eq!(rig.outbound_queue.close().len(), 3);
        assert_eq!(rig.push(1, 0), Pushed::Gone);
        assert!(!rig.outbound_queue.try_push(rig.delivery(1)));
        assert_eq!(rig.take(1, 0), None);
        assert_eq!(rig.outbound_queue.bytes(), 0);
        assert!(rig.outbound_queue.close().is_empty());
    }

    #[test]
    fn receiver_is_woken_at_the_end_of_a_wake_batch_or_above_half() {
        let rig = Rig::new();
        assert_eq!(rig.take(9, 0), None);
        let wakes = batch_wakes();
        rig.push(8, 0);
        assert_eq!(rig.receiver.woken(), 0, "the wake is deferred");
        drop(wakes);
        assert_eq!(rig.receiver.woken(), 1);
        assert!(rig.take(9, 0).is_some());
        assert_eq!(rig.take(9, 0), None);
        let wakes = batch_wakes();
        rig.push(9, 0);
        assert_eq!(rig.receiver.woken(), 1, "above half it is woken at once");
        rig.push(1, 0);
        drop(wakes);
        assert_eq!(rig.receiver.woken(), 0, "it is woken only once");
    }

    #[test]
    fn overflow_wakes_a_receiver_whose_wake_was_deferred() {
        let rig = Rig::new();
        assert_eq!(rig.take(9, 0), None);
        let wakes = batch_wakes();
        rig.push(1, 0);
        let huge = Delivery { message: message(&rig.budget, 40_000 * 80), key: 1, count: 1, tag: 0 };
        assert_eq!(rig.outbound_queue.push(huge, rig.start), Pushed::Gone);
        assert_eq!(rig.receiver.woken(), 1);
        drop(wakes);
    }

    #[test]
    fn receiver_is_woken_once_per_wait() {
        let rig = Rig::new();
        rig.push(1, 0);
        assert_eq!(rig.receiver.woken(), 0, "it has not waited");
        assert!(rig.take(9, 0).is_some());
        assert_eq!(rig.take(9, 0), None);
        rig.push(3, 0);
        assert_eq!(rig.receiver.woken(), 1);
        assert!(rig.take(9, 0).is_some());
        assert_eq!(rig.take(9, 0), None);
        assert!(rig.outbound_queue.try_push(rig.delivery(1)));
        assert_eq!(rig.receiver.woken(), 1, "a message of a work queue wakes, too");
    }

    #[test]
    fn receiver_without_write_space_is_woken_only_by_overflow() {
        let rig = Rig::new();
        rig.push(1, 0);
        assert_eq!(rig.take(0, 0), None);
        rig.push(63, 0);
        assert_eq!(rig.receiver.woken(), 0);
        rig.push(1, 0);
        assert_eq!(rig.receiver.woken(), 1);
    }

    #[test]
    fn receiver_that_ran_out_of_write_space_is_not_woken_by_messages() {
        let rig = Rig::new();
        assert_eq!(rig.take(9, 0), None);
        assert_eq!(rig.take(0, 0), None);
        rig.push(1, 0);
        assert_eq!(rig.receiver.woken(), 0);
        assert_eq!(rig.take(9, 0), Some(Ok(vec![1])));
    }

    #[test]
    fn only_the_task_that_polled_last_is_woken() {
        let mut rig = Rig::new();
        assert_eq!(rig.take(9, 0), None);
        let before = std::mem::take(&mut rig.receiver);
        assert_eq!(rig.take(9, 0), None);
        rig.push(1, 0);
        assert_eq!((before.woken(), rig.receiver.woken()), (0, 1));
    }

    #[test]
    fn publishers_wait_above_half_and_continue_at_half() {
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
    fn publishers_continue_when_the_receiver_is_gone() {
        type End = fn(&Rig);
        let cases: [(&str, End); 3] = [
            ("overflow", |rig| assert_eq!(rig.push(60, 0), Pushed::Gone)),
            ("close", |rig| drop(rig.outbound_queue.close())),
            ("withdraw", |rig| drop(rig.outbound_queue.withdraw(1))),
        ];
        for (name, end) in cases {
            let rig = Rig::new();
            let publishers: [Arc<Task>; 2] = Default::default();
            rig.push(9, 0);
            assert!(publishers.iter().all(|publisher| !rig.drained(publisher, false, 0)));
            end(&rig);
            assert!(publishers.iter().all(|publisher| publisher.woken() == 1), "{name}");
            assert!(rig.drained(&publishers[0], false, 0), "{name}");
        }
    }

    /// Columns, in seconds: when the ninth delivery was pushed, when a batch was taken (the queue stays above half),
    /// when the grace period ends for a single slow receiver, and when it ends with `is_widespread`.
    #[test]
    fn grace_period_starts_above_half_or_when_widespread_at_the_last_batch() {
        for (passed, taken, ends_alone, ends_widespread) in
            [(0, None, 5, 5), (3, None, 8, 8), (3, Some(4), 8, 9), (3, Some(7), 8, 12), (3, Some(30), 8, 35)]
        {
            let rig = Rig::new();
            rig.push(8, 0);
            rig.push(5, passed);
            rig.push(1, passed + 1);
            if let Some(taken) = taken {
                rig.take(2, taken);
            }
            assert_eq!(rig.outbound_queue.grace_ends(false), rig.at(ends_alone), "{passed} {taken:?}");
            assert_eq!(rig.outbound_queue.grace_ends(true), rig.at(ends_widespread), "{passed} {taken:?}");
            let publisher = Arc::default();
            let latest = taken.unwrap_or(0).max(passed);
            for (is_widespread, ends) in [(false, ends_alone), (true, ends_widespread)] {
                for after in latest..ends + 2 {
                    assert_eq!(
                        rig.drained(&publisher, is_widespread, after),
                        after >= ends,
                        "{passed} {taken:?} {after}"
                    );
                }
            }
        }
    }

    #[test]
    fn grace_period_is_renewed_only_below_a_quarter() {
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
    fn endless_grace_period_does_not_overflow_the_clock() {
        let rig = Rig::new();
        let options = Options { outbound_queue_bytes_max: 1, slow_consumer_grace: Duration::MAX };
        let outbound_queue = OutboundQueue::new(options, &rig.budget, rig.metrics.clone(), rig.start);
        assert!(outbound_queue.grace_ends(true) > rig.at(3600));
    }

    #[test]
    fn waiting_publisher_is_stored_once_and_removed_when_it_leaves() {
        let rig = Rig::new();
        rig.push(9, 0);
        let staying: Arc<Task> = Arc::default();
        for _ in 0..3 {
            assert!(!rig.drained(&staying, false, 0));
        }
        assert_eq!(rig.outbound_queue.state.lock().publishers.len(), 1);
        // With `is_widespread` the grace period does not end while batches are taken. Publishers start and stop waiting
        // all the time.
        let mut woken = 0;
        for second in 1..1000 {
            rig.push(1, second);
            rig.take(1, second);
            for _ in 0..10 {
                assert!(!rig.drained(&Arc::default(), true, second));
            }
            woken += staying.woken();
            assert!(!rig.drained(&staying, true, second), "it still waits");
            assert!(rig.outbound_queue.state.lock().publishers.len() <= 12);
        }
        assert_eq!(woken, 999, "woken once a second to confirm that it still waits");
        rig.take(1, 1000);
        assert_eq!(staying.woken(), 1);
    }

    #[test]
    fn bytes_above_half_are_reported_until_the_queue_is_closed() {
        let rig = Rig::new();
        let unit = rig.outbound_queue.options.outbound_queue_bytes_max / UNITS;
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
    fn label_is_set_only_once() {
        let rig = Rig::new();
        let label = |session: &str| Arc::new(Label { session: session.into(), user: None });
        assert_eq!(rig.outbound_queue.label(), None);
        rig.outbound_queue.set_label(label("1"));
        rig.outbound_queue.set_label(label("2"));
        assert_eq!(rig.outbound_queue.label(), Some(&label("1")));
    }

    #[test]
    fn work_queue_fills_at_most_half_and_is_then_blocked() {
        let rig = Rig::new();
        assert!((0..8).all(|_| rig.outbound_queue.try_push(rig.delivery(1))));
        assert!(!rig.outbound_queue.take_blocked());
        assert!(!rig.outbound_queue.try_push(rig.delivery(1)));
        assert_eq!(rig.units(), 8);
        assert!(rig.outbound_queue.take_blocked());
        assert!(!rig.outbound_queue.take_blocked(), "reported once");
        rig.take(1, 0);
        assert!(rig.outbound_queue.try_push(rig.delivery(1)));
        assert!(!rig.outbound_queue.take_blocked());
    }

    #[test]
    fn withdraw_removes_one_subscription_and_keeps_the_order() {
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

    /// Returns the work of `count` subscriptions that are added, get one message and are withdrawn, while `others`
    /// messages wait for another subscription.
    fn withdraw_work(others: usize, count: u32) -> u64 {
        let (budget, now) = (Budget::new(usize::MAX), Instant::now());
        let options = Options { outbound_queue_bytes_max: usize::MAX, slow_consumer_grace: GRACE };
        let outbound_queue = OutboundQueue::new(options, &budget, Metrics::new(), now);
        let small = message(&budget, 1);
        let delivery = |key, tag| Delivery { message: small.clone(), key, count: 1, tag };
        (0..others).for_each(|_| assert_eq!(outbound_queue.push(delivery(1, 0), now), Pushed::Accepted));
        let before = work::done();
        for key in 2..2 + count {
            outbound_queue.push(delivery(key, 0), now);
            outbound_queue.try_push(delivery(key, 7));
            assert_eq!(outbound_queue.withdraw(key), [7]);
        }
        let done = work::done() - before;
        let mut batch = Vec::new();
        let taken =
            outbound_queue.poll_take(&mut Context::from_waker(Waker::noop()), &mut batch, usize::MAX, now);
        assert_eq!(taken, Poll::Ready(Ok(true)));
        assert!(
            batch.len() == others && batch.iter().all(|delivery| delivery.key == 1),
            "withdrawn deliveries are not taken"
        );
        assert_eq!((outbound_queue.bytes(), outbound_queue.take_blocked()), (0, false));
        done
    }

    #[test]
    fn withdraw_cost_does_not_grow_with_other_deliveries() {
        // Over all withdrawals, each of the other deliveries may be visited once.
        for others in [10, 1000, 10_000] {
            let done = withdraw_work(others, 2000);
            assert!(done <= 2000 * 10 + others as u64, "{done} units beside {others} deliveries");
        }
    }

    #[test]
    fn withdrawn_deliveries_never_outnumber_the_other_deliveries() {
        let (budget, now) = (Budget::new(usize::MAX), Instant::now());
        let options = Options { outbound_queue_bytes_max: usize::MAX, slow_consumer_grace: GRACE };
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
            assert!(waiting <= 2 * 5000 + 100, "{waiting} wait, and 5000 are not withdrawn");
        }
    }

    #[test]
    fn work_queue_has_at_most_a_few_hundred_deliveries_waiting() {
        let rig = Rig::new();
        let small = message(&rig.budget, 1);
        let delivery = |tag| Delivery { message: small.clone(), key: 1, count: 1, tag };
        let taken = (1..).take_while(|&tag| rig.outbound_queue.try_push(delivery(tag))).count();
        assert_eq!(taken, QUEUE_DELIVERIES_MAX);
        assert!(rig.outbound_queue.take_blocked());
        assert!(rig.take(1, 0).is_some());
        assert!(rig.outbound_queue.try_push(delivery(9999)), "there is space again");
        rig.outbound_queue.withdraw(1);
        assert!(rig.outbound_queue.try_push(delivery(10_000)));
    }

    #[test]
    fn withdraw_wakes_the_receiver_if_a_work_queue_was_blocked() {
        let rig = Rig::new();
        rig.push(8, 0);
        assert_eq!(rig.take(0, 0), None);
        rig.outbound_queue.withdraw(99);
        rig.outbound_queue.try_push(rig.delivery(2));
        rig.outbound_queue.withdraw(99);
        assert_eq!(rig.receiver.woken(), 0, "nothing has changed");
        rig.outbound_queue.withdraw(1);
        assert_eq!(rig.receiver.woken(), 1);
        assert!(rig.outbound_queue.take_blocked());
    }

    #[test]
    fn dropped_queue_releases_its_memory_and_its_gauge() {
        type Empty = fn(&Rig);
        let cases: [(&str, Empty); 5] = [
            ("taken", |rig| drop(rig.take(99, 0))),
            ("withdrawn", |rig| drop(rig.outbound_queue.withdraw(1))),
            ("closed", |rig| drop(rig.outbound_queue.close())),
            ("overflowed", |rig| assert_eq!(rig.push(65, 0), Pushed::Gone)),
            ("left", |_| {}),
        ];
        for (name, empty) in cases {
            let rig = Rig::new();
            rig.push(16, 0);
            assert_eq!(rig.metrics.outbound_queue_bytes.get(), rig.outbound_queue.bytes() as i64, "{name}");
            assert!(rig.budget.used() > 16 * 40_000);
            empty(&rig);
            assert_eq!(rig.metrics.outbound_queue_bytes.get(), rig.outbound_queue.bytes() as i64, "{name}");
            if name != "left" {
                assert_eq!(rig.budget.used(), 0, "{name}: unused memory is released");
            }
            drop(rig.outbound_queue);
            assert_eq!((rig.metrics.outbound_queue_bytes.get(), rig.budget.used()), (0, 0), "{name}");
        }
    }

    proptest! {
        #[test]
        fn bytes_memory_and_gauge_match_the_model_after_every_step(
            steps in prop::collection::vec((0u8..7, 1usize..5), 1..100),
        ) {
            let rig = Rig::new();
            let unit = rig.outbound_queue.options.outbound_queue_bytes_max / UNITS;
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
                        let taken = rig.outbound_queue.try_push(rig.delivery(9));
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
                prop_assert_eq!(rig.metrics.outbound_queue_bytes.get(), rig.outbound_queue.bytes() as i64);
                let state = rig.outbound_queue.state.lock();
                prop_assert_eq!(state.capacity_charge.bytes(), state.deliveries.capacity() * size_of::<Delivery>());
            }
        }
    }
}
