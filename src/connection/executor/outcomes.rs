//! Completes requests when their outcome is known.

use crate::broker::Ticket;
use crate::connection::state::Connection;
use crate::connection::state::pending_outcomes::{Outcome, PendingRequest};
use crate::session::Action;
use crate::wire::Wire;
use std::task::{Context, Poll};
use std::time::Instant;

impl<W: Wire> Connection<W> {
    /// Completes a request: at once, or when the store has reported its outcome.
    pub(super) fn complete_after(
        &mut self,
        ticket: Option<Ticket>,
        request: PendingRequest,
        follow_ups: &mut Vec<Action>,
    ) {
        match ticket {
            None => self.complete(request.receipt, &request.receivers, follow_ups),
            Some(ticket) => {
                self.executor.outcomes.push(ticket, self.context.broker.ticket_timeout(), request);
            }
        }
    }

    /// Completes the requests whose outcome the store has reported. Returns whether there were any.
    pub(crate) fn poll_outcomes(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progressed = false;
        while self.ending.is_none()
            && let Poll::Ready(Some(Outcome { request, result, .. })) = self.executor.outcomes.poll_next(cx)
        {
            let mut follow_ups = Vec::new();
            let PendingRequest { rejected_action, receipt, receivers } = request;
            match result {
                Ok(()) => self.complete(receipt, &receivers, &mut follow_ups),
                Err(rejection) => {
                    self.session.action_rejected(rejected_action, receipt, &rejection, &mut follow_ups);
                }
            }
            self.execute(follow_ups, now);
            progressed = true;
        }
        progressed
    }

    /// Returns whether the connection of a stopping broker waits for outcomes.
    pub(crate) fn waits_for_outcomes(&mut self, now: Instant) -> bool {
        let drained = self.context.drain_until();
        drained.is_some_and(|drained| self.executor.outcomes.delay_stop(drained, now))
    }
}
