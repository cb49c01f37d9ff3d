//! Applies a COMMIT in portions, since a transaction can be far more work than a connection may do at a time.
//!
//! ```text
//!   COMMIT ──> check each step ──> promise room to each step ──> apply each step ──> RECEIPT
//!                      │                        │
//!                      └─ refused ──────────────┴──> ERROR, give back what each step reserved
//! ```
//!
//! After each step the connection checks its share of the poll ([`super::share`]). While it applies steps, it waits for
//! receivers that are behind, as after a SEND. It handles no other frame until the COMMIT is complete.
//!
//! Frames that are not sent (after ABORT, a refused COMMIT, or the end of the connection) are freed in portions, too.
//! Giving back the reservations of a hundred thousand steps, or freeing a million names, takes a tenth of a second.
//! When the rules change, parked frames are also checked in portions.
//!
//! A connection that ends first applies the rest of its COMMIT, without waiting for receivers, because frames that the
//! client sent before it left are handled. A task that is dropped applies the rest at once if [`Pass::Apply`] has
//! begun. When the drain time of a stopping broker is over, the rest is skipped: the queues and receivers end with the
//! process.

use super::drive::Connection;
use super::hub::Hub;
use super::perform::Failed;
use super::publish::{Outcome, circular, extra, publication, settlement};
use super::wire::Wire;
use crate::broker::{self, Commit, Consumer, Published, Refusal};
use crate::budget::Charge;
use crate::session::{About, Publish, Receipt, Settle, Step, Target};
use crate::work;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

/// A COMMIT under way.
#[derive(Debug)]
pub(super) struct Committing {
    hub: Arc<Hub>,
    commit: Commit,
    /// Steps that are not applied.
    steps: VecDeque<Part>,
    pass: Pass,
    /// The kind of request that a refusal refers to.
    about: About,
    receipt: Option<Receipt>,
    outcome: Outcome,
    /// The charge for the frames in `steps`.
    held: Charge,
}

#[derive(Debug)]
enum Part {
    Publish(Box<Publish>),
    Settle(Settle, Consumer),
}

/// The current pass over the steps, and the index of the next step.
#[derive(Clone, Copy, Debug)]
enum Pass {
    Check(usize),
    Promise(usize),
    Apply,
    /// A step was refused: the reservations of the steps are given back.
    GiveBack,
}

/// The result of one portion.
enum Portion {
    Prepared,
    Published(Box<Publish>, Published),
    Settled,
    /// All steps are applied.
    Done,
    /// All reservations are given back.
    GivenBack,
}

impl Part {
    /// Returns the number of its recipients, each of which is an allocation.
    fn recipients(&self) -> usize {
        match self {
            Part::Publish(publish) => publish.recipients(),
            Part::Settle(..) => 1,
        }
    }

    /// Calls `act` with the step in the form that the broker takes.
    fn show<T>(&self, act: impl FnOnce(&broker::Step<'_>) -> T) -> T {
        let publish = match self {
            Part::Publish(publish) => publish,
            Part::Settle(settle, consumer) => {
                let settlement = settlement(settle);
                return act(&broker::Step::Settle { consumer, tags: &settle.tags, settlement });
            }
        };
        let extra = extra(publish);
        act(&match &publish.to {
            Target::One(destination) => broker::Step::Publish(publication(publish, destination, &extra)),
            Target::Users(owners, path) => {
                broker::Step::PublishToUsers(circular(publish, owners, path, &extra))
            }
        })
    }
}

impl Committing {
    /// Does the current pass for one step: checks it, promises room to it, applies it, or gives its reservation back.
    fn advance(&mut self, now: Instant) -> Result<Portion, Refusal> {
        let Committing { commit, steps, .. } = self;
        match self.pass {
            Pass::Check(at) => match steps.get(at) {
                Some(part) => {
                    part.show(|step| commit.check(step))?;
                    self.pass = Pass::Check(at + 1);
                }
                None => {
                    commit.admit()?;
                    self.pass = Pass::Promise(0);
                }
            },
            Pass::Promise(at) => match steps.get(at) {
                Some(part) => {
                    part.show(|step| commit.promise(step))?;
                    self.pass = Pass::Promise(at + 1);
                }
                None => self.pass = Pass::Apply,
            },
            Pass::Apply => return Ok(self.apply(now)),
            Pass::GiveBack => return Ok(self.give_back()),
        }
        Ok(Portion::Prepared)
    }

    /// Returns whether the drain time of a stopping broker is over, so that applying the rest would have no effect.
    fn is_in_vain(&self, now: Instant) -> bool {
        self.hub.drain_until().is_some_and(|until| now >= until)
    }

    fn apply(&mut self, now: Instant) -> Portion {
        let Some(part) = self.next_step() else { return Portion::Done };
        let published = part.show(|step| self.commit.apply(step, now));
        self.outcome.add(&published);
        match part {
            Part::Publish(publish) => Portion::Published(publish, published),
            Part::Settle(..) => Portion::Settled,
        }
    }

    fn give_back(&mut self) -> Portion {
        let Some(part) = self.next_step() else { return Portion::GivenBack };
        work::add(part.recipients());
        self.commit.give_back();
        Portion::Prepared
    }

    /// Removes the next step and releases its part of the charge.
    fn next_step(&mut self) -> Option<Part> {
        let bytes = self.held.bytes().checked_div(self.steps.len())?;
        self.held.resize(self.held.bytes() - bytes);
        self.steps.pop_front()
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        let now = Instant::now();
        if matches!(self.pass, Pass::Apply) && !self.is_in_vain(now) {
            while !matches!(self.apply(now), Portion::Done) {}
        }
    }
}

impl<W: Wire> Connection<W> {
    /// Begins a COMMIT that the session has accepted. [`Connection::do_portions`] applies it.
    pub(super) fn begin_commit(&mut self, steps: Vec<Step>, receipt: Option<Receipt>) {
        // The session has settled deliveries already and cannot undo that: if the broker refuses them, the session
        // ends.
        let settles = steps.iter().any(|step| matches!(step, Step::Settle(_)));
        let part = |step| match step {
            Step::Publish(publish) => Some(Part::Publish(publish)),
            Step::Settle(settle) => {
                let consumer = self.subscriptions.get(settle.key)?.consumer()?;
                Some(Part::Settle(settle, consumer))
            }
        };
        let steps: VecDeque<Part> = steps.into_iter().filter_map(part).collect();
        // The session no longer holds these frames, and its charge is about to shrink.
        let bytes = self.parked.bytes().saturating_sub(self.session.parked_bytes());
        self.commit = Some(Box::new(Committing {
            commit: self.hub.broker.commit(),
            steps,
            pass: Pass::Check(0),
            about: if settles { About::Other } else { About::Publish },
            receipt,
            outcome: Outcome::default(),
            held: self.hub.budget.charge(bytes),
            hub: self.hub.clone(),
        }));
    }

    /// Returns whether a COMMIT is under way or the session has portions to do.
    pub(super) fn has_portions(&self) -> bool {
        self.commit.is_some() || self.session.has_portions()
    }

    /// Does portions until none is left, the share of this poll is used up, or the connection has to wait for a
    /// receiver. Returns whether it did at least one.
    pub(super) fn do_portions(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut moved = false;
        while self.has_portions()
            && self.ending.is_none()
            && !self.quantum.is_used_up()
            && self.poll_pause(cx, now).is_ready()
        {
            self.do_portion(now);
            moved = true;
        }
        moved
    }

    /// Does one portion of a connection that ends.
    pub(super) fn do_last_portion(&mut self, now: Instant) {
        if self.commit.as_ref().is_some_and(|committing| committing.is_in_vain(now)) {
            self.commit = None;
        }
        self.do_portion(now);
        // A connection that ends does not wait for receivers.
        self.pause = Default::default();
    }

    fn do_portion(&mut self, now: Instant) {
        if self.commit.is_some() {
            return self.commit_one(now);
        }
        self.session.do_portion();
        if !self.session.has_portions() {
            self.parked.resize(self.session.parked_bytes());
        }
    }

    /// Does one portion of the COMMIT that is under way. Queues the RECEIPT when the last step is applied, or the ERROR
    /// when a step is refused.
    fn commit_one(&mut self, now: Instant) {
        let Some(committing) = &mut self.commit else { return };
        let mut more = Vec::new();
        match committing.advance(now) {
            Ok(Portion::Prepared | Portion::Settled) => return,
            Ok(Portion::Published(publish, published)) => return self.published(&publish, published, now),
            Ok(Portion::Done) => {
                let (receipt, outcome) = (committing.receipt.take(), std::mem::take(&mut committing.outcome));
                self.complete(receipt, &outcome, &mut more);
                self.pause_near_budget(now);
            }
            Err(refusal) => {
                committing.pass = Pass::GiveBack;
                let failed = Failed { about: committing.about, receipt: committing.receipt.take(), refusal };
                self.refuse(failed, &mut more);
                return self.perform(more, now);
            }
            Ok(Portion::GivenBack) => {}
        }
        self.commit = None;
        self.leave_written();
        self.perform(more, now);
    }
}
