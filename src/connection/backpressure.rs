//! Read backpressure: decides when the connection does not read from its client. Also decides at which times the
//! connection acts without an event.

use super::state::Connection;
use crate::wire::Wire;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Interval at which a connection that is paused because of the byte budget checks the budget again.
const BUDGET_CHECK_INTERVAL: Duration = Duration::from_millis(20);

impl<W: Wire> Connection<W> {
    /// Returns whether the connection handles no input at the moment. If so, missing input is not a timeout of the
    /// client.
    pub(super) fn ignores_input(&self) -> bool {
        self.executor.pause.is_active()
            || self.executor.commit.is_some()
            || self.login.is_pending()
            || self.io.leaves_answers_unread()
            || self.executor.outcomes.is_full()
            || self.session.has_many_receipts()
            || self.context.is_stopping()
    }

    /// Returns whether the next frame may be handled. [`super::task`] lists the reasons why it may not.
    pub(super) fn may_read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        // Check for deferred work first, and do not poll the pause while there is any. If the pause ended in this call,
        // no waker would be registered. Nothing would then continue the deferred work.
        !self.session.has_deferred_work()
            && self.poll_pause(cx, now).is_ready()
            && self.ending.is_none()
            && !self.schedule.poll_budget.is_used_up()
            && !self.ignores_input()
            && self.io.input.retry_at().is_none_or(|until| now >= until)
    }

    pub(super) fn poll_pause(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        while let Some(receiver) = self.executor.pause.congested.last() {
            if receiver.outbound_queue.poll_drained(cx, receiver.is_widespread, now).is_pending() {
                return Poll::Pending;
            }
            self.executor.pause.congested.pop();
        }
        if let Some(until) = self.executor.pause.budget_until {
            if now < until && self.context.budget.is_nearly_exhausted() && !self.io.input_has_ended() {
                return Poll::Pending;
            }
            self.executor.pause.budget_until = None;
        }
        Poll::Ready(())
    }

    /// Returns the earliest time at which the connection must act even if no event occurs.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        if let Some(ending) = &self.ending {
            return Some(self.ends_at(ending));
        }
        let silence = match self.schedule.timeout_confirmed_at {
            Some(at) => Some(at),
            None => {
                let stalls =
                    [self.io.stalls_at(self.context.options.stall_timeout), self.io.input.stalls_at()];
                stalls.into_iter().chain([self.session.deadline()]).flatten().min()
            }
        };
        let grace = self
            .executor
            .pause
            .congested
            .last()
            .map(|receiver| receiver.outbound_queue.grace_ends(receiver.is_widespread));
        let budget = self.executor.pause.budget_until.map(|until| until.min(now + BUDGET_CHECK_INTERVAL));
        // Two times matter only to a connection that reads: the end of the wait for its last input, and for memory.
        let input = [self.io.last_input_deadline(), self.io.input.retry_at()].into_iter().flatten().min();
        let input = input.filter(|_| !self.ignores_input());
        let stop = self.executor.outcomes.wait_until();
        [silence, grace, budget, input, stop, self.io.wire.deadline()].into_iter().flatten().min()
    }

    /// Returns `Ready` if a deadline has passed. Otherwise the task is woken at the next deadline.
    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        match self.deadline(now) {
            Some(deadline) => self.schedule.timer.poll(cx, now, deadline),
            None => Poll::Pending,
        }
    }
}
