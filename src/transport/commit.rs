//! Applies a COMMIT in portions, because a transaction can be far more work than one poll of a connection may do.
//!
//! ```text
//!   COMMIT ──> check each step ──> reserve room for each step ──> apply each step ──> RECEIPT
//!                      │                        │
//!                      └─ refused ──────────────┴──> ERROR, release the reservation of each step
//! ```
//!
//! After each step the connection checks its poll budget ([`super::poll_budget`]). While it applies steps, it waits for
//! receivers that are behind, as after a SEND. It handles no other frame until the COMMIT is complete.
//!
//! Parked frames that are discarded (after ABORT, a refused COMMIT, or the end of the connection) are freed in
//! portions, too: releasing the reservations of a hundred thousand steps, or freeing a million names, takes a tenth of
//! a second. Parked frames are also checked in portions when the rules change.
//!
//! A connection that ends first applies the rest of its COMMIT, without waiting for receivers, because frames that the
//! client sent before it left are handled. If the task is dropped, the rest is applied at once, provided that
//! [`Pass::Apply`] has begun. When the drain time of a stopping broker is over, the rest is skipped, because the queues
//! and receivers end with the process.

use super::connection::Connection;
use super::connection_context::ConnectionContext;
use super::execute::ActionError;
use super::publish::{ReceiverCounts, extra, multicast, publication, settlement};
use super::wire::Wire;
use crate::broker::{self, BrokerError, Commit, Consumer, Published};
use crate::budget::Charge;
use crate::session::{CommitOperation, Publish, Receipt, RejectedAction, SendTarget, Settle};
use crate::work;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

/// A COMMIT in progress.
#[derive(Debug)]
pub(super) struct PendingCommit {
    context: Arc<ConnectionContext>,
    commit: Commit,
    /// Steps that are not applied yet.
    steps: VecDeque<CommitPart>,
    pass: Pass,
    /// The kind of request that a refusal refers to.
    about: RejectedAction,
    receipt: Option<Receipt>,
    outcome: ReceiverCounts,
    /// The charge for the frames in `steps`.
    held: Charge,
}

#[derive(Debug)]
enum CommitPart {
    Publish(Box<Publish>),
    Settle(Settle, Consumer),
}

/// The current pass over the steps, and the index of the next step.
#[derive(Clone, Copy, Debug)]
enum Pass {
    Check(usize),
    Reserve(usize),
    Apply,
    /// A step was refused: releases the reservation of each step.
    Release,
}

/// The result of one portion of a COMMIT.
enum StepOutcome {
    Prepared,
    Published(Box<Publish>, Published),
    Settled,
    /// All steps are applied.
    Done,
    /// The reservations of all steps are released.
    Released,
}

impl CommitPart {
    /// Returns the number of recipients of the step, each of which is an allocation.
    fn recipients(&self) -> usize {
        match self {
            CommitPart::Publish(publish) => publish.recipients(),
            CommitPart::Settle(..) => 1,
        }
    }

    /// Calls `act` with the step in the form that the broker takes.
    fn show<T>(&self, act: impl FnOnce(&broker::TransactionStep<'_>) -> T) -> T {
        let publish = match self {
            CommitPart::Publish(publish) => publish,
            CommitPart::Settle(settle, consumer) => {
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
    /// Checks one step, reserves room for it, applies it or releases its reservation, depending on the pass.
    ///
    /// # Errors
    /// The broker refuses the step.
    fn advance(&mut self, now: Instant) -> Result<StepOutcome, BrokerError> {
        let PendingCommit { commit, steps, .. } = self;
        match self.pass {
            Pass::Check(at) => match steps.get(at) {
                Some(part) => {
                    part.show(|step| commit.check(step))?;
                    self.pass = Pass::Check(at + 1);
                }
                None => {
                    commit.admit()?;
                    self.pass = Pass::Reserve(0);
                }
            },
            Pass::Reserve(at) => match steps.get(at) {
                Some(part) => {
                    part.show(|step| commit.reserve(step))?;
                    self.pass = Pass::Reserve(at + 1);
                }
                None => self.pass = Pass::Apply,
            },
            Pass::Apply => return Ok(self.apply(now)),
            Pass::Release => return Ok(self.give_back()),
        }
        Ok(StepOutcome::Prepared)
    }

    /// Returns whether the drain time of a stopping broker is over, so that applying the rest would have no effect.
    fn is_cancelled(&self, now: Instant) -> bool {
        self.context.drain_until().is_some_and(|until| now >= until)
    }

    fn apply(&mut self, now: Instant) -> StepOutcome {
        let Some(part) = self.next_step() else { return StepOutcome::Done };
        let published = part.show(|step| self.commit.apply(step, now));
        self.outcome.add(&published);
        match part {
            CommitPart::Publish(publish) => StepOutcome::Published(publish, published),
            CommitPart::Settle(..) => StepOutcome::Settled,
        }
    }

    fn give_back(&mut self) -> StepOutcome {
        let Some(part) = self.next_step() else { return StepOutcome::Released };
        work::add(part.recipients());
        self.commit.release_step();
        StepOutcome::Prepared
    }

    /// Removes and returns the next step. The charge shrinks by its share.
    fn next_step(&mut self) -> Option<CommitPart> {
        let bytes = self.held.bytes().checked_div(self.steps.len())?;
        self.held.resize(self.held.bytes() - bytes);
        self.steps.pop_front()
    }
}

impl Drop for PendingCommit {
    fn drop(&mut self) {
        let now = Instant::now();
        if matches!(self.pass, Pass::Apply) && !self.is_cancelled(now) {
            while !matches!(self.apply(now), StepOutcome::Done) {}
        }
    }
}

impl<W: Wire> Connection<W> {
    /// Begins a COMMIT that the session has accepted. [`Connection::run_portions`] applies it.
    pub(super) fn begin_commit(&mut self, steps: Vec<CommitOperation>, receipt: Option<Receipt>) {
        // The session has settled deliveries already and cannot undo that: if the broker refuses them, the session
        // ends.
        let settles = steps.iter().any(|step| matches!(step, CommitOperation::Settle(_)));
        let part = |step| match step {
            CommitOperation::Publish(publish) => Some(CommitPart::Publish(publish)),
            CommitOperation::Settle(settle) => {
                let consumer = self.subscriptions.get(settle.key)?.consumer()?;
                Some(CommitPart::Settle(settle, consumer))
            }
        };
        let steps: VecDeque<CommitPart> = steps.into_iter().filter_map(part).collect();
        // The session no longer holds these frames, and its charge is about to shrink.
        let bytes = self.parked.bytes().saturating_sub(self.session.parked_bytes());
        self.commit = Some(Box::new(PendingCommit {
            commit: self.context.broker.commit(),
            steps,
            pass: Pass::Check(0),
            about: if settles { RejectedAction::Other } else { RejectedAction::Publish },
            receipt,
            outcome: ReceiverCounts::default(),
            held: self.context.budget.charge(bytes),
            context: self.context.clone(),
        }));
    }

    /// Returns whether a COMMIT is in progress or the session has portions of work to do.
    pub(super) fn has_deferred_work(&self) -> bool {
        self.commit.is_some() || self.session.has_deferred_work()
    }

    /// Does portions of work until none is left, the poll budget is used up, or the connection has to wait for a
    /// receiver. Returns whether it did at least one.
    pub(super) fn run_portions(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut moved = false;
        while self.has_deferred_work()
            && self.ending.is_none()
            && !self.poll_budget.is_used_up()
            && self.poll_pause(cx, now).is_ready()
        {
            self.run_deferred_step(now);
            moved = true;
        }
        moved
    }

    /// Does one portion of work of a connection that is ending.
    pub(super) fn run_portion_while_ending(&mut self, now: Instant) {
        if self.commit.as_ref().is_some_and(|pending_commit| pending_commit.is_cancelled(now)) {
            self.commit = None;
        }
        self.run_deferred_step(now);
        // A connection that is ending does not wait for receivers.
        self.pause = Default::default();
    }

    fn run_deferred_step(&mut self, now: Instant) {
        if self.commit.is_some() {
            return self.commit_one(now);
        }
        self.session.run_deferred_step();
        if !self.session.has_deferred_work() {
            self.parked.resize(self.session.parked_bytes());
        }
    }

    /// Does one portion of the COMMIT in progress. Queues the RECEIPT after the last step is applied, or the ERROR when
    /// a step is refused.
    fn commit_one(&mut self, now: Instant) {
        let Some(pending_commit) = &mut self.commit else { return };
        let mut more = Vec::new();
        match pending_commit.advance(now) {
            Ok(StepOutcome::Prepared | StepOutcome::Settled) => return,
            Ok(StepOutcome::Published(publish, published)) => {
                return self.published(&publish, published, now);
            }
            Ok(StepOutcome::Done) => {
                let (receipt, outcome) =
                    (pending_commit.receipt.take(), std::mem::take(&mut pending_commit.outcome));
                self.complete(receipt, &outcome, &mut more);
                self.pause_near_budget(now);
            }
            Err(broker_error) => {
                pending_commit.pass = Pass::Release;
                let failed = ActionError {
                    about: pending_commit.about,
                    receipt: pending_commit.receipt.take(),
                    broker_error,
                };
                self.refuse(failed, &mut more);
                return self.execute(more, now);
            }
            Ok(StepOutcome::Released) => {}
        }
        self.commit = None;
        self.drop_written_subscriptions();
        self.execute(more, now);
    }
}
