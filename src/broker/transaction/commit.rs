//! The COMMIT of a transaction, which applies all steps or none.
//!
//! ```text
//!   check each step ──> admit ──> reserve space for each step ──> apply each step
//!          │              │                  │
//!          └──────────────┴──────────────────┴─ rejected: reserved space is released; no client saw a step
//! ```
//!
//! There are three passes over the steps. The first two do everything that can fail. The first pass checks that the
//! deliveries to settle are outstanding. After it, the byte budget must have memory for all that the steps add. This is
//! memory for messages and for entries in outbound queues. In the second pass, queues reserve space for each message.
//! The third pass applies the steps in order and cannot fail. The deliveries belong to the committing session, so no
//! other client can settle them. No other client can use the reserved space either.
//!
//! The caller passes one step at a time and may do other work in between. A transaction can be far more work than a
//! connection may do in one poll. No lock is held between two steps. The messages of a transaction keep their order,
//! and messages of other clients may come between them. When a step is applied, its reserved memory is released,
//! because its messages are charged from then on. A queue with a reservation is not removed. A temporary queue may be
//! closed during the COMMIT. Messages to it are then dropped and counted.

use super::estimate::Estimate;
use super::step::TransactionStep;
use crate::broker::handles::queue_consumer::Consumer;
use crate::broker::published::Published;
use crate::broker::queues::consumer_id::ConsumerId;
use crate::broker::queues::queue::Queue;
use crate::broker::state::BrokerState;
use crate::budget::Reservation;
use crate::outbound_queue::{Message, Tag};
use crate::rejection::{Code, Rejection};
use crate::work;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// A transaction that is being committed. The caller makes these calls, always in the same order of steps:
///
/// 1. [`Commit::check`] for each step
/// 2. [`Commit::admit`] once
/// 3. [`Commit::reserve`] for each step
/// 4. [`Commit::apply`] for each step
///
/// If a call fails, the caller may call only [`Commit::release_step`]. Dropping a commit releases at once what is
/// reserved for steps that were not applied.
pub struct Commit {
    shared: Arc<BrokerState>,
    estimate: Estimate,
    /// The deliveries that the checked steps settle: memory address of the queue, consumer, and tag.
    settled: HashSet<(usize, ConsumerId, Tag)>,
    memory: Option<Reservation>,
    /// Steps that are checked and not yet applied.
    steps: VecDeque<PreparedStep>,
    reserved_steps: usize,
}

#[derive(Default)]
struct PreparedStep {
    /// Bytes of memory that the step adds.
    bytes: usize,
    reservation: QueueReservation,
}

/// Space in a queue for the message of a step.
#[derive(Default)]
enum QueueReservation {
    /// The step needs no space, or its space is not reserved yet.
    #[default]
    None,
    /// Space for this message is reserved in this queue.
    Reserved(Arc<Queue>, Message),
    /// The temporary queue of the message has been closed.
    QueueClosed,
}

impl Commit {
    pub(in crate::broker) fn new(shared: Arc<BrokerState>) -> Commit {
        Commit {
            shared,
            estimate: Estimate::default(),
            settled: HashSet::new(),
            memory: None,
            steps: VecDeque::new(),
            reserved_steps: 0,
        }
    }

    /// Checks a step and estimates the memory that it adds (first pass).
    ///
    /// # Errors
    /// The byte budget is exhausted, or a delivery to settle is not outstanding.
    pub fn check(&mut self, step: &TransactionStep) -> Result<(), Rejection> {
        match step {
            TransactionStep::Settle { consumer, tags, .. } => self.check_settlement(consumer, tags)?,
            TransactionStep::Publish(_) => self.shared.context.check_budget()?,
        }
        let bytes = self.estimate.add(&self.shared, step);
        self.steps.push_back(PreparedStep { bytes, reservation: QueueReservation::None });
        Ok(())
    }

    /// Reserves the memory that all steps add, after the first pass and before the second.
    ///
    /// # Errors
    /// The steps would add more than half of the free memory.
    pub fn admit(&mut self) -> Result<(), Rejection> {
        (self.estimate, self.settled) = Default::default();
        let bytes = self.steps.iter().map(|step| step.bytes).sum();
        self.memory = Some(self.shared.context.reserve(bytes)?);
        Ok(())
    }

    /// Reserves space in a queue for the message of a step (second pass).
    ///
    /// # Errors
    /// The queue is full, or cannot be created.
    pub fn reserve(&mut self, step: &TransactionStep) -> Result<(), Rejection> {
        let prepared = self.steps.get_mut(self.reserved_steps);
        self.reserved_steps += 1;
        let TransactionStep::Publish(publish) = step else { return Ok(()) };
        let Some(destination) = publish.audience.queue() else { return Ok(()) };
        work::add(work::FRAME);
        let message = self.shared.context.message(publish);
        let queue = self.shared.queues.reserve(destination, message.size())?;
        let reservation =
            queue.map_or(QueueReservation::QueueClosed, |queue| QueueReservation::Reserved(queue, message));
        if let Some(prepared) = prepared {
            prepared.reservation = reservation;
        }
        Ok(())
    }

    /// Applies a step (third pass). It cannot fail.
    pub fn apply(&mut self, step: &TransactionStep, now: Instant) -> Published {
        work::add(work::FRAME);
        let PreparedStep { bytes, reservation } = self.steps.pop_front().unwrap_or_default();
        let published = self.apply_to(step, reservation, now);
        if let Some(memory) = &mut self.memory {
            // The messages of this step are charged from now on.
            memory.release(bytes);
        }
        published
    }

    /// Releases what is reserved for one step of a rejected transaction. Returns `false` if no step is left.
    pub fn release_step(&mut self) -> bool {
        let Some(PreparedStep { bytes, reservation }) = self.steps.pop_front() else { return false };
        if let QueueReservation::Reserved(queue, message) = reservation {
            work::add(work::FRAME);
            self.shared.queues.release(&queue, message.size());
        }
        if let Some(memory) = &mut self.memory {
            memory.release(bytes);
        }
        true
    }

    /// Returns the end of the drain time. Returns `None` if the broker is not stopping.
    pub fn drain_until(&self) -> Option<Instant> {
        self.shared.drain_until.get().copied()
    }

    /// Checks that every delivery is outstanding, and that the transaction settles it only once.
    fn check_settlement(&mut self, consumer: &Consumer, tags: &[Tag]) -> Result<(), Rejection> {
        work::add(tags.len());
        let &Consumer { ref queue, id } = consumer;
        let address = Arc::as_ptr(queue).addr();
        let is_unique = tags.iter().all(|&tag| self.settled.insert((address, id, tag)));
        if is_unique && queue.has_outstanding(id, tags) {
            return Ok(());
        }
        let detail = format!(
            "The transaction acknowledges a message of {:?} twice, or a message that does not wait for an \
             acknowledgement. The broker applied no step of the transaction. Acknowledge each delivery once.",
            queue.destination().as_str()
        );
        Err(Rejection::new(Code::Invalid, "unknown delivery", detail))
    }

    fn apply_to(&self, step: &TransactionStep, reservation: QueueReservation, now: Instant) -> Published {
        let BrokerState { context, queues, .. } = &*self.shared;
        let published = match step {
            TransactionStep::Settle { consumer, tags, settlement } => {
                let ticket = queues.settle(&consumer.queue, consumer.id, tags, *settlement, now);
                return Published { ticket, ..Published::default() };
            }
            TransactionStep::Publish(publish) => match reservation {
                QueueReservation::None => self.shared.route(publish, now),
                QueueReservation::Reserved(queue, message) => {
                    queues.publish_reserved(&queue, &message, now).unwrap_or_else(|| {
                        context.metrics.messages_dropped.inc();
                        Published::default()
                    })
                }
                QueueReservation::QueueClosed => {
                    context.metrics.messages_dropped.inc();
                    Published::default()
                }
            },
        };
        context.metrics.messages_published.inc();
        published
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        while self.release_step() {}
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("steps", &self.steps.len()).finish_non_exhaustive()
    }
}
