//! Read backpressure: decides when the connection does not read from its client. Also decides at which times the
//! connection acts without an event.

use super::state::Connection;
use crate::wire::Wire;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Maximum size in bytes of the answers that the client has not read. Answers are RECEIPT and ERROR, not MESSAGE. From
/// this size on, the connection does not read from the client.
const UNREAD_BYTES_MAX: usize = 256 * 1024;
/// Time for which the connection waits for the end of the input after the output failed.
const LAST_INPUT_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval at which a connection that is paused because of the byte budget checks the budget again.
const BUDGET_CHECK_INTERVAL: Duration = Duration::from_millis(20);

impl<W: Wire> Connection<W> {
    /// Returns whether the connection handles no input at the moment. If so, missing input is not a timeout of the
    /// client.
    pub(super) fn ignores_input(&self) -> bool {
        self.pause.is_active()
            || self.commit.is_some()
            || self.pending_authentication.is_some()
            || self.leaves_answers_unread()
    }

    /// Returns whether the client has left so many answers unread that the connection does not read from it.
    pub(super) fn leaves_answers_unread(&self) -> bool {
        self.answers_bytes >= UNREAD_BYTES_MAX
    }

    /// Returns whether the next frame may be handled. [`super::task`] lists the reasons why it may not.
    pub(super) fn may_read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        // Check for deferred work first, and do not poll the pause while there is any. If the pause ended in this call,
        // no waker would be registered. Nothing would then continue the deferred work.
        !self.session.has_deferred_work()
            && self.poll_pause(cx, now).is_ready()
            && self.ending.is_none()
            && !self.poll_budget.is_used_up()
            && !self.ignores_input()
            && self.input.retry_at().is_none_or(|until| now >= until)
    }

    pub(super) fn poll_pause(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        while let Some(receiver) = self.pause.congested.last() {
            if receiver.outbound_queue.poll_drained(cx, receiver.is_widespread, now).is_pending() {
                return Poll::Pending;
            }
            self.pause.congested.pop();
        }
        if let Some(until) = self.pause.budget_until {
            if now < until && self.context.budget.is_nearly_exhausted() && !self.input_has_ended() {
                return Poll::Pending;
            }
            self.pause.budget_until = None;
        }
        Poll::Ready(())
    }

    /// Returns whether the client sends nothing more. The remaining input is then finite, and throttling it would only
    /// delay the end of the connection.
    fn input_has_ended(&self) -> bool {
        self.input_ended.is_some() || self.output_failed.is_some() || self.wire.input_has_ended()
    }

    /// Returns the time at which the client counts as stalled if it reads nothing of the pending output until then.
    pub(super) fn stalls_at(&self) -> Option<Instant> {
        (self.out.pending() > 0).then(|| self.progress_at + self.context.options.stall_timeout)
    }

    /// Returns the time until which the connection reads after its output failed. A broken connection ends both output
    /// and input. The runtime may report the failed write before the input that has already arrived.
    pub(super) fn last_input_deadline(&self) -> Option<Instant> {
        self.output_failed.map(|at| at + LAST_INPUT_TIMEOUT)
    }

    /// Returns the earliest time at which the connection must act even if no event occurs.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        if let Some(ending) = &self.ending {
            return Some(self.ends_at(ending));
        }
        let silence = match self.timeout_confirmed_at {
            Some(at) => Some(at),
            None => {
                let stalls = [self.stalls_at(), self.input.stalls_at()];
                stalls.into_iter().chain([self.session.deadline()]).flatten().min()
            }
        };
        let grace = self
            .pause
            .congested
            .last()
            .map(|receiver| receiver.outbound_queue.grace_ends(receiver.is_widespread));
        let budget = self.pause.budget_until.map(|until| until.min(now + BUDGET_CHECK_INTERVAL));
        // Two times matter only to a connection that reads: the end of the wait for its last input, and for memory.
        let input = [self.last_input_deadline(), self.input.retry_at()].into_iter().flatten().min();
        let input = input.filter(|_| !self.ignores_input());
        [silence, grace, budget, input, self.wire.deadline()].into_iter().flatten().min()
    }

    /// Returns `Ready` if a deadline has passed. Otherwise the task is woken at the next deadline.
    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        match self.deadline(now) {
            Some(deadline) => self.timer.poll(cx, now, deadline),
            None => Poll::Pending,
        }
    }
}
