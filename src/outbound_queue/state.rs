//! The contents of an outbound queue and the tasks that wait for it.

use super::delivery::{Delivery, Key, Tag};
use super::options::Options;
use super::waiting_publishers::WaitingPublishers;
use crate::budget::Charge;
use crate::work;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// Approximate upper bound, in bytes, of the prefix that each subscriber gets and of the transport's frame header. It
/// is added to the size of each message.
pub(super) const OVERHEAD_BYTES: usize = 64;
/// Upper bound of the grace period, so that adding it to an `Instant` cannot overflow.
const GRACE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutboundQueuePhase {
    Open,
    Overflowed,
    Closed,
}

/// The part of an outbound queue that its lock protects.
#[derive(Debug)]
pub(super) struct OutboundQueueState {
    pub(super) deliveries: VecDeque<Delivery>,
    pub(super) bytes: usize,
    pub(super) phase: OutboundQueuePhase,
    pub(super) receiver: Option<Waker>,
    /// Whether the next push wakes the receiver.
    pub(super) receiver_waits: bool,
    pub(super) publishers: WaitingPublishers,
    /// The time at which the queue passed one half. Reset below one quarter.
    pub(super) congested_since: Option<Instant>,
    /// The time at which the receiver last took deliveries.
    pub(super) taken_at: Instant,
    /// Whether a message of a work queue was rejected since the last
    /// [`take_blocked`](super::OutboundQueue::take_blocked).
    pub(super) blocked: bool,
    /// The value of `bytes` at the last update of the gauge.
    pub(super) gauge_bytes: usize,
    /// The charge for the capacity of `deliveries`.
    pub(super) capacity_charge: Charge,
    /// The tags of waiting messages of work queues, by subscription, in order.
    pub(super) queue_tags: BTreeMap<Key, VecDeque<Tag>>,
    /// Number of waiting messages of work queues.
    pub(super) queue_tags_len: usize,
    /// Withdrawn subscriptions that may still have deliveries in the queue.
    pub(super) withdrawn: BTreeSet<Key>,
    /// Credit for the next scan for withdrawn deliveries. Each added delivery adds 1, and each withdrawal adds
    /// [`CREDIT_PER_WITHDRAWAL`]. See [`OutboundQueueState::withdraw`].
    pub(super) sweep_credit: usize,
}

/// Credit that each withdrawal adds to `sweep_credit`.
const CREDIT_PER_WITHDRAWAL: usize = 16;

impl OutboundQueueState {
    pub(super) fn push(&mut self, delivery: Delivery, total_bytes: usize) {
        if self.deliveries.len() == self.deliveries.capacity() {
            self.deliveries.reserve(1);
            self.charge_capacity();
        }
        if delivery.tag != 0 {
            self.queue_tags.entry(delivery.key).or_default().push_back(delivery.tag);
            self.queue_tags_len += 1;
        }
        self.deliveries.push_back(delivery);
        self.sweep_credit = self.sweep_credit.saturating_add(1);
        self.bytes = total_bytes;
    }

    /// Removes and returns the next delivery. Moves the deliveries of withdrawn subscriptions before it into
    /// `withdrawn`. The caller subtracts the bytes of all removed deliveries from `bytes`.
    pub(super) fn pop(&mut self, withdrawn: &mut Vec<Delivery>) -> Option<Delivery> {
        loop {
            let delivery = self.deliveries.pop_front()?;
            if !self.withdrawn.is_empty() && self.withdrawn.contains(&delivery.key) {
                withdrawn.push(delivery);
                continue;
            }
            if delivery.tag != 0
                && let Some(tags) = self.queue_tags.get_mut(&delivery.key)
            {
                tags.pop_front();
                self.queue_tags_len -= 1;
                if tags.is_empty() {
                    self.queue_tags.remove(&delivery.key);
                }
            }
            return Some(delivery);
        }
    }

    /// Withdraws the deliveries that wait for one subscription. Returns the tags of messages from its work queue, in
    /// order, and the deliveries that were removed at once.
    ///
    /// To find the deliveries requires a scan of the whole queue. A client could cause such scans again and again with
    /// short frames. Each added delivery and each withdrawal therefore adds to `sweep_credit`. The scan runs only when
    /// the credit reaches half the length of the queue. Until then the withdrawn deliveries stay in the queue, and
    /// [`OutboundQueueState::pop`] skips them. They still count toward the limit, and never outnumber the other
    /// deliveries.
    pub(super) fn withdraw(&mut self, key: Key) -> (VecDeque<Tag>, Vec<Delivery>) {
        let tags = self.queue_tags.remove(&key).unwrap_or_default();
        self.queue_tags_len -= tags.len();
        if self.deliveries.is_empty() {
            self.deliveries = VecDeque::new();
            self.charge_capacity();
            return (tags, Vec::new());
        }
        self.withdrawn.insert(key);
        self.sweep_credit = self.sweep_credit.saturating_add(CREDIT_PER_WITHDRAWAL);
        (tags, if self.sweep_credit < self.deliveries.len() / 2 { Vec::new() } else { self.sweep() })
    }

    /// Removes and returns all deliveries of withdrawn subscriptions.
    fn sweep(&mut self) -> Vec<Delivery> {
        work::add_visits(self.deliveries.len());
        let withdrawn = std::mem::take(&mut self.withdrawn);
        self.sweep_credit = 0;
        let is_withdrawn = |delivery: &Delivery| withdrawn.contains(&delivery.key);
        if !self.deliveries.iter().any(is_withdrawn) {
            return Vec::new();
        }
        let mut removed = Vec::new();
        for delivery in std::mem::take(&mut self.deliveries) {
            if is_withdrawn(&delivery) { removed.push(delivery) } else { self.deliveries.push_back(delivery) }
        }
        self.charge_capacity();
        self.bytes -= removed.iter().map(delivery_bytes).sum::<usize>();
        removed
    }

    pub(super) fn charge_capacity(&mut self) {
        self.capacity_charge.resize(self.deliveries.capacity() * size_of::<Delivery>());
    }

    pub(super) fn register(&mut self, cx: &mut Context<'_>) {
        match &mut self.receiver {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.receiver = Some(cx.waker().clone()),
        }
    }

    pub(super) fn take_waiting_receiver(&mut self) -> Option<Waker> {
        if std::mem::take(&mut self.receiver_waits) { self.receiver.take() } else { None }
    }

    pub(super) fn close(&mut self, phase: OutboundQueuePhase) -> VecDeque<Delivery> {
        self.phase = phase;
        self.bytes = 0;
        let mut deliveries = std::mem::take(&mut self.deliveries);
        self.charge_capacity();
        self.queue_tags.clear();
        self.queue_tags_len = 0;
        let withdrawn = std::mem::take(&mut self.withdrawn);
        if !withdrawn.is_empty() {
            deliveries.retain(|delivery| !withdrawn.contains(&delivery.key));
        }
        deliveries
    }

    pub(super) fn grace_ends(&self, options: &Options, is_widespread: bool) -> Instant {
        let congested_since = self.congested_since.unwrap_or(self.taken_at);
        let start = if is_widespread { congested_since.max(self.taken_at) } else { congested_since };
        start + options.slow_consumer_grace.min(GRACE_MAX)
    }
}

pub(super) fn delivery_bytes(delivery: &Delivery) -> usize {
    delivery.message.size() + OVERHEAD_BYTES
}
