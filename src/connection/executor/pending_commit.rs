//! A COMMIT in progress: its remaining steps and its current phase ([`super::commit`]).

use super::receiver_counts::ReceiverCounts;
use crate::broker::{Commit, Published, Ticket, TransactionStep};
use crate::budget::Charge;
use crate::connection::context::ConnectionContext;
use crate::rejection::Rejection;
use crate::session::{Receipt, RejectedAction};
use crate::work;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A COMMIT in progress.
#[derive(Debug)]
pub(crate) struct PendingCommit {
    pub(super) context: Arc<ConnectionContext>,
    pub(super) commit: Commit,
    /// Steps that are neither applied nor released yet.
    pub(super) steps: VecDeque<TransactionStep>,
    pub(super) phase: CommitPhase,
    /// The kind of request that the ERROR refers to if the broker rejects a step.
    pub(super) rejected_action: RejectedAction,
    pub(super) receipt: Option<Receipt>,
    pub(super) receivers: ReceiverCounts,
    /// The outcome of the steps that are applied, if a store has not reported it yet.
    pub(super) ticket: Option<Ticket>,
    /// The charge for the frames in `steps`.
    pub(super) charge: Charge,
}

/// The current phase of a COMMIT. `Check` and `Reserve` contain the index of the next step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CommitPhase {
    Check(usize),
    Reserve(usize),
    Apply,
    /// A step was rejected. The reservation of each step is being released.
    Release,
}

/// The result of one portion of a COMMIT.
pub(crate) enum StepOutcome {
    Prepared,
    Published(Published),
    Settled,
    /// All steps are applied.
    Done,
    /// The reservations of all steps are released.
    Released,
}

impl PendingCommit {
    /// Depending on the phase, checks one step, reserves space for it, applies it, or releases its reservation.
    ///
    /// # Errors
    /// Returns the broker's error if the broker rejects the step.
    pub(super) fn advance(&mut self, now: Instant) -> Result<StepOutcome, Rejection> {
        let PendingCommit { commit, steps, .. } = self;
        match self.phase {
            CommitPhase::Check(at) => match steps.get(at) {
                Some(next) => {
                    commit.check(next)?;
                    self.phase = CommitPhase::Check(at + 1);
                }
                None => {
                    commit.admit()?;
                    self.phase = CommitPhase::Reserve(0);
                }
            },
            CommitPhase::Reserve(at) => match steps.get(at) {
                Some(next) => {
                    commit.reserve(next)?;
                    self.phase = CommitPhase::Reserve(at + 1);
                }
                None => self.phase = CommitPhase::Apply,
            },
            CommitPhase::Apply => return Ok(self.apply(now)),
            CommitPhase::Release => return Ok(self.release_next()),
        }
        Ok(StepOutcome::Prepared)
    }

    /// Returns whether the drain time of a stopping broker is over. If so, applying the remaining steps would have no
    /// effect.
    pub(super) fn is_cancelled(&self, now: Instant) -> bool {
        self.context.drain_until().is_some_and(|until| now >= until)
    }

    fn apply(&mut self, now: Instant) -> StepOutcome {
        let Some(next) = self.next_step() else { return StepOutcome::Done };
        let mut published = self.commit.apply(&next, now);
        self.receivers.add(&published);
        self.ticket = Ticket::join(self.ticket.take(), published.ticket.take());
        match next {
            TransactionStep::Publish(_) => StepOutcome::Published(published),
            TransactionStep::Settle { .. } => StepOutcome::Settled,
        }
    }

    fn release_next(&mut self) -> StepOutcome {
        let Some(next) = self.next_step() else { return StepOutcome::Released };
        work::add(next.recipients());
        self.commit.release_step();
        StepOutcome::Prepared
    }

    /// Removes and returns the next step. Reduces the charge by the average size of the remaining steps.
    fn next_step(&mut self) -> Option<TransactionStep> {
        let bytes = self.charge.bytes().checked_div(self.steps.len())?;
        self.charge.resize(self.charge.bytes() - bytes);
        self.steps.pop_front()
    }
}

impl Drop for PendingCommit {
    fn drop(&mut self) {
        let now = Instant::now();
        if matches!(self.phase, CommitPhase::Apply) && !self.is_cancelled(now) {
            while !matches!(self.apply(now), StepOutcome::Done) {}
        }
    }
}
