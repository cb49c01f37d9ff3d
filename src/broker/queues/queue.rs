//! A work queue: each message goes to one consumer, and is stored until a consumer can take it.
//!
//! ```text
//!              publish                    delivered               Accepted
//!   (nowhere) ─────────> in the backlog ──────────────> outstanding ─────────> (nowhere)
//!                          │   ^    Returned, Unwritten,      │
//!                          │   └── Lost, consumer removed ────┤
//!                          │                                  └─ Rejected, or failed too often ─> dead letter
//!                          └─ not text, and all consumers are text only ─────────────> dead letter
//! ```
//!
//! Only a dead letter queue keeps messages that none of its consumers can take. Code that adds a message or changes the
//! consumers therefore calls [`remove_undeliverable`](Queue::remove_undeliverable). A message that a consumer has
//! returned can be delivered to the same consumer again.
//!
//! A delivery fails if the client sends NACK (`Returned`). It also fails if the connection is lost while the client
//! works on the message (`Lost`). Only failed deliveries count for `max-deliveries`. A client may not have begun to
//! work on its other messages. When a consumer is removed, its outstanding deliveries are requeued and do not count as
//! failed. `delivery-count` has a separate count, of the times that the message was sent.
//!
//! All operations run under the queue's lock. Code that holds it locks no second queue, so undeliverable messages are
//! returned to the caller. Outbound queues are locked last, and they call no other code under their lock.

use super::backlog::BackoffScope;
use super::backoff::backoff;
use super::consumer_id::ConsumerId;
use super::dead_letter::{DeadLetterReason, Undeliverable, is_dead_letter_queue};
use super::dispatch::dispatch;
use super::item::Item;
use super::queue_memory::QueueMemory;
use super::queue_state::QueueState;
use super::queue_usage::QueueUsage;
use crate::broker::context::BrokerContext;
use crate::broker::ids::QueueId;
use crate::broker::journal::{Record, Ticket};
use crate::broker::subscriber::Subscriber;
use crate::broker::timer_queue::TimerOwner;
use crate::budget::{Budget, allocation, shared_allocation, table_entry};
use crate::command::{ConsumerOptions, Settlement};
use crate::destination::{Destination, DestinationKind};
use crate::outbound_queue::{Message, Tag};
use crate::rejection::Rejection;
use crate::work;
use parking_lot::{Mutex, MutexGuard};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// A work queue, or a temporary queue of one session.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(super) destination: Destination,
    pub(super) id: QueueId,
    pub(super) context: Arc<BrokerContext>,
    weak_self: Weak<Queue>,
    pub(super) state: Mutex<QueueState>,
}

/// The error of an operation on a closed queue. The caller removes this queue from the map and looks the name up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueClosed;

/// The result of a change: the removed messages that no consumer can take, and the outcome of recording the change.
pub(crate) type Change = (Vec<Undeliverable>, Option<Ticket>);

/// Capacity of a new list of messages.
const FIRST_ITEMS: usize = 4;

impl Queue {
    /// Returns the bytes of an empty queue of this name. They include its entry in the map and the first list of
    /// messages.
    pub(crate) fn bytes(destination: &Destination) -> usize {
        shared_allocation(size_of::<Queue>())
            + shared_allocation(destination.as_str().len())
            + table_entry(size_of::<(Arc<str>, Arc<Queue>)>())
            + allocation(FIRST_ITEMS * size_of::<Item>())
    }

    /// Creates a queue whose own memory is charged to `budget`.
    pub(crate) fn new(
        destination: Destination,
        context: &Arc<BrokerContext>,
        budget: &Arc<Budget>,
    ) -> Arc<Queue> {
        let state = QueueState::new(QueueMemory::new(Queue::bytes(&destination), context, budget));
        context.metrics.queues.inc();
        Arc::new_cyclic(|weak_self| Queue {
            destination,
            id: context.queue_ids.next(),
            context: context.clone(),
            weak_self: weak_self.clone(),
            state: Mutex::new(state),
        })
    }

    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Adds a message, if the queue has space for it. Removes and returns the messages that no consumer can take.
    pub(crate) fn publish(
        &self,
        message: &Message,
        now: Instant,
    ) -> Result<Result<Change, Rejection>, QueueClosed> {
        self.if_open(|state| {
            self.check_capacity(state, message.size())?;
            let ticket = self.append(state, message);
            let undeliverable = self.remove_undeliverable(state);
            self.deliver(state, Some(now));
            Ok((undeliverable, ticket))
        })
    }

    /// Reserves space for a message of `bytes` bytes. The queue is not removed until the space is used or
    /// [released](Queue::release).
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Result<(), Rejection>, QueueClosed> {
        self.if_open(|state| {
            self.check_capacity(state, bytes)?;
            state.reserved.add(bytes);
            Ok(())
        })
    }

    /// Releases the space that [`Queue::reserve`] has reserved for a message of `bytes` bytes.
    pub(crate) fn release(&self, bytes: usize) {
        self.state.lock().reserved.remove(bytes);
    }

    /// Adds a message for which space was reserved. Removes and returns the messages that no consumer can take. Only a
    /// temporary queue can have been closed since the reservation.
    pub(crate) fn publish_reserved(&self, message: &Message, now: Instant) -> Result<Change, QueueClosed> {
        self.if_open(|state| {
            state.reserved.remove(message.size());
            let ticket = self.append(state, message);
            let undeliverable = self.remove_undeliverable(state);
            self.deliver(state, Some(now));
            (undeliverable, ticket)
        })
    }

    /// Adds a consumer and delivers the messages that its credit allows. Removes and returns the messages that no
    /// consumer can take.
    pub(crate) fn subscribe(
        &self,
        subscriber: &Subscriber,
        options: ConsumerOptions,
        now: Instant,
    ) -> Result<(ConsumerId, Vec<Undeliverable>), QueueClosed> {
        self.if_open(|state| {
            if options.text_only {
                state.backlog.partition_by_text();
            }
            let id = state.consumers.add(subscriber.clone(), options);
            state.memory.set_consumers(state.consumers.len());
            let undeliverable = self.remove_undeliverable(state);
            self.deliver(state, Some(now));
            (id, undeliverable)
        })
    }

    /// Settles deliveries that are outstanding at the consumer, and ignores other tags. Removes and returns the
    /// messages that failed too often or were rejected.
    pub(crate) fn settle(
        &self,
        id: ConsumerId,
        tags: &[Tag],
        settlement: Settlement,
        now: Instant,
    ) -> Change {
        let (mut undeliverable, options) = (Vec::new(), &self.context.options);
        let mut settled = Vec::new();
        let mut state = self.state.lock();
        let journal = self.journal(&state);
        if matches!(settlement, Settlement::Unwritten | Settlement::Lost) {
            state.consumers.pause(id);
        }
        for &tag in tags {
            let Some(mut item) = state.consumers.settle(id, tag) else { continue };
            if journal.is_some() {
                settled.push(item.position);
            }
            match settlement {
                Settlement::Accepted => state.count_removed(&item, &self.context.metrics),
                Settlement::Unwritten => {
                    item.sent -= 1;
                    item.returned_by = None;
                    state.backlog.requeue(item);
                }
                Settlement::Returned | Settlement::Rejected | Settlement::Lost => {
                    item.failed = item.failed.saturating_add(1);
                    if let Some(reason) = DeadLetterReason::of(&self.destination, &item, settlement, options)
                    {
                        state.count_removed(&item, &self.context.metrics);
                        undeliverable.push(Undeliverable { item, reason });
                    } else if settlement == Settlement::Lost {
                        item.returned_by = None;
                        state.backlog.requeue(item);
                    } else {
                        self.requeue(&mut state, item, id, now);
                    }
                }
            }
        }
        let ticket = journal.filter(|_| !settled.is_empty()).and_then(|journal| {
            journal.record(Record::Settled { queue: self.recorded(), positions: &settled, settlement })
        });
        self.deliver(&mut state, Some(now));
        (undeliverable, ticket)
    }

    /// Marks deliveries as not sent to a consumer that is about to leave. When the consumer leaves, they are requeued
    /// together with its other deliveries. Another consumer then gets all of them in order.
    pub(crate) fn mark_unwritten(&self, id: ConsumerId, tags: &[Tag]) {
        self.state.lock().consumers.mark_unwritten(id, tags);
    }

    /// Returns whether all these messages are outstanding at the consumer.
    pub(crate) fn has_outstanding(&self, id: ConsumerId, tags: &[Tag]) -> bool {
        let state = self.state.lock();
        tags.iter().all(|&tag| state.consumers.is_outstanding(id, tag))
    }

    /// Resumes a consumer whose outbound queue has space again.
    pub(crate) fn resume(&self, id: ConsumerId, now: Instant) {
        let mut state = self.state.lock();
        state.consumers.resume(id);
        self.deliver(&mut state, Some(now));
    }

    /// Removes a consumer, and requeues its deliveries for other consumers. Deliveries that are still in its outbound
    /// queue do not count as sent. No delivery counts as failed. If the connection was lost, the caller has already
    /// settled as `Lost` the delivery that the client was working on. Removes and returns the messages that no
    /// remaining consumer can take.
    pub(crate) fn leave(&self, id: ConsumerId) -> Vec<Undeliverable> {
        let mut state = self.state.lock();
        let outstanding = state.consumers.remove(id);
        let consumers = state.consumers.len();
        state.memory.set_consumers(consumers);
        if consumers == 0 && self.destination.kind() != DestinationKind::TempQueue {
            state.memory.charge_to(&self.context.budget);
        }
        self.record_requeued(&state, &outstanding);
        for mut item in outstanding {
            item.returned_by = None;
            state.backlog.requeue(item);
        }
        let undeliverable = self.remove_undeliverable(&mut state);
        self.deliver(&mut state, None);
        undeliverable
    }

    /// Closes the queue if it has no messages, consumers or reservations. Returns whether this call has closed it. If
    /// so, the caller removes it from the map. A temporary queue stays open until its session closes it.
    pub(crate) fn remove_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        let is_idle = state.consumers.is_empty() && state.usage.messages == 0 && state.reserved.messages == 0;
        if state.is_closed || !is_idle || self.destination.kind() == DestinationKind::TempQueue {
            return false;
        }
        self.mark_closed(&mut state);
        true
    }

    /// Closes a temporary queue and drops its messages. Returns how many of them were not outstanding.
    pub(crate) fn close(&self) -> u64 {
        let state = self.state.lock();
        self.record_closed(&state);
        self.drop_contents(state)
    }

    fn drop_contents(&self, mut state: MutexGuard<'_, QueueState>) -> u64 {
        self.mark_closed(&mut state);
        let dropped = state.backlog.len() as u64;
        work::add(state.usage.messages * work::QUEUE_MESSAGE);
        self.context.metrics.queue_messages.dec_by(state.usage.messages as i64);
        self.context.metrics.queue_bytes.dec_by(state.usage.bytes as i64);
        state.usage = QueueUsage::default();
        state.memory.set_messages(0);
        state.memory.set_consumers(0);
        let removed = (std::mem::take(&mut state.backlog), std::mem::take(&mut state.consumers));
        drop(state);
        drop(removed);
        dropped
    }

    /// Closes a temporary queue: it accepts no messages and no consumers from now on. Drops up to `max` of the messages
    /// that are not outstanding, and returns their number.
    pub(crate) fn close_partly(&self, max: usize) -> usize {
        let mut state = self.state.lock();
        self.record_closed(&state);
        self.mark_closed(&mut state);
        let removed: Vec<Item> = std::iter::from_fn(|| state.backlog.take_any()).take(max).collect();
        removed.iter().for_each(|item| state.count_removed(item, &self.context.metrics));
        let messages = state.usage.messages;
        state.memory.set_messages(messages);
        drop(state);
        work::add(removed.len() * work::QUEUE_MESSAGE);
        removed.len()
    }

    fn mark_closed(&self, state: &mut QueueState) {
        if !std::mem::replace(&mut state.is_closed, true) {
            self.context.metrics.queues.dec();
        }
    }

    pub(super) fn if_open<T>(&self, action: impl FnOnce(&mut QueueState) -> T) -> Result<T, QueueClosed> {
        let mut state = self.state.lock();
        if state.is_closed { Err(QueueClosed) } else { Ok(action(&mut state)) }
    }

    /// Checks that one more message of `bytes` bytes fits within the limits.
    pub(super) fn check_capacity(&self, state: &QueueState, bytes: usize) -> Result<(), Rejection> {
        let usage = state.usage.with(state.reserved);
        usage.check_capacity(bytes, &self.context.options, self.destination.as_str())
    }

    /// Removes and returns the messages that are not text, if there are consumers and all of them are text only. A dead
    /// letter queue keeps such messages.
    fn remove_undeliverable(&self, state: &mut QueueState) -> Vec<Undeliverable> {
        let is_binary_undeliverable = state.backlog.has_binary() && state.consumers.are_all_text_only();
        if !is_binary_undeliverable || is_dead_letter_queue(&self.destination) {
            return Vec::new();
        }
        let items = state.backlog.take_binary();
        items.iter().for_each(|item| state.count_removed(item, &self.context.metrics));
        items.into_iter().map(|item| Undeliverable { item, reason: DeadLetterReason::NotText }).collect()
    }

    /// Requeues a message that the consumer `from` has returned, at its position. After the first failure, `from` can
    /// get it again at once. After later failures, `from` must wait for a backoff. Other consumers must wait only if
    /// the message has reached `max-deliveries`, which is possible only in a dead letter queue.
    fn requeue(&self, state: &mut QueueState, mut item: Item, from: ConsumerId, now: Instant) {
        let options = &self.context.options;
        let backoff = backoff(options, item.failed);
        let scope =
            if item.failed >= options.max_deliveries { BackoffScope::All } else { BackoffScope::One(from) };
        item.returned_by = Some(from);
        if backoff.is_zero() {
            state.backlog.requeue(item);
        } else {
            state.backlog.delay(item, scope, now + backoff);
        }
    }

    /// Delivers all messages that can be delivered, and sets a timer for the end of the next backoff. If `now` is
    /// given, first makes messages ready if their backoff is over.
    pub(super) fn deliver(&self, state: &mut QueueState, now: Option<Instant>) {
        if let Some(now) = now {
            state.backlog.promote(now);
        }
        let journal = self.journal(state);
        dispatch(&mut state.backlog, &mut state.consumers, &self.context.metrics, |item, session| {
            if let Some(journal) = journal {
                let (position, count) = (item.position, item.sent.saturating_add(1));
                journal.record(Record::Delivered { queue: self.recorded(), position, session, count });
            }
        });
        if let Some(due) = state.backlog.next_due()
            && state.timers.first().is_none_or(|&timer| due < timer)
        {
            state.timers.insert(due);
            self.context.queue_timers.set(due, self.weak_self.clone());
        }
        let messages = state.usage.messages;
        state.memory.set_messages(messages);
    }
}

impl TimerOwner for Queue {
    fn expire(&self, at: Instant, now: Instant) {
        let mut state = self.state.lock();
        state.timers.remove(&at);
        self.deliver(&mut state, Some(now));
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // The gauges must be zero after the whole broker is dropped. This is not recorded: a store keeps the messages.
        self.drop_contents(self.state.lock());
    }
}
