//! The journal: what the broker tells a store about messages, and how the store reports back.
//!
//! The broker records events in the order in which they take effect: it holds the lock of the destination. A store that
//! has to wait, for a disk or for another node, returns a [`Ticket`]. The connection of the publisher goes on, and its
//! RECEIPT waits for the ticket. A client in the broker's process waits for it, too. Without a journal, the broker
//! creates no record and no ticket.

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
    /// broker.
    fn record(&self, record: Record<'_>) -> Option<Ticket>;

    /// Returns the maximum time that a request waits for its ticket. After it, the request fails, although the event
    /// may be stored later.
    fn ticket_timeout(&self) -> Duration {
        TICKET_TIMEOUT
    }
}

/// An event that concerns a message. A message of a queue is identified by its position, which grows by one with each
/// message of the queue.
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
        queue: &'a Destination,
        /// The position of the message.
        position: Tag,
        message: &'a Message,
    },
    /// A message was pushed to a consumer.
    Delivered {
        queue: &'a Destination,
        /// The position of the message.
        position: Tag,
        /// The session of the consumer.
        session: SessionId,
        /// The number of deliveries of the message, with this one.
        count: u32,
    },
    /// Deliveries of a queue were settled.
    Settled {
        queue: &'a Destination,
        /// The positions of the messages.
        positions: &'a [Tag],
        /// The outcome of the deliveries.
        settlement: Settlement,
    },
    /// A message left its queue without being accepted: it became a dead letter, or was dropped.
    Dropped {
        queue: &'a Destination,
        /// The position of the message.
        position: Tag,
    },
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
