//! Executes the actions that the session requests.

use super::connection::Connection;
use super::publish::{ReceiverCounts, settlement};
use super::wire::{OutgoingFrame, Tail, Wire};
use crate::broker::{BrokerError, ConsumerOptions, Settlement, Subscriber, TempQueue};
use crate::destination::Selector;
use crate::outbound_queue::{Key, Tag};
use crate::session::{Action, Closing, ErrorReply, Receipt, RejectedAction, Settle, Subscribe};
use crate::work;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;
use stompbox_frames::stomp::Version;

/// A request that failed, and the reason.
pub(super) struct ActionError {
    pub(super) about: RejectedAction,
    pub(super) receipt: Option<Receipt>,
    pub(super) broker_error: BrokerError,
}

impl<W: Wire> Connection<W> {
    /// Executes actions in order. If one fails and that closes the session, the remaining actions are dropped: nothing
    /// that came after the offending frame is executed.
    pub(super) fn execute(&mut self, actions: Vec<Action>, now: Instant) {
        let mut wishes = VecDeque::from(actions);
        while let Some(action) = wishes.pop_front() {
            let mut more = Vec::new();
            match self.execute_action(action, &mut more, now) {
                Ok(()) => wishes.extend(more),
                Err(failed) => {
                    self.refuse(failed, &mut more);
                    if self.session.is_closed() {
                        wishes.clear();
                    }
                    wishes.extend(more);
                }
            }
        }
        let parked = self.session.parked_bytes();
        if parked > self.parked.bytes() {
            self.pause_near_budget(now);
        }
        self.parked.resize(parked);
        self.charge_subscriptions();
        self.count_transactions(self.session.open_transactions());
    }

    /// Executes one action. Adds the actions that follow from it, such as a RECEIPT, to `more`.
    fn execute_action(
        &mut self,
        action: Action,
        more: &mut Vec<Action>,
        now: Instant,
    ) -> Result<(), ActionError> {
        let mut outcome = ReceiverCounts::default();
        let receipt = match action {
            Action::Write(frame) => {
                self.write_frame(&frame);
                return Ok(());
            }
            Action::HeartBeat => {
                self.wire.heart_beat(&mut self.out);
                return Ok(());
            }
            action @ (Action::Authenticate(_) | Action::Agent(_) | Action::Renew { .. }) => {
                self.authenticate(action);
                return Ok(());
            }
            Action::AccessDenied { .. } | Action::IgnoredHeader { .. } => {
                self.log_action(&action, now);
                return Ok(());
            }
            Action::Report(publish) => {
                self.report_error(&publish, now);
                return Ok(());
            }
            Action::Established(version) => {
                self.establish(version, now);
                return Ok(());
            }
            Action::OpenTemp(address) => {
                self.opening = Some(address);
                return Ok(());
            }
            Action::Limit(option) => {
                self.context.metrics.limit_hit(option);
                return Ok(());
            }
            Action::Lost(deliveries) => {
                self.count_lost(&deliveries, now);
                return Ok(());
            }
            Action::Close(closing) => {
                self.begin_ending(closing, now);
                return Ok(());
            }
            Action::Publish(publish) => {
                outcome = self.publish(&publish, now)?;
                publish.receipt
            }
            Action::Subscribe(subscribe) => self.subscribe(subscribe, now)?,
            Action::Unsubscribe { key, receipt } => {
                self.unsubscribe(key, now);
                receipt
            }
            Action::Settle { settle, receipt } => {
                self.settle_for_client(&settle, now);
                receipt
            }
            Action::Commit { steps, receipt } => {
                self.begin_commit(steps, receipt);
                return Ok(());
            }
        };
        self.complete(receipt, &outcome, more);
        Ok(())
    }

    /// Reports a failed request to the session, and adds the actions that follow to `more`.
    pub(super) fn refuse(&mut self, failed: ActionError, more: &mut Vec<Action>) {
        let ActionError { about, receipt, broker_error } = failed;
        let closing = broker_error.limit.map_or(Closing::Rejected, Closing::Limit);
        let reject = ErrorReply { summary: broker_error.summary, detail: &broker_error.detail };
        self.session.action_rejected(about, receipt, reject, closing, more);
    }

    pub(super) fn complete(
        &mut self,
        receipt: Option<Receipt>,
        outcome: &ReceiverCounts,
        more: &mut Vec<Action>,
    ) {
        let headers = outcome.headers();
        let headers: Vec<_> = headers.iter().map(|(name, count)| (*name, count.as_str())).collect();
        self.session.complete(receipt, &headers, more);
    }

    /// Settles deliveries that the client has acknowledged or rejected.
    fn settle_for_client(&self, settle: &Settle, now: Instant) {
        if let Some(subscription) = self.subscriptions.get(settle.key) {
            subscription.settle(&settle.tags, settlement(settle), now);
        }
    }

    /// Applies the limits of signed-in clients, and registers the session as online.
    fn establish(&mut self, version: Version, now: Instant) {
        self.established = true;
        self.held = self.context.budget.charge(self.held.bytes());
        self.input.move_to(&self.context.input);
        self.wire.trust(self.session.heartbeat_interval());
        self.decoder.set_version(version);
        self.decoder.set_limits(self.context.options.limits);
        self.enter(now);
    }

    fn write_frame(&mut self, frame: &Bytes) {
        self.answers_bytes += frame.len();
        let text = std::str::from_utf8(frame).is_ok();
        let frame = frame.slice(..frame.len() - 1);
        let piece = OutgoingFrame { prefix: &[], tail: Tail::Own(&frame), text, mark: None };
        self.wire.wrap(piece, &mut self.out);
    }

    fn subscribe(&mut self, subscribe: Subscribe, now: Instant) -> Result<Option<Receipt>, ActionError> {
        let subscriber = Subscriber { outbound_queue: self.outbound_queue.clone(), key: subscribe.key };
        let terms = ConsumerOptions {
            prefetch: subscribe.prefetch,
            prefetch_bytes: subscribe.prefetch_bytes.map_or(self.context.options.prefetch_bytes, |bytes| {
                bytes.min(self.context.options.prefetch_bytes)
            }),
            text_only: !self.wire.carries_binary(),
            presence_names: subscribe.names,
        };
        let subscribed = self.open_temp(&subscribe.selector).and_then(|temp| {
            self.check_subscription(&subscribe.selector)?;
            let subscription = self.context.broker.subscribe(&subscribe.selector, subscriber, terms, now)?;
            Ok((temp, subscription))
        });
        match subscribed {
            Ok((temp, subscription)) => {
                if let Some(temp) = temp {
                    self.subscription_bytes += temp.bytes();
                    self.temps.push(temp);
                }
                self.subscription_bytes += subscription.bytes();
                self.session.share_selector(subscribe.key, subscription.selector());
                self.subscriptions.insert(subscribe.key, subscription);
                Ok(subscribe.receipt)
            }
            Err(broker_error) => {
                let about = RejectedAction::Subscribe(subscribe.key);
                Err(ActionError { about, receipt: subscribe.receipt, broker_error })
            }
        }
    }

    /// Opens the temporary queue that the session requested for this subscription, if any.
    fn open_temp(&mut self, selector: &Selector) -> Result<Option<TempQueue>, BrokerError> {
        match self.opening.take() {
            Some(address) if address.as_str() == selector.as_str() => {
                self.context.broker.open_temp(&address).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Checks that this session may hold one more subscription. The subscription is counted as if it shared nothing
    /// with subscriptions of other sessions, so that the limit of a session does not depend on others.
    fn check_subscription(&self, selector: &Selector) -> Result<(), BrokerError> {
        let max = self.context.session.subscription_bytes_max;
        let held = self.subscription_bytes + self.session.subscription_bytes();
        let bytes = self.context.broker.subscription_bytes(selector);
        if held.saturating_add(bytes) <= max {
            return Ok(());
        }
        let detail = format!(
            "The subscriptions and temporary queues of this session hold {held} bytes, and the one to {selector} needs \
             {bytes}; subscription-bytes-max allows {max}. Subscribe to less, with shorter names and ids and fewer \
             wildcards, or ask the operator to raise subscription-bytes-max.",
            selector = shortened(selector.as_str())
        );
        Err(BrokerError { summary: "subscriptions too large", detail, limit: Some("subscription-bytes-max") })
    }

    /// Updates the charge for subscriptions and open transactions. The broker charges its own part.
    fn charge_subscriptions(&mut self) {
        let bytes =
            self.session.subscription_bytes() + self.session.transaction_bytes() + self.subscriptions.bytes();
        if bytes != self.subscribed.bytes() {
            self.subscribed.resize(bytes);
        }
    }

    /// Ends a subscription. Deliveries that still wait in the outbound queue are requeued uncounted. Deliveries that
    /// were sent to the client and not settled are requeued when the subscription is dropped.
    ///
    /// While messages in auto mode are on their way to the socket, the subscription stays in `leaving` and gets no
    /// further deliveries: no other client may get these messages, unless they are not written after all.
    fn unsubscribe(&mut self, key: Key, now: Instant) {
        let Some(subscription) = self.subscriptions.remove(key) else { return };
        self.subscription_bytes -= subscription.bytes();
        work::add_visits(self.out.frames_unwritten());
        // A COMMIT in progress may still settle its deliveries.
        if self.commit.is_some() || self.out.unwritten().any(|mark| mark.key == key && mark.settles) {
            let waiting: Vec<Tag> = self.outbound_queue.withdraw(key).into();
            subscription.settle(&waiting, Settlement::Unwritten, now);
            self.ending_subscriptions.insert(key, subscription);
        } else {
            // Deliveries in the outbound queue are requeued in order, together with all others of the subscription.
            drop(subscription);
        }
        self.resume_blocked_queues(now);
    }

    /// Updates the gauge of open transactions.
    pub(super) fn count_transactions(&mut self, open: usize) {
        if open != self.transactions {
            self.context.metrics.transactions.inc_by(open as i64 - self.transactions as i64);
            self.transactions = open;
        }
    }
}

/// Returns a destination in quotes for an ERROR, shortened if it is long.
fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    let shown: String = text.chars().take(CHARACTERS_MAX).collect();
    if shown.len() < text.len() { format!("{shown:?}…") } else { format!("{shown:?}") }
}
