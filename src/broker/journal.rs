//! The journal: what the broker tells a store about messages, and how the store reports back.
//!
//! The broker records events in the order in which they take effect: it holds the lock of the destination. A store that
//! has to wait, for a disk or for another node, returns a [`Ticket`]. The connection of the publisher goes on, and its
//! RECEIPT waits for the ticket. A client in the broker's process waits for it, too. Without a journal, the broker
//! creates no record and no ticket.
//!
//! # The messages of a queue
//! ```text
//!   Enqueued, Moved to the queue
//!               │
//!               v      Delivered
//!           in the queue ─────> outstanding ── Settled as Accepted ──> removed
//!             │    ^                 │
//!             │    └─────────────────┘
//!             │      Settled with another outcome, Requeued
//!             └── Moved to the dead letter queue, Dropped, Closed ──> removed
//! ```
//!
//! A message that becomes a dead letter leaves its queue under the lock of this queue, and enters the dead letter queue
//! under the other lock. The broker never holds both. It records the move once, when the message is in the dead letter
//! queue. A store that crashes before this record still has the message in the first queue, so no message is lost or
//! stored twice. The records of one message are always in order, because no other thread has access to a message between
//! the queues.
//!
//! The ticket of a SEND, ACK, NACK or COMMIT covers all records that the request causes. A SEND waits for the move if no
//! consumer can take its message. A NACK with a receipt waits for the move of the message that it rejects. No request
//! waits for the moves of these dead letters:
//!
//! - the message on which a client worked when it was lost
//! - messages that no consumer can take, because a text-only client has subscribed or the last other consumer has left
//!
//! # What is not recorded
//! A store that reads its records after a restart needs no further events. Every message that was not removed is in its
//! queue, outstanding or not. The session of its last `Delivered` does not exist any longer.
//!
//! - The end of the broker gives back all deliveries. Temporary queues end with it, and other queues keep their messages.
//!   After a crash, temporary queues have no `Closed`: a store removes their messages when it starts.
//! - A queue has no record of its creation, and none of its removal when it has neither messages nor consumers. Its
//!   [`QueueId`] distinguishes it from a later queue of the same name.
//! - Whether a delivery was written to the client is not recorded when it is written. The delivery counts from
//!   `Delivered` on. `Requeued`, and `Settled` as `Unwritten`, correct the count if it was not written. After a crash,
//!   the count of a message may therefore be too high by one.
//! - The number of failed deliveries of a message has no record. It is the number of its `Settled` records as `Returned`,
//!   `Rejected` or `Lost`.
//! - The end of a backoff is not recorded. A message that waits for its backoff is in the queue.
//! - The steps of a transaction are recorded one by one, without the beginning and the end of the transaction. After a
//!   crash, a store may have only the first of them. The RECEIPT of the COMMIT waits for all.

use super::ids::QueueId;
use crate::command::Settlement;
use crate::destination::Destination;
use crate::outbound_queue::{Message, SessionId, Tag};
use crate::rejection::{Code, Rejection};
use smallvec::SmallVec;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// Time that a request waits for its ticket, unless the journal sets another one.
const TICKET_TIMEOUT: Duration = Duration::from_secs(30);

/// A store for messages and their state.
pub trait Journal: fmt::Debug + Send + Sync {
    /// Records an event. Returns a ticket if the event is not stored yet, and the request must wait for it.
    ///
    /// The broker calls this function under the lock of a destination. It must return at once, and must not call the
    /// broker. The broker ignores the ticket if no request waits for the event.
    fn record(&self, record: Record<'_>) -> Option<Ticket>;

    /// Returns the maximum time that a request waits for its ticket. After it, the request fails, although the event
    /// may be stored later.
    fn ticket_timeout(&self) -> Duration {
        TICKET_TIMEOUT
    }
}

/// An event that concerns a message. A message of a queue is identified by the queue and its position, which grows by
/// one with each message of the queue.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A message was pushed to the subscribers of a topic. A topic without subscribers has no state, and records
    /// nothing.
    Published {
        /// The topic, or the user destination.
        destination: &'a Destination,
        message: &'a Message,
    },
    /// A message was added to a queue.
    Enqueued {
        queue: RecordedQueue<'a>,
        /// The position of the message.
        position: Tag,
        message: &'a Message,
    },
    /// A message was pushed to a consumer.
    Delivered {
        queue: RecordedQueue<'a>,
        /// The position of the message.
        position: Tag,
        /// The session of the consumer.
        session: SessionId,
        /// The number of deliveries of the message, with this one.
        count: u32,
    },
    /// Deliveries of a queue were settled. [`Settlement::Accepted`] removes the messages. After another outcome, the
    /// messages are in the queue again. Those that cannot stay there are moved or dropped by the next records.
    Settled {
        queue: RecordedQueue<'a>,
        /// The positions of the messages.
        positions: &'a [Tag],
        /// The outcome of the deliveries.
        settlement: Settlement,
    },
    /// A consumer has left, and its deliveries were given back without a settlement. The messages are in the queue
    /// again.
    Requeued {
        queue: RecordedQueue<'a>,
        /// The position of each message, and the number of its deliveries. Deliveries that were not written to the
        /// client do not count.
        deliveries: &'a [(Tag, u32)],
    },
    /// A message was moved to the dead letter queue. This is one event: the message is removed from the one queue and
    /// added to the other.
    Moved {
        /// The queue that the message was removed from.
        queue: RecordedQueue<'a>,
        /// The position of the message in `queue`.
        position: Tag,
        /// The dead letter queue.
        to: RecordedQueue<'a>,
        /// The position of the dead letter in `to`.
        to_position: Tag,
        /// The dead letter. It has other headers than the message in `queue`.
        message: &'a Message,
    },
    /// A message left its queue without being accepted, and was not moved: it could not become a dead letter, or it was
    /// the oldest message of a dead letter queue that was full.
    Dropped {
        queue: RecordedQueue<'a>,
        /// The position of the message.
        position: Tag,
    },
    /// A temporary queue was closed. All of its messages are removed, outstanding or not. No record of this queue
    /// follows.
    Closed { queue: RecordedQueue<'a> },
}

/// A queue in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedQueue<'a> {
    /// The name of the queue.
    pub destination: &'a Destination,
    /// The identity of the queue. Queues that had the same name one after the other have different identities.
    pub id: QueueId,
}

/// The outcome of one or more events that are not stored yet. It is a future: an error rejects the request.
#[derive(Debug)]
pub struct Ticket {
    pending: SmallVec<[oneshot::Receiver<Result<(), Rejection>>; 1]>,
}

/// The sending side of a [`Ticket`]. If it is dropped, the request is rejected.
#[derive(Debug)]
pub struct TicketSender(oneshot::Sender<Result<(), Rejection>>);

impl Ticket {
    /// Creates a ticket, and the side that completes it.
    pub fn new() -> (TicketSender, Ticket) {
        let (sender, receiver) = oneshot::channel();
        (TicketSender(sender), Ticket { pending: SmallVec::from_buf([receiver]) })
    }

    /// Returns the number of changes that are not stored yet.
    pub(crate) fn changes(&self) -> usize {
        self.pending.len()
    }

    /// Returns a ticket for both. It is complete when both are complete.
    pub fn join(one: Option<Ticket>, other: Option<Ticket>) -> Option<Ticket> {
        match (one, other) {
            (Some(mut one), Some(other)) => {
                one.pending.extend(other.pending);
                Some(one)
            }
            (one, other) => one.or(other),
        }
    }

    /// Waits for the outcome for at most `timeout`.
    ///
    /// # Errors
    /// The store rejects the events, does not answer in time, or has stopped.
    pub(crate) async fn outcome_within(self, timeout: Duration) -> Result<(), Rejection> {
        tokio::time::timeout(timeout, self).await.unwrap_or_else(|_| {
            let seconds = timeout.as_secs_f64();
            Err(not_stored(&format!("The store did not answer within {seconds} seconds.")))
        })
    }
}

impl TicketSender {
    /// Completes the ticket. Has no effect if the connection that waited for it has ended.
    pub fn complete(self, outcome: Result<(), Rejection>) {
        let _ = self.0.send(outcome);
    }
}

impl Future for Ticket {
    type Output = Result<(), Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(last) = self.pending.last_mut() {
            let outcome = match Pin::new(last).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(outcome) => outcome,
            };
            self.pending.pop();
            outcome.unwrap_or_else(|_| Err(not_stored("The store has stopped.")))?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns the rejection of a request that the store has not confirmed.
fn not_stored(reason: &str) -> Rejection {
    let detail = format!("{reason} It is not known whether the request took effect. Send it again later.");
    Rejection::new(Code::NotStored, "not stored", detail)
}
