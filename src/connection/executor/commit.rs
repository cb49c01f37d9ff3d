//! Applies a COMMIT in portions. A transaction can be far more work than one poll of a connection may do.
//!
//! ```text
//!   COMMIT ──> check each step ──> reserve space for each step ──> apply each step ──> RECEIPT
//!                      │                         │
//!                      └─ rejected ──────────────┴──> ERROR, release the reservation of each step
//! ```
//!
//! After each step the connection checks its poll budget ([`crate::connection::state::poll_budget`]). While it applies
//! steps, it waits for slow receivers as it does after a SEND. It handles no other frame until the COMMIT is complete.
//!
//! Parked frames are discarded after ABORT, after a rejected COMMIT, or at the end of the connection. The connection
//! frees them in portions, too. To release the reservations of a hundred thousand steps takes a tenth of a second. When
//! the rules change, the session also checks parked frames in portions.
//!
//! A connection that ends applies the remaining steps first. The broker handles all frames that a client sent before it
//! left. The connection does not wait for receivers then. If the task is dropped while steps are applied, the drop
//! applies the remaining steps at once ([`StepwiseCommit`](crate::broker::StepwiseCommit)). If the drain time of a
//! stopping broker is over, the remaining steps are skipped. All queues and receivers then end with the process.

use super::action_error::ActionError;
use crate::broker::{CommitProgress, Committed, TransactionStep};
use crate::command::{Settle, Step};
use crate::connection::state::Connection;
use crate::connection::state::pending_commit::PendingCommit;
use crate::connection::state::pending_outcomes::PendingRequest;
use crate::session::{Receipt, RejectedAction};
use crate::wire::Wire;
use std::task::Context;
use std::time::Instant;

impl<W: Wire> Connection<W> {
    /// Begins a COMMIT that the session has accepted. [`Connection::run_deferred_steps`] then does the work.
    pub(crate) fn begin_commit(&mut self, steps: Vec<Step>, receipt: Option<Receipt>) {
        // The session has already removed the deliveries that the COMMIT settles, and cannot restore them. If the
        // broker rejects such a COMMIT, the session must therefore end.
        let settles = steps.iter().any(|step| matches!(step, Step::Settle(_)));
        let with_consumer = |step| match step {
            Step::Publish(publish) => Some(TransactionStep::Publish(publish)),
            Step::Settle(Settle { key, tags, settlement }) => {
                let consumer = self.executor.subscriptions.get(key)?.consumer()?;
                Some(TransactionStep::Settle { consumer, tags, settlement })
            }
        };
        let steps: Vec<TransactionStep> = steps.into_iter().filter_map(with_consumer).collect();
        // The COMMIT holds the frames now, so charge them to it. `execute` then reduces the charge of the session.
        let bytes = self.executor.parked_charge.bytes().saturating_sub(self.session.parked_bytes());
        self.executor.commit = Some(Box::new(PendingCommit {
            commit: self.context.broker.commit(steps, self.context.budget.charge(bytes)),
            rejected_action: if settles { RejectedAction::Other } else { RejectedAction::Publish },
            receipt,
        }));
    }

    /// Returns whether a COMMIT is in progress, or the session has other work to do in portions.
    pub(crate) fn has_deferred_work(&self) -> bool {
        self.executor.commit.is_some() || self.session.has_deferred_work()
    }

    /// Does portions of the deferred work. Stops when all of it is done, the poll budget is used up, or the connection
    /// has to wait for a receiver. Returns whether it did at least one portion.
    pub(crate) fn run_deferred_steps(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progressed = false;
        while self.has_deferred_work()
            && self.ending.is_none()
            && !self.schedule.poll_budget.is_used_up()
            && self.poll_pause(cx, now).is_ready()
        {
            self.run_deferred_step(now);
            progressed = true;
        }
        progressed
    }

    /// Does one portion of the deferred work of a connection that is ending.
    pub(crate) fn run_deferred_step_while_ending(&mut self, now: Instant) {
        if self.executor.commit.as_ref().is_some_and(|pending_commit| pending_commit.commit.is_cancelled(now))
        {
            self.executor.commit = None;
        }
        self.run_deferred_step(now);
        // A connection that is ending does not wait for receivers.
        self.executor.pause = Default::default();
    }

    fn run_deferred_step(&mut self, now: Instant) {
        if self.executor.commit.is_some() {
            return self.advance_commit(now);
        }
        self.session.run_deferred_step();
        if !self.session.has_deferred_work() {
            self.executor.parked_charge.resize(self.session.parked_bytes());
        }
    }

    /// Does one portion of the COMMIT in progress. Writes the RECEIPT after the last step is applied, or the ERROR when
    /// a step is rejected.
    fn advance_commit(&mut self, now: Instant) {
        let Some(pending_commit) = &mut self.executor.commit else { return };
        let mut follow_ups = Vec::new();
        match pending_commit.commit.advance(now) {
            Ok(CommitProgress::Prepared | CommitProgress::Settled) => return,
            Ok(CommitProgress::Published(published)) => return self.record_published(published),
            Ok(CommitProgress::Done(Committed { receivers, ticket })) => {
                let receipt = pending_commit.receipt.take();
                let request = PendingRequest { rejected_action: RejectedAction::Other, receipt, receivers };
                self.complete_after(ticket, request, &mut follow_ups);
                self.pause_near_budget(now);
            }
            Err(rejection) => {
                let error = ActionError {
                    rejected_action: pending_commit.rejected_action,
                    receipt: pending_commit.receipt.take(),
                    rejection,
                };
                self.reject(error, &mut follow_ups);
                return self.execute(follow_ups, now);
            }
            Ok(CommitProgress::Released) => {}
        }
        self.executor.commit = None;
        self.drop_written_subscriptions();
        self.execute(follow_ups, now);
    }
}
