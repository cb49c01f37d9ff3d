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
use crate::broker::error::BrokerError;
use crate::broker::handles::queue_consumer::Consumer;
use crate::broker::publication::Published;
use crate::broker::queues::consumer_id::ConsumerId;
use crate::broker::queues::queue::Queue;
use crate::broker::state::BrokerState;
use crate::budget::Reservation;
use crate::outbound_queue::{Message, Tag};
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
    pub fn check(&mut self, step: &TransactionStep<'_>) -> Result<(), BrokerError> {
        match step {
            TransactionStep::Settle { consumer, tags, .. } => self.check_settlement(consumer, tags)?,
            TransactionStep::Publish(_) | TransactionStep::PublishToUsers(_) => {
                self.shared.context.check_budget()?
            }
        }
        let bytes = self.estimate.add(&self.shared, step);
        self.steps.push_back(PreparedStep { bytes, reservation: QueueReservation::None });
        Ok(())
    }

    /// Reserves the memory that all steps add, after the first pass and before the second.
    ///
    /// # Errors
    /// The steps would add more than half of the free memory.
    pub fn admit(&mut self) -> Result<(), BrokerError> {
        (self.estimate, self.settled) = Default::default();
        let bytes = self.steps.iter().map(|step| step.bytes).sum();
        self.memory = Some(self.shared.context.reserve(bytes)?);
        Ok(())
    }

    /// Reserves space in a queue for the message of a step (second pass).
    ///
    /// # Errors
    /// The queue is full, or cannot be created.
    pub fn reserve(&mut self, step: &TransactionStep<'_>) -> Result<(), BrokerError> {
        let prepared = self.steps.get_mut(self.reserved_steps);
        self.reserved_steps += 1;
        let TransactionStep::Publish(publication) = step else { return Ok(()) };
        if !publication.destination.kind().stores_messages() {
            return Ok(());
        }
        work::add(work::FRAME);
        let message = self.shared.context.message(publication.content());
        let queue = self.shared.queues.reserve(publication.destination, message.size())?;
        let reservation =
            queue.map_or(QueueReservation::QueueClosed, |queue| QueueReservation::Reserved(queue, message));
        if let Some(prepared) = prepared {
            prepared.reservation = reservation;
        }
        Ok(())
    }

    /// Applies a step (third pass). It cannot fail.
    pub fn apply(&mut self, step: &TransactionStep<'_>, now: Instant) -> Published {
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

    /// Checks that every delivery is outstanding, and that the transaction settles it only once.
    fn check_settlement(&mut self, consumer: &Consumer, tags: &[Tag]) -> Result<(), BrokerError> {
        work::add(tags.len());
        let &Consumer { ref queue, id } = consumer;
        let address = Arc::as_ptr(queue).addr();
        let is_unique = tags.iter().all(|&tag| self.settled.insert((address, id, tag)));
        if is_unique && queue.has_outstanding(id, tags) {
            return Ok(());
        }
        Err(BrokerError {
            summary: "unknown delivery",
            detail: format!(
                "The transaction acknowledges a message of {:?} twice, or a message that does not wait for an \
                 acknowledgement. The broker applied no step of the transaction. Acknowledge each delivery once.",
                queue.destination().as_str()
            ),
            limit: None,
        })
    }

    fn apply_to(&self, step: &TransactionStep<'_>, reservation: QueueReservation, now: Instant) -> Published {
        let BrokerState { context, queues, .. } = &*self.shared;
        let routed = match step {
            TransactionStep::Settle { consumer, tags, settlement } => {
                queues.settle(&consumer.queue, consumer.id, tags, *settlement, now);
                return Published::default();
            }
            TransactionStep::PublishToUsers(multicast) => self.shared.route_to_users(multicast, now),
            TransactionStep::Publish(publication) => match reservation {
                QueueReservation::None => self.shared.route(publication, now),
                QueueReservation::Reserved(queue, message)
                    if queues.publish_reserved(&queue, &message, now) =>
                {
                    context.metrics.messages_published.inc();
                    return Published { reached: 1, ..Published::default() };
                }
                QueueReservation::Reserved(..) | QueueReservation::QueueClosed => {
                    context.metrics.messages_published.inc();
                    context.metrics.messages_dropped.inc();
                    return Published::default();
                }
            },
        };
        context.metrics.messages_published.inc();
        routed.into_published(now)
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
