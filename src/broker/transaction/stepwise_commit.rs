//! A COMMIT that is divided into portions, so that a large transaction does not block a thread.
//!
//! ```text
//!   Check ──> Reserve ──> Apply ──> done
//!     │          │
//!     └──────────┴─ rejected: Release ──> released
//! ```

use super::commit::Commit;
use super::step::TransactionStep;
use crate::broker::journal::Ticket;
use crate::broker::published::{Published, ReceiverCounts};
use crate::budget::Charge;
use crate::rejection::Rejection;
use crate::work;
use std::collections::VecDeque;
use std::time::Instant;

/// A COMMIT with its steps. Each call of [`StepwiseCommit::advance`] does one portion of it.
///
/// An admitted COMMIT cannot be undone. If the value is dropped while steps are applied, the drop applies the remaining
/// steps at once, unless the drain time of a stopping broker is over. If it is dropped before, no step is applied.
#[derive(Debug)]
pub struct StepwiseCommit {
    commit: Commit,
    /// Steps that are neither applied nor released yet.
    steps: VecDeque<TransactionStep>,
    phase: CommitPhase,
    receivers: ReceiverCounts,
    /// The outcome of the steps that are applied, if a store has not reported it yet.
    ticket: Option<Ticket>,
    /// The charge for `steps`.
    charge: Charge,
}

/// The current phase of a COMMIT. `Check` and `Reserve` contain the index of the next step.
#[derive(Clone, Copy, Debug)]
enum CommitPhase {
    Check(usize),
    Reserve(usize),
    Apply,
    /// A step was rejected. The reservation of each step is being released.
    Release,
}

/// The result of one portion of a COMMIT.
#[derive(Debug)]
pub enum CommitProgress {
    /// A step is checked, has reserved space, or is released.
    Prepared,
    /// A message is published.
    Published(Published),
    /// Deliveries are settled.
    Settled,
    /// All steps are applied.
    Done(Committed),
    /// After a rejection: the reservations of all steps are released.
    Released,
}

/// The result of a COMMIT whose steps are all applied.
#[derive(Debug, Default)]
pub struct Committed {
    /// The receivers of all messages.
    pub receivers: ReceiverCounts,
    /// The outcome that the client must wait for. `None` if no step needs a store.
    pub ticket: Option<Ticket>,
}

impl StepwiseCommit {
    pub(in crate::broker) fn new(
        commit: Commit,
        steps: Vec<TransactionStep>,
        charge: Charge,
    ) -> StepwiseCommit {
        StepwiseCommit {
            commit,
            steps: steps.into(),
            phase: CommitPhase::Check(0),
            receivers: ReceiverCounts::default(),
            ticket: None,
            charge,
        }
    }

    /// Depending on the phase, checks one step, reserves space for it, applies it, or releases its reservation. The
    /// caller repeats this until the result is [`CommitProgress::Done`] or [`CommitProgress::Released`].
    ///
    /// # Errors
    /// Returns the broker's error once, if the broker rejects the transaction. The following calls release the
    /// reservations.
    pub fn advance(&mut self, now: Instant) -> Result<CommitProgress, Rejection> {
        let advanced = match self.phase {
            CommitPhase::Check(at) => self.check(at),
            CommitPhase::Reserve(at) => self.reserve(at),
            CommitPhase::Apply => return Ok(self.apply(now)),
            CommitPhase::Release => return Ok(self.release_next()),
        };
        self.phase = *advanced.as_ref().unwrap_or(&CommitPhase::Release);
        advanced.map(|_| CommitProgress::Prepared)
    }

    /// Returns whether the drain time of a stopping broker is over. If so, applying the remaining steps would have no
    /// effect.
    pub fn is_cancelled(&self, now: Instant) -> bool {
        self.commit.drain_until().is_some_and(|until| now >= until)
    }

    fn check(&mut self, at: usize) -> Result<CommitPhase, Rejection> {
        match self.steps.get(at) {
            Some(next) => {
                self.commit.check(next)?;
                Ok(CommitPhase::Check(at + 1))
            }
            None => {
                self.commit.admit()?;
                Ok(CommitPhase::Reserve(0))
            }
        }
    }

    fn reserve(&mut self, at: usize) -> Result<CommitPhase, Rejection> {
        let Some(next) = self.steps.get(at) else { return Ok(CommitPhase::Apply) };
        self.commit.reserve(next)?;
        Ok(CommitPhase::Reserve(at + 1))
    }

    fn apply(&mut self, now: Instant) -> CommitProgress {
        let Some(next) = self.next_step() else {
            return CommitProgress::Done(Committed { receivers: self.receivers, ticket: self.ticket.take() });
        };
        let mut published = self.commit.apply(&next, now);
        self.receivers.add(&published);
        self.ticket = Ticket::join(self.ticket.take(), published.ticket.take());
        match next {
            TransactionStep::Publish(_) => CommitProgress::Published(published),
            TransactionStep::Settle { .. } => CommitProgress::Settled,
        }
    }

    fn release_next(&mut self) -> CommitProgress {
        let Some(next) = self.next_step() else { return CommitProgress::Released };
        work::add(next.recipients());
        self.commit.release_step();
        CommitProgress::Prepared
    }

    /// Removes and returns the next step. Reduces the charge by the average size of the remaining steps.
    fn next_step(&mut self) -> Option<TransactionStep> {
        let bytes = self.charge.bytes().checked_div(self.steps.len())?;
        self.charge.resize(self.charge.bytes() - bytes);
        self.steps.pop_front()
    }
}

impl Drop for StepwiseCommit {
    fn drop(&mut self) {
        let now = Instant::now();
        if matches!(self.phase, CommitPhase::Apply) && !self.is_cancelled(now) {
            while !matches!(self.apply(now), CommitProgress::Done(_)) {}
        }
    }
}
