//! A login that the throttle has admitted.

use crate::users::gate::Pass;
use crate::users::throttle::{Outcome, Throttle, Ticket};
use parking_lot::Mutex;
use tokio::time::Instant;

/// An admitted login. If it is dropped before it is settled, it is not counted.
pub(super) struct Turn<'a> {
    throttle: &'a Mutex<Throttle>,
    ticket: Option<Ticket>,
    _pass: Option<Pass<'a>>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(throttle: &'a Mutex<Throttle>, ticket: Ticket, pass: Option<Pass<'a>>) -> Turn<'a> {
        Turn { throttle, ticket: Some(ticket), _pass: pass }
    }

    /// Counts the result, and returns the time before which a refusal must not be sent.
    pub(super) fn settle(mut self, outcome: Outcome) -> Instant {
        let now = Instant::now();
        let Some(ticket) = self.ticket.take() else { return now };
        self.throttle.lock().settle(&ticket, outcome, now);
        ticket.answer_at
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.throttle.lock().settle(&ticket, Outcome::Unknown, Instant::now());
        }
    }
}
