//! Requests that the broker has executed, and whose outcome a store has not reported yet.
//!
//! The connection goes on reading while outcomes are pending, so that many requests share one write of the store. The
//! session keeps the receipts in order. If too many outcomes are pending, the connection reads no further.
//!
//! # MESSAGE before RECEIPT
//! Only receipts wait for a store. A subscription begins at once, and its messages do not wait. If an earlier request is
//! pending, the RECEIPT of a SUBSCRIBE waits behind the receipt of this request. The client then gets MESSAGE frames of
//! the subscription before the RECEIPT of its SUBSCRIBE. This is allowed: a RECEIPT says that the broker has processed
//! the frame (STOMP 1.2, "RECEIPT"), and STOMP defines no order between RECEIPT and MESSAGE frames.
//!
//! # Wakes
//! A new request wakes no task: [`PendingOutcomes::poll_next`] must be called after [`PendingOutcomes::push`], so that
//! the outcome wakes the task. A poll of the connection therefore ends only after an iteration without new requests, or
//! if the connection is polled again ([`crate::connection::task`]).

use crate::broker::{ReceiverCounts, Ticket};
use crate::rejection::Rejection;
use crate::session::{Receipt, RejectedAction};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Number of unconfirmed changes from which on the connection reads no further frame.
const CHANGES_MAX: usize = 1024;

/// The requests of one connection whose outcome is pending. Few connections have any, so that they are boxed to keep a
/// connection small. `None` if the connection has none.
#[derive(Debug, Default)]
pub(crate) struct PendingOutcomes(Option<Box<PendingRequests>>);

#[derive(Debug, Default)]
struct PendingRequests {
    outcomes: FuturesUnordered<BoxFuture<'static, Outcome>>,
    /// Number of changes that the store has not confirmed. One request may consist of many.
    changes: usize,
    /// When the broker stops: the time until which the connection waits for outcomes.
    wait_until: Option<Instant>,
}

/// A request, and its outcome.
pub(crate) struct Outcome {
    pub(crate) request: PendingRequest,
    /// Number of changes of the request.
    changes: usize,
    pub(crate) result: Result<(), Rejection>,
}

/// A request whose outcome is pending.
pub(crate) struct PendingRequest {
    /// What the session undoes if the store rejects the request.
    pub(crate) rejected_action: RejectedAction,
    pub(crate) receipt: Option<Receipt>,
    pub(crate) receivers: ReceiverCounts,
}

impl PendingOutcomes {
    /// Returns whether the connection must not read further frames.
    pub(crate) fn is_full(&self) -> bool {
        self.0.as_ref().is_some_and(|pending| pending.changes >= CHANGES_MAX)
    }

    /// Adds a request whose outcome `ticket` reports within `timeout`. The outcome wakes the task only after a call of
    /// [`PendingOutcomes::poll_next`].
    pub(crate) fn push(&mut self, ticket: Ticket, timeout: Duration, request: PendingRequest) {
        let changes = ticket.changes();
        let pending = self.0.get_or_insert_default();
        pending.changes += changes;
        pending.outcomes.push(Box::pin(async move {
            Outcome { request, changes, result: ticket.outcome_within(timeout).await }
        }));
    }

    /// Returns whether a connection of a broker that stops by `drained` waits for outcomes: for at most half of the time
    /// that was left when it was first asked.
    pub(crate) fn delay_stop(&mut self, drained: Instant, now: Instant) -> bool {
        let Some(pending) = &mut self.0 else { return false };
        let half = now + drained.saturating_duration_since(now) / 2;
        !pending.outcomes.is_empty() && now < *pending.wait_until.get_or_insert(half)
    }

    /// Returns whether no outcome is pending.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|pending| pending.outcomes.is_empty())
    }

    /// Returns the time until which a connection of a stopping broker waits.
    pub(crate) fn wait_until(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|pending| pending.wait_until)
    }

    /// Returns the next outcome that is known.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let Some(pending) = &mut self.0 else { return Poll::Ready(None) };
        let next = pending.outcomes.poll_next_unpin(cx);
        match &next {
            Poll::Ready(Some(outcome)) => pending.changes -= outcome.changes,
            Poll::Ready(None) => self.0 = None,
            Poll::Pending => {}
        }
        next
    }
}
