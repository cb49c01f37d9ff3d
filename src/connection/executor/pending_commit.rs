//! A COMMIT in progress: its remaining steps and its current phase ([`super::commit`]).

use super::broker_request::{extra, multicast, publication, settlement};
use super::receiver_counts::ReceiverCounts;
use crate::broker::{self, BrokerError, Commit, Consumer, Published};
use crate::budget::Charge;
use crate::connection::context::ConnectionContext;
use crate::session::{Publish, Receipt, RejectedAction, SendTarget, Settle};
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
    pub(super) steps: VecDeque<CommitStep>,
    pub(super) phase: CommitPhase,
    /// The kind of request that the ERROR refers to if the broker rejects a step.
    pub(super) rejected_action: RejectedAction,
    pub(super) receipt: Option<Receipt>,
    pub(super) receivers: ReceiverCounts,
    /// The charge for the frames in `steps`.
    pub(super) charge: Charge,
}

/// A step of a transaction.
#[derive(Debug)]
pub(crate) enum CommitStep {
    Publish(Box<Publish>),
    Settle(Settle, Consumer),
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
    Published(Box<Publish>, Published),
    Settled,
    /// All steps are applied.
    Done,
    /// The reservations of all steps are released.
    Released,
}

impl CommitStep {
    /// Returns the number of recipients of the step. Each recipient takes an allocation.
    fn recipients(&self) -> usize {
        match self {
            CommitStep::Publish(publish) => publish.recipients(),
            CommitStep::Settle(..) => 1,
        }
    }

    /// Calls `act` with the step, converted into the broker's type.
    fn with_broker_step<T>(&self, act: impl FnOnce(&broker::TransactionStep<'_>) -> T) -> T {
        let publish = match self {
            CommitStep::Publish(publish) => publish,
            CommitStep::Settle(settle, consumer) => {
                let settlement = settlement(settle);
                return act(&broker::TransactionStep::Settle { consumer, tags: &settle.tags, settlement });
            }
        };
        let extra = extra(publish);
        act(&match &publish.to {
            SendTarget::One(destination) => {
                broker::TransactionStep::Publish(publication(publish, destination, &extra))
            }
            SendTarget::Users(owners, path) => {
                broker::TransactionStep::PublishToUsers(multicast(publish, owners, path, &extra))
            }
        })
    }
}

impl PendingCommit {
    /// Depending on the phase, checks one step, reserves space for it, applies it, or releases its reservation.
    ///
    /// # Errors
    /// Returns the broker's error if the broker rejects the step.
    pub(super) fn advance(&mut self, now: Instant) -> Result<StepOutcome, BrokerError> {
        let PendingCommit { commit, steps, .. } = self;
        match self.phase {
            CommitPhase::Check(at) => match steps.get(at) {
                Some(next) => {
                    next.with_broker_step(|step| commit.check(step))?;
                    self.phase = CommitPhase::Check(at + 1);
                }
                None => {
                    commit.admit()?;
                    self.phase = CommitPhase::Reserve(0);
                }
            },
            CommitPhase::Reserve(at) => match steps.get(at) {
                Some(next) => {
                    next.with_broker_step(|step| commit.reserve(step))?;
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
        let published = next.with_broker_step(|step| self.commit.apply(step, now));
        self.receivers.add(&published);
        match next {
            CommitStep::Publish(publish) => StepOutcome::Published(publish, published),
            CommitStep::Settle(..) => StepOutcome::Settled,
        }
    }

    fn release_next(&mut self) -> StepOutcome {
        let Some(next) = self.next_step() else { return StepOutcome::Released };
        work::add(next.recipients());
        self.commit.release_step();
        StepOutcome::Prepared
    }

    /// Removes and returns the next step. Reduces the charge by the average size of the remaining steps.
    fn next_step(&mut self) -> Option<CommitStep> {
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
