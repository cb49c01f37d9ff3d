//! Executes the actions that the session requests.

use super::action_error::ActionError;
use super::broker_request::settlement;
use super::receiver_counts::ReceiverCounts;
use crate::broker::{BrokerError, ConsumerOptions, Settlement, Subscriber, TempQueueHandle};
use crate::connection::state::Connection;
use crate::destination::Selector;
use crate::outbound_queue::{Key, Tag};
use crate::session::{Action, Closing, ErrorReply, Receipt, RejectedAction, Settle, Subscribe};
use crate::wire::{OutgoingFrame, Tail, Wire};
use crate::work;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;
use stompbox_frames::stomp::Version;

impl<W: Wire> Connection<W> {
    /// Executes actions in order. If an action fails and the failure closes the session, drops the remaining actions.
    pub(crate) fn execute(&mut self, actions: Vec<Action>, now: Instant) {
        let mut pending = VecDeque::from(actions);
        while let Some(action) = pending.pop_front() {
            let mut follow_ups = Vec::new();
            match self.execute_action(action, &mut follow_ups, now) {
                Ok(()) => pending.extend(follow_ups),
                Err(error) => {
                    self.reject(error, &mut follow_ups);
                    if self.session.is_closed() {
                        pending.clear();
                    }
                    pending.extend(follow_ups);
                }
            }
        }
        let parked = self.session.parked_bytes();
        if parked > self.parked_charge.bytes() {
            self.pause_near_budget(now);
        }
        self.parked_charge.resize(parked);
        self.charge_subscriptions();
        self.count_transactions(self.session.open_transactions());
    }

    /// Executes one action. Adds the actions that it causes, such as writing a RECEIPT, to `follow_ups`.
    fn execute_action(
        &mut self,
        action: Action,
        follow_ups: &mut Vec<Action>,
        now: Instant,
    ) -> Result<(), ActionError> {
        let mut receivers = ReceiverCounts::default();
        let receipt = match action {
            Action::Write(frame) => {
                self.write_frame(&frame);
                return Ok(());
            }
            Action::HeartBeat => {
                self.wire.write_heartbeat(&mut self.out);
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
                self.next_temp_queue = Some(address);
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
                receivers = self.publish(&publish, now)?;
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
        self.complete(receipt, &receivers, follow_ups);
        Ok(())
    }

    /// Reports a failed request to the session. Adds the actions that the session then requests to `follow_ups`.
    pub(crate) fn reject(&mut self, error: ActionError, follow_ups: &mut Vec<Action>) {
        let ActionError { rejected_action, receipt, broker_error } = error;
        let closing = broker_error.limit.map_or(Closing::Rejected, Closing::Limit);
        let reply = ErrorReply { summary: broker_error.summary, detail: &broker_error.detail };
        self.session.action_rejected(rejected_action, receipt, reply, closing, follow_ups);
    }

    pub(crate) fn complete(
        &mut self,
        receipt: Option<Receipt>,
        receivers: &ReceiverCounts,
        follow_ups: &mut Vec<Action>,
    ) {
        let headers = receivers.headers();
        let headers: Vec<_> = headers.iter().map(|(name, count)| (*name, count.as_str())).collect();
        self.session.complete(receipt, &headers, follow_ups);
    }

    /// Settles deliveries that the client has acknowledged or rejected.
    fn settle_for_client(&self, settle: &Settle, now: Instant) {
        if let Some(subscription) = self.subscriptions.get(settle.key) {
            subscription.settle(&settle.tags, settlement(settle), now);
        }
    }

    /// Applies the limits for authenticated clients, and registers the session as online.
    fn establish(&mut self, version: Version, now: Instant) {
        self.established = true;
        self.held_charge = self.context.budget.charge(self.held_charge.bytes());
        self.input.move_to(&self.context.input);
        self.wire.set_authenticated(self.session.heartbeat_interval());
        self.decoder.set_version(version);
        self.decoder.set_limits(self.context.options.limits);
        self.register_online(now);
    }

    fn write_frame(&mut self, frame: &Bytes) {
        self.answers_bytes += frame.len();
        let text = std::str::from_utf8(frame).is_ok();
        let content = frame.slice(..frame.len() - 1);
        let outgoing = OutgoingFrame { prefix: &[], tail: Tail::Own(&content), text, mark: None };
        self.wire.write_frame(outgoing, &mut self.out);
    }

    fn subscribe(&mut self, subscribe: Subscribe, now: Instant) -> Result<Option<Receipt>, ActionError> {
        let subscriber = Subscriber { outbound_queue: self.outbound_queue.clone(), key: subscribe.key };
        let options = ConsumerOptions {
            prefetch: subscribe.prefetch,
            prefetch_bytes: subscribe.prefetch_bytes.map_or(self.context.options.prefetch_bytes, |bytes| {
                bytes.min(self.context.options.prefetch_bytes)
            }),
            text_only: !self.wire.carries_binary(),
            presence_names: subscribe.names,
        };
        let subscribed = self.open_temp(&subscribe.selector).and_then(|temp| {
            self.check_subscription(&subscribe.selector)?;
            let subscription =
                self.context.broker.subscribe(&subscribe.selector, subscriber, options, now)?;
            Ok((temp, subscription))
        });
        match subscribed {
            Ok((temp, subscription)) => {
                if let Some(temp) = temp {
                    self.subscription_bytes += temp.bytes();
                    self.temp_queues.push(temp);
                }
                self.subscription_bytes += subscription.bytes();
                self.session.share_selector(subscribe.key, subscription.selector());
                self.subscriptions.insert(subscribe.key, subscription);
                Ok(subscribe.receipt)
            }
            Err(broker_error) => {
                let rejected_action = RejectedAction::Subscribe(subscribe.key);
                Err(ActionError { rejected_action, receipt: subscribe.receipt, broker_error })
            }
        }
    }

    /// Opens the temporary queue, if the session has requested one for this subscription.
    fn open_temp(&mut self, selector: &Selector) -> Result<Option<TempQueueHandle>, BrokerError> {
        match self.next_temp_queue.take() {
            Some(address) if address.as_str() == selector.as_str() => {
                self.context.broker.open_temp(&address).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Checks that this session may hold one more subscription. A subscription counts with its full size, even if it
    /// shares memory with other sessions. The limit of a session therefore does not depend on other sessions.
    fn check_subscription(&self, selector: &Selector) -> Result<(), BrokerError> {
        let max = self.context.session.subscription_bytes_max;
        let held = self.subscription_bytes + self.session.subscription_bytes();
        let bytes = self.context.broker.subscription_bytes(selector);
        if held.saturating_add(bytes) <= max {
            return Ok(());
        }
        let detail = format!(
            "The subscription to {selector} needs {bytes} bytes. The other subscriptions and the temporary queues of \
             this session use {held} bytes. subscription-bytes-max allows {max}. Use fewer subscriptions or wildcards, \
             use shorter names and ids, or ask the operator to raise subscription-bytes-max.",
            selector = quoted_and_shortened(selector.as_str())
        );
        Err(BrokerError { summary: "subscriptions too large", detail, limit: Some("subscription-bytes-max") })
    }

    /// Updates the charge for the lists of subscriptions and for open transactions. The broker itself charges what it
    /// holds for subscriptions.
    fn charge_subscriptions(&mut self) {
        let bytes =
            self.session.subscription_bytes() + self.session.transaction_bytes() + self.subscriptions.bytes();
        if bytes != self.subscription_charge.bytes() {
            self.subscription_charge.resize(bytes);
        }
    }

    /// Ends a subscription. Deliveries that wait in the outbound queue are requeued without counting as attempts.
    /// Deliveries that were sent to the client and not settled are requeued when the subscription is dropped.
    ///
    /// In auto mode, writing a message settles it. While such messages are on their way to the socket,
    /// `ending_subscriptions` keeps the subscription. The broker then gives these messages to another client only if
    /// writing them fails. The subscription gets no further deliveries in that time.
    fn unsubscribe(&mut self, key: Key, now: Instant) {
        let Some(subscription) = self.subscriptions.remove(key) else { return };
        self.subscription_bytes -= subscription.bytes();
        work::add_visits(self.out.frames_unwritten());
        // A COMMIT in progress may still settle deliveries of this subscription.
        if self.commit.is_some() || self.out.unwritten().any(|mark| mark.key == key && mark.settles) {
            let waiting: Vec<Tag> = self.outbound_queue.withdraw(key).into();
            subscription.settle(&waiting, Settlement::Unwritten, now);
            self.ending_subscriptions.insert(key, subscription);
        } else {
            // Dropping requeues all deliveries of the subscription in order, including those in the outbound queue.
            drop(subscription);
        }
        self.resume_blocked_queues(now);
    }

    /// Updates the metric of open transactions to `open` transactions of this session.
    pub(crate) fn count_transactions(&mut self, open: usize) {
        if open != self.transactions {
            self.context.metrics.transactions.inc_by(open as i64 - self.transactions as i64);
            self.transactions = open;
        }
    }
}

/// Returns a destination in quotes for an ERROR, shortened if it is long.
fn quoted_and_shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    let start: String = text.chars().take(CHARACTERS_MAX).collect();
    if start.len() < text.len() { format!("{start:?}…") } else { format!("{start:?}") }
}
