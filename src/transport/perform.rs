//! The session wishes, the connection does.

use super::drive::Connection;
use super::wire::{Piece, Tail, Wire};
use crate::broker::{Publication, Published, Refusal, Settlement, Step, Subscriber, Terms};
use crate::outbox::{Key, Tag};
use crate::session::{self, Action, Closing, Publish, Receipt, Reject, Settle, Subscribe};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

impl<W: Wire> Connection<W> {
    /// Does what the session wishes, in order. A refusal drops what is left: nothing that came behind the
    /// offending frame is executed.
    pub(super) fn perform(&mut self, actions: Vec<Action>, now: Instant) {
        let mut wishes = VecDeque::from(actions);
        while let Some(action) = wishes.pop_front() {
            let mut more = Vec::new();
            match self.perform_one(action, &mut more, now) {
                Ok(()) => wishes.extend(more),
                Err((receipt, refusal)) => {
                    let closing = refusal.limit.map_or(Closing::Rejected, Closing::Limit);
                    let reject = Reject { summary: refusal.summary, detail: &refusal.detail };
                    self.session.refuse(receipt, reject, closing, &mut more);
                    wishes = more.into();
                }
            }
        }
        let parked = self.session.parked_bytes();
        if parked > self.parked.bytes() {
            self.pause_near_budget(now);
        }
        self.parked.resize(parked);
        self.count_transactions(self.session.open_transactions());
    }

    /// One wish; what follows from it (a RECEIPT) goes into `more`.
    fn perform_one(
        &mut self,
        action: Action,
        more: &mut Vec<Action>,
        now: Instant,
    ) -> Result<(), (Option<Receipt>, Refusal)> {
        let receipt = match action {
            Action::Write(frame) => {
                self.write_frame(&frame);
                return Ok(());
            }
            Action::HeartBeat => {
                self.wire.heart_beat(&mut self.out);
                return Ok(());
            }
            Action::Authenticate(credentials) => {
                let authenticator = self.hub.authenticator.clone();
                self.login = Some(Box::pin(async move { authenticator.authenticate(credentials).await }));
                return Ok(());
            }
            Action::Established(version) => {
                self.established = true;
                self.held = self.hub.budget.charge(self.held.bytes());
                self.wire.trust(self.session.beats_every());
                self.decoder.set_version(version);
                self.decoder.set_limits(self.hub.options.limits);
                return Ok(());
            }
            Action::OpenTemp(address) => {
                self.temps.push(self.hub.broker.open_temp(&address));
                return Ok(());
            }
            Action::Limit(option) => {
                self.hub.metrics.limit_hit(option);
                return Ok(());
            }
            Action::Close(closing) => {
                self.begin_ending(closing, now);
                return Ok(());
            }
            Action::Publish(publish) => self.publish(publish, now)?,
            Action::Subscribe(subscribe) => self.subscribe(subscribe, now)?,
            Action::Unsubscribe { key, receipt } => {
                self.unsubscribe(key, now);
                receipt
            }
            Action::Settle { settle, receipt } => {
                if let Some(subscription) = self.subscriptions.get(&settle.key) {
                    subscription.settle(&settle.tags, settlement(&settle), now);
                }
                receipt
            }
            Action::Commit { steps, receipt } => self.commit(&steps, receipt, now)?,
        };
        self.session.complete(receipt, &[], more);
        Ok(())
    }

    fn write_frame(&mut self, frame: &Bytes) {
        self.answers_bytes += frame.len();
        let text = std::str::from_utf8(frame).is_ok();
        let frame = frame.slice(..frame.len() - 1);
        let piece = Piece { prefix: &[], tail: Tail::Own(&frame), text, mark: None };
        self.wire.wrap(piece, &mut self.out);
    }

    fn publish(
        &mut self,
        publish: Publish,
        now: Instant,
    ) -> Result<Option<Receipt>, (Option<Receipt>, Refusal)> {
        let reply_to = reply_to(&publish);
        match self.hub.broker.publish(publication(&publish, reply_to.as_slice()), now) {
            Ok(published) => {
                self.published(published, now);
                Ok(publish.receipt)
            }
            Err(refusal) => Err((publish.receipt, refusal)),
        }
    }

    /// Receivers that are behind are waited for before the next frame is handled.
    fn published(&mut self, published: Published, now: Instant) {
        self.pushes += published.reached;
        self.pause.congested.extend(published.congested);
        self.pause_near_budget(now);
    }

    fn pause_near_budget(&mut self, now: Instant) {
        if self.hub.budget.is_near() && self.pause.budget_until.is_none() {
            self.pause.budget_until = Some(now + self.hub.outbox.burst_patience);
        }
    }

    fn subscribe(
        &mut self,
        subscribe: Subscribe,
        now: Instant,
    ) -> Result<Option<Receipt>, (Option<Receipt>, Refusal)> {
        let subscriber = Subscriber { outbox: self.outbox.clone(), key: subscribe.key };
        let terms = Terms {
            prefetch: subscribe.prefetch,
            prefetch_bytes: self.hub.options.prefetch_bytes,
            text_only: !self.wire.carries_binary(),
            presence_names: false,
        };
        match self.hub.broker.subscribe(&subscribe.selector, subscriber, terms, now) {
            Ok(subscription) => {
                self.subscriptions.insert(subscribe.key, subscription);
                Ok(subscribe.receipt)
            }
            Err(refusal) => Err((subscribe.receipt, refusal)),
        }
    }

    /// What still waits in the outbox goes back uncounted; what the session gave to the client and the
    /// client did not settle goes back with the subscription. While messages in auto mode are on their way to
    /// the socket the subscription stays, without a turn: nobody else must get them too, unless they are not
    /// written after all.
    fn unsubscribe(&mut self, key: Key, now: Instant) {
        let Some(subscription) = self.subscriptions.remove(&key) else { return };
        let waiting: Vec<Tag> = self.outbox.withdraw(key).iter().map(|parcel| parcel.tag).collect();
        subscription.settle(&waiting, Settlement::Unwritten, now);
        if self.out.unwritten().any(|mark| mark.key == key && mark.settles) {
            self.leaving.insert(key, subscription);
        } else {
            drop(subscription);
        }
        self.resume_starved(now);
    }

    fn commit(
        &mut self,
        steps: &[session::Step],
        receipt: Option<Receipt>,
        now: Instant,
    ) -> Result<Option<Receipt>, (Option<Receipt>, Refusal)> {
        let replies: Vec<_> = steps
            .iter()
            .map(|step| match step {
                session::Step::Publish(publish) => reply_to(publish),
                session::Step::Settle(_) => None,
            })
            .collect();
        let mut prepared = Vec::with_capacity(steps.len());
        for (step, reply_to) in steps.iter().zip(&replies) {
            match step {
                session::Step::Publish(publish) => {
                    prepared.push(Step::Publish(publication(publish, reply_to.as_slice())));
                }
                session::Step::Settle(settle) => {
                    // The session refuses to commit what belongs to a subscription that has gone.
                    let Some(subscription) = self.subscriptions.get(&settle.key) else { continue };
                    let settlement = settlement(settle);
                    prepared.push(Step::Settle { subscription, tags: &settle.tags, settlement });
                }
            }
        }
        match self.hub.broker.commit(&prepared, now) {
            Ok(published) => {
                drop(prepared);
                self.published(published, now);
                Ok(receipt)
            }
            Err(refusal) => Err((receipt, refusal)),
        }
    }

    /// Keeps the gauge of open transactions.
    pub(super) fn count_transactions(&mut self, open: usize) {
        if open != self.transactions {
            self.hub.metrics.transactions.inc_by(open as i64 - self.transactions as i64);
            self.transactions = open;
        }
    }
}

fn settlement(settle: &Settle) -> Settlement {
    if settle.accepted { Settlement::Accepted } else { Settlement::Returned }
}

/// The header that replaces a `reply-to` to a temporary queue.
fn reply_to(publish: &Publish) -> Option<(&str, &str)> {
    publish.reply_to.as_ref().map(|address| ("reply-to", address.as_str()))
}

fn publication<'a>(publish: &'a Publish, extra: &'a [(&'a str, &'a str)]) -> Publication<'a> {
    Publication {
        destination: &publish.destination,
        to_session: None,
        shown: &publish.shown,
        headers: &publish.frame.headers,
        extra,
        body: &publish.frame.body,
    }
}
