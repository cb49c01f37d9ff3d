//! The queue: pushing, taking, withdrawing and closing.

use super::delivery::{Delivery, Key, Tag};
use super::label::Label;
use super::options::Options;
use super::session_id::SessionId;
use super::state::{OutboundQueuePhase, OutboundQueueState, delivery_bytes};
use super::waiting_publishers::{PendingWakes, WaitingPublishers};
use super::wake_batch::{self, wake_deferred};
use crate::budget::Budget;
use crate::metrics::Metrics;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Smallest change in bytes that updates the gauge, so that most messages cause no update.
const GAUGE_STEP_BYTES: usize = 16 * 1024;
/// Factor by which the queue may exceed `outbound_queue_bytes_max` during the grace period.
const BURST_FACTOR: usize = 4;
/// Largest capacity, in deliveries, that an empty queue keeps allocated.
const IDLE_CAPACITY: usize = 8;
/// Maximum number of work queue messages that wait in one outbound queue. This limit bounds the work of adding or
/// removing a consumer.
const QUEUE_DELIVERIES_MAX: usize = 512;

/// The result of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The message will be sent.
    Accepted,
    /// The message will be sent, but the queue is above one half. The publisher should wait for the receiver.
    Congested,
    /// The message is not sent: it made the queue overflow, or the connection has ended.
    Gone,
}

/// The outbound queue of one connection. Pushing never waits. Only the receiver's task takes deliveries.
#[derive(Debug)]
pub struct OutboundQueue {
    session_id: SessionId,
    options: Options,
    metrics: Arc<Metrics>,
    label: OnceLock<Arc<Label>>,
    text_only: AtomicBool,
    state: Mutex<OutboundQueueState>,
}

impl OutboundQueue {
    /// Creates the empty outbound queue of the session `session_id`.
    pub fn new(
        session_id: SessionId,
        options: Options,
        budget: &Arc<Budget>,
        metrics: Arc<Metrics>,
        now: Instant,
    ) -> Arc<OutboundQueue> {
        let state = OutboundQueueState {
            deliveries: VecDeque::new(),
            bytes: 0,
            phase: OutboundQueuePhase::Open,
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
            session_id,
            options,
            metrics,
            label: OnceLock::new(),
            text_only: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    /// Returns the identity of the session that this queue belongs to.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// Sets the name and the user of the session that this queue belongs to. Call it before the queue is used to subscribe or to register a
    /// session. Only the first call has an effect.
    pub fn set_label(&self, label: Arc<Label>) {
        let _ = self.label.set(label);
    }

    /// Returns the label, or `None` before [`OutboundQueue::set_label`] was called.
    pub fn label(&self) -> Option<&Arc<Label>> {
        self.label.get()
    }

    /// Marks the receiver as text only: it can receive only messages whose body is UTF-8.
    pub fn set_text_only(&self) {
        self.text_only.store(true, Relaxed);
    }

    /// Returns whether the receiver can receive only messages whose body is UTF-8.
    pub fn is_text_only(&self) -> bool {
        self.text_only.load(Relaxed)
    }

    /// Pushes a broadcast message. If the queue exceeds its limit, it overflows. It then drops all deliveries, and
    /// [`OutboundQueue::poll_take`] reports the overflow to the receiver.
    pub fn push(&self, delivery: Delivery, now: Instant) -> Pushed {
        let mut state = self.state.lock();
        if state.phase != OutboundQueuePhase::Open {
            return Pushed::Gone;
        }
        let bytes = state.bytes + delivery_bytes(&delivery);
        if self.overflows(&state, bytes, now) {
            let dropped = state.close(OutboundQueuePhase::Overflowed);
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
            // Wakes the receiver now, so that it takes deliveries while the publisher continues to push.
            wake_deferred();
        }
        if congested { Pushed::Congested } else { Pushed::Accepted }
    }

    /// Returns whether the queue overflows if it grows to `bytes` bytes. An empty queue never overflows. During the
    /// grace period the limit is [`BURST_FACTOR`] times as high. Publishers then wait for this receiver, but messages
    /// that they have already begun to send still arrive.
    fn overflows(&self, state: &OutboundQueueState, bytes: usize, now: Instant) -> bool {
        let bytes_max = self.options.outbound_queue_bytes_max;
        if bytes <= bytes_max || state.bytes == 0 {
            return false;
        }
        let is_in_grace = state.congested_since.is_none() || now < state.grace_ends(&self.options, true);
        !is_in_grace || bytes > bytes_max.saturating_mul(BURST_FACTOR)
    }

    /// Pushes a message of a work queue. Accepts it if this outbound queue stays at or below one half, and if fewer
    /// than [`QUEUE_DELIVERIES_MAX`] such messages wait. An empty outbound queue accepts one message of any size. These
    /// limits are low, because waiting messages must be requeued if the receiver leaves before it takes them.
    ///
    /// Returns `false` if the message was not accepted. The work queue then keeps the message, and
    /// [`OutboundQueue::take_blocked`] tells the receiver to resume the work queue.
    pub fn try_push(&self, delivery: Delivery) -> bool {
        let mut state = self.state.lock();
        let bytes = state.bytes + delivery_bytes(&delivery);
        let is_full = state.bytes > 0 && bytes > self.options.outbound_queue_bytes_max / 2;
        if state.phase != OutboundQueuePhase::Open || is_full || state.queue_tags_len >= QUEUE_DELIVERIES_MAX
        {
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

    /// Moves about `bytes_max` bytes of deliveries into `batch`. Returns whether the queue is empty afterwards. Moves
    /// nothing if all waiting deliveries had been withdrawn.
    ///
    /// Returns `Pending` if no delivery waits or `bytes_max` is 0. If this call finds or leaves the queue empty and
    /// `bytes_max` is not 0, the next push wakes the task. An overflow always wakes a registered task.
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
        if state.phase == OutboundQueuePhase::Overflowed {
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
        // A receiver that has emptied the queue is registered now, so that the next push wakes it without another poll.
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

    /// Returns `Ready` if a publisher need not wait for this receiver:
    ///
    /// - the queue is at or below one half, or
    /// - the receiver has gone, or
    /// - its grace period is over.
    ///
    /// Otherwise the task is woken when the queue drains or the receiver goes. The caller must poll again at
    /// [`OutboundQueue::grace_ends`] at the latest.
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

    /// Returns the end of the receiver's grace period. `is_widespread` says whether the outbound queues of most
    /// receivers of the message are above one half.
    pub fn grace_ends(&self, is_widespread: bool) -> Instant {
        self.state.lock().grace_ends(&self.options, is_widespread)
    }

    /// Returns whether [`OutboundQueue::try_push`] has rejected a message since the last call. Call this after each
    /// take and each [`OutboundQueue::withdraw`]. If it returns `true`, resume all work queues that the connection
    /// consumes.
    pub fn take_blocked(&self) -> bool {
        std::mem::take(&mut self.state.lock().blocked)
    }

    /// Withdraws the deliveries that wait for one subscription, so that the receiver does not get them. Returns the
    /// tags of withdrawn messages of a work queue, in order.
    ///
    /// On average, the cost depends only on the deliveries for this subscription, see [`OutboundQueueState::withdraw`].
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
        let remaining = state.close(OutboundQueuePhase::Closed);
        self.update_gauge(&mut state);
        state.receiver = None;
        let publishers = state.publishers.take();
        drop(state);
        publishers.wake();
        remaining.into()
    }

    /// Wakes the receiver's task for an event outside of the queue, such as a change of the permission rules.
    pub fn wake_receiver(&self) {
        let receiver = self.state.lock().receiver.take();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Returns the number of bytes above one half. It is 0 if publishers need not wait for the receiver. Returns `None`
    /// if the receiver has gone.
    pub fn bytes_above_half(&self) -> Option<usize> {
        let state = self.state.lock();
        let half = self.options.outbound_queue_bytes_max / 2;
        (state.phase == OutboundQueuePhase::Open).then(|| state.bytes.saturating_sub(half))
    }

    /// Returns the number of bytes waiting.
    #[cfg(any(test, feature = "internals"))]
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Updates the state after deliveries were removed. Frees idle capacity, and resets the grace period below one
    /// quarter. Returns the wakers of publishers that may continue.
    fn after_removal(&self, state: &mut OutboundQueueState) -> PendingWakes {
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

    fn update_gauge(&self, state: &mut OutboundQueueState) {
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

/// The error of a receiver that was too slow, see [`crate::outbound_queue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOverflow;

#[cfg(test)]
mod tests;
