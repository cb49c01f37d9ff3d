//! All queues by name.
//!
//! Code that holds a guard of the map locks no queue and does not access the map again. A thread never locks two queues
//! together.

use super::consumer_id::ConsumerId;
use super::dead_letter::{PushedDeadLetter, Undeliverable, dead_letter, dead_letter_queue};
use super::dead_letter_log::{DeadLetterLog, DeadLetterOutcome};
use super::queue::{Queue, QueueClosed};
use crate::broker::context::BrokerContext;
use crate::broker::journal::Ticket;
use crate::broker::published::Published;
use crate::broker::subscriber::Subscriber;
use crate::budget::Budget;
use crate::command::{ConsumerOptions, Settlement};
use crate::destination::{Destination, DestinationKind};
use crate::outbound_queue::{Message, Tag};
use crate::rejection::{Code, Limit, Rejection};
use crate::work;
use dashmap::{DashMap, Entry};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// The map of work queues and temporary queues.
#[derive(Debug)]
pub(crate) struct Queues {
    context: Arc<BrokerContext>,
    map: DashMap<Arc<str>, Arc<Queue>>,
    /// Number of work queues in the map, without temporary queues.
    count: AtomicUsize,
    dead_letter_log: DeadLetterLog,
}

impl Queues {
    pub(crate) fn new(context: Arc<BrokerContext>) -> Queues {
        let dead_letter_log = DeadLetterLog::default();
        Queues { context, map: DashMap::new(), count: AtomicUsize::new(0), dead_letter_log }
    }

    /// Adds a message to a queue, which is created if it does not exist. If it is a temporary queue that has been
    /// closed, counts the message as dropped and reaches nothing.
    pub(crate) fn publish(
        &self,
        to: &Destination,
        message: &Message,
        now: Instant,
    ) -> Result<Published, Rejection> {
        loop {
            let Some(queue) = self.find_or_create(to, &self.context.budget)? else {
                self.context.metrics.messages_dropped.inc();
                return Ok(Published::default());
            };
            match queue.publish(message, now) {
                Ok(Ok((undeliverable, ticket))) => {
                    let ticket = Ticket::join(ticket, self.push_dead_letters(&queue, undeliverable));
                    return Ok(Published { reached: 1, ticket, ..Published::default() });
                }
                Ok(Err(rejection)) => {
                    self.remove_if_idle(&queue);
                    return Err(rejection);
                }
                Err(QueueClosed) => self.remove(&queue),
            }
        }
    }

    /// Adds a message to the queue that reserved space for it. Returns `None` if it was a temporary queue that has been
    /// closed.
    pub(crate) fn publish_reserved(
        &self,
        queue: &Queue,
        message: &Message,
        now: Instant,
    ) -> Option<Published> {
        let Ok((undeliverable, ticket)) = queue.publish_reserved(message, now) else { return None };
        let ticket = Ticket::join(ticket, self.push_dead_letters(queue, undeliverable));
        Some(Published { reached: 1, ticket, ..Published::default() })
    }

    /// Reserves space for a message of `bytes` bytes in a queue, which is created if it does not exist. Returns `None`
    /// if it is a temporary queue that has been closed.
    pub(crate) fn reserve(&self, to: &Destination, bytes: usize) -> Result<Option<Arc<Queue>>, Rejection> {
        loop {
            let Some(queue) = self.find_or_create(to, &self.context.budget)? else { return Ok(None) };
            match queue.reserve(bytes) {
                Ok(Ok(())) => return Ok(Some(queue)),
                Ok(Err(rejection)) => {
                    self.remove_if_idle(&queue);
                    return Err(rejection);
                }
                Err(QueueClosed) => self.remove(&queue),
            }
        }
    }

    /// Releases the space that [`Queues::reserve`] has reserved. Removes the queue if it is idle then.
    pub(crate) fn release(&self, queue: &Arc<Queue>, bytes: usize) {
        queue.release(bytes);
        self.remove_if_idle(queue);
    }

    /// Subscribes to a queue. A temporary queue must be open.
    pub(crate) fn subscribe(
        &self,
        to: &Destination,
        subscriber: &Subscriber,
        options: ConsumerOptions,
        now: Instant,
    ) -> Result<(Arc<Queue>, ConsumerId), Rejection> {
        loop {
            let Some(queue) = self.find_or_create(to, &self.context.share)? else {
                let detail = format!(
                    "The temporary queue {:?} is not open. Only the session that opens a temporary queue can \
                     subscribe to it. The broker closes the queue when this session ends.",
                    to.as_str()
                );
                return Err(Rejection::new(Code::Invalid, "no such queue", detail));
            };
            match queue.subscribe(subscriber, options, now) {
                Ok((id, undeliverable)) => {
                    self.push_dead_letters(&queue, undeliverable);
                    return Ok((queue, id));
                }
                Err(QueueClosed) => self.remove(&queue),
            }
        }
    }

    /// Settles deliveries, and moves messages that failed too often or were rejected to the dead letter queue.
    pub(crate) fn settle(
        &self,
        queue: &Arc<Queue>,
        id: ConsumerId,
        tags: &[Tag],
        settlement: Settlement,
        now: Instant,
    ) -> Option<Ticket> {
        work::add(tags.len() * work::QUEUE_MESSAGE);
        let (undeliverable, ticket) = queue.settle(id, tags, settlement, now);
        Ticket::join(ticket, self.push_dead_letters(queue, undeliverable))
    }

    /// Ends a subscription. Removes the queue if it is idle then.
    pub(crate) fn leave(&self, queue: &Arc<Queue>, id: ConsumerId) {
        let undeliverable = queue.leave(id);
        self.push_dead_letters(queue, undeliverable);
        self.remove_if_idle(queue);
    }

    /// Opens a temporary queue. Each address is used only once. If a queue of this address is open in spite of that,
    /// closes it.
    pub(crate) fn open_temp(&self, address: &Destination) -> Arc<Queue> {
        let queue = Queue::new(address.clone(), &self.context, &self.context.share);
        let replaced = self.map.insert(address.text().clone(), queue.clone());
        if let Some(replaced) = replaced {
            self.drop_contents(&replaced);
        }
        queue
    }

    /// Closes a temporary queue. Its messages that are not outstanding are counted as dropped.
    pub(crate) fn close_temp(&self, queue: &Arc<Queue>) {
        self.drop_contents(queue);
        self.remove(queue);
    }

    /// Closes a temporary queue as [`Queues::close_temp`] does, but drops at most `max` of its messages. Returns
    /// whether all messages that are not outstanding have been dropped.
    pub(crate) fn close_temp_partly(&self, queue: &Arc<Queue>, max: usize) -> bool {
        self.remove(queue);
        let dropped = queue.close_partly(max);
        self.context.metrics.messages_dropped.inc_by(dropped as u64);
        dropped < max
    }

    /// Writes the log lines about dead letters that are due. Returns the time at which the next lines are due.
    pub(crate) fn write_log(&self, now: Instant) -> Option<Instant> {
        self.dead_letter_log.write_due(now);
        self.dead_letter_log.next()
    }

    /// Returns the number of all queues, and the number of queues that count for `queues-max`.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.map.len(), self.count.load(Relaxed))
    }

    fn drop_contents(&self, queue: &Queue) {
        self.context.metrics.messages_dropped.inc_by(queue.close());
    }

    /// Moves undeliverable messages of `origin` to its dead letter queue, or drops them. Returns the outcome of recording
    /// this. No request waits for it if a subscription has begun or ended, or if a client was lost.
    fn push_dead_letters(&self, origin: &Queue, undeliverable: Vec<Undeliverable>) -> Option<Ticket> {
        if undeliverable.is_empty() {
            return None;
        }
        work::add(undeliverable.len() * work::FRAME);
        let moves =
            undeliverable.into_iter().map(|undeliverable| self.move_dead_letter(origin, undeliverable));
        moves.fold(None, Ticket::join)
    }

    fn move_dead_letter(&self, origin: &Queue, undeliverable: Undeliverable) -> Option<Ticket> {
        let Undeliverable { ref item, reason } = undeliverable;
        let (name, metrics, log) = (origin.destination(), &self.context.metrics, &self.dead_letter_log);
        let pushed = dead_letter_queue(name).map(|to| {
            let letter = dead_letter(&self.context, &undeliverable, name, &to);
            self.push_dead_letter(&to, &letter, origin, item.position)
        });
        match pushed {
            Some(Ok(pushed)) => {
                metrics.dead_letters.inc();
                metrics.messages_dropped.inc_by(pushed.dropped);
                log.add(name, DeadLetterOutcome::Moved(reason));
                if pushed.is_accepted {
                    return pushed.ticket;
                }
            }
            Some(Err(rejection)) => log.add(name, DeadLetterOutcome::Dropped { limit: rejection.limit }),
            None => {}
        }
        metrics.messages_dropped.inc();
        origin.record_dropped(item.position)
    }

    fn push_dead_letter(
        &self,
        to: &Destination,
        letter: &Message,
        origin: &Queue,
        position: Tag,
    ) -> Result<PushedDeadLetter, Rejection> {
        loop {
            let Some(queue) = self.find_or_create(to, &self.context.budget)? else {
                return Ok(PushedDeadLetter::default());
            };
            match queue.push_dead_letter(letter, origin, position) {
                Ok(pushed) => {
                    self.remove_if_idle(&queue);
                    return Ok(pushed);
                }
                Err(QueueClosed) => self.remove(&queue),
            }
        }
    }

    /// Returns whether a queue of that name exists.
    pub(crate) fn contains(&self, destination: &Destination) -> bool {
        self.map.contains_key(destination.as_str())
    }

    /// Returns the queue. If it does not exist, creates it and charges it to `budget`. Returns `None` if it is a
    /// temporary queue that does not exist.
    fn find_or_create(
        &self,
        destination: &Destination,
        budget: &Arc<Budget>,
    ) -> Result<Option<Arc<Queue>>, Rejection> {
        if let Some(queue) = self.map.get(destination.as_str()) {
            return Ok(Some(queue.clone()));
        }
        if destination.kind() == DestinationKind::TempQueue {
            return Ok(None);
        }
        match self.map.entry(destination.text().clone()) {
            Entry::Occupied(queue) => Ok(Some(queue.get().clone())),
            Entry::Vacant(vacant) => {
                let max = self.context.options.queues_max;
                let increment = |count: usize| (count < max).then_some(count + 1);
                if self.count.fetch_update(Relaxed, Relaxed, increment).is_err() {
                    let usage = format!(
                        "The broker cannot create the queue {:?}, because it already has {max} queues",
                        destination.as_str()
                    );
                    return Err(Rejection::full(Limit::Queues, max, &usage));
                }
                let queue = Queue::new(destination.clone(), &self.context, budget);
                Ok(Some(vacant.insert(queue).clone()))
            }
        }
    }

    /// Removes a queue from the map if it is idle.
    fn remove_if_idle(&self, queue: &Arc<Queue>) {
        if queue.remove_if_idle() {
            self.remove(queue);
        }
    }

    /// Removes a closed queue from the map. Keeps a new queue of that name. Several callers may find the same closed
    /// queue. Only the caller that removes it reduces `count`.
    fn remove(&self, closed: &Arc<Queue>) {
        let destination = closed.destination();
        let removed = self.map.remove_if(destination.as_str(), |_, queue| Arc::ptr_eq(queue, closed));
        if removed.is_some() && destination.kind() == DestinationKind::Queue {
            self.count.fetch_sub(1, Relaxed);
        }
    }
}
