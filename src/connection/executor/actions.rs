//! Executes the actions that the session requests.

use super::action_error::ActionError;
use super::receiver_counts::receipt_headers;
use crate::broker::{ReceiverCounts, TempQueueHandle};
use crate::command::{Settlement, Subscribe};
use crate::connection::state::Connection;
use crate::connection::state::pending_outcomes::PendingRequest;
use crate::destination::Selector;
use crate::outbound_queue::{Key, Tag};
use crate::rejection::Rejection;
use crate::session::{Action, Receipt, RejectedAction};
use crate::wire::Wire;
use crate::work;
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
        if parked > self.executor.parked_charge.bytes() {
            self.pause_near_budget(now);
        }
        self.executor.parked_charge.resize(parked);
        self.charge_subscriptions();
        self.executor.count_transactions(self.session.open_transactions(), &self.context.metrics);
    }

    /// Executes one action. Adds the actions that it causes, such as writing a RECEIPT, to `follow_ups`.
    fn execute_action(
        &mut self,
        action: Action,
        follow_ups: &mut Vec<Action>,
        now: Instant,
    ) -> Result<(), ActionError> {
        match action {
            Action::Write(frame) => self.io.write_answer(&frame),
            Action::HeartBeat => self.io.write_heartbeat(),
            action @ (Action::Authenticate(_) | Action::Agent(_) | Action::Renew { .. }) => {
                self.authenticate(action);
            }
            Action::AccessDenied(_) | Action::IgnoredHeader { .. } => self.log_action(&action, now),
            Action::Report(publish) => self.report_error(&publish, now),
            Action::Established(version) => self.establish(version, now),
            Action::OpenTemp(address) => self.executor.next_temp_queue = Some(address),
            Action::Limit(limit) => self.context.metrics.limit_hit(limit),
            Action::Lost(deliveries) => self.count_lost(&deliveries, now),
            Action::Close(closing) => self.begin_ending(closing, now),
            Action::Commit { steps, receipt } => self.begin_commit(steps, receipt),
            Action::Publish { publish, receipt } => {
                let rejected_action = RejectedAction::Publish;
                match self.publish(&publish, now) {
                    Ok((receivers, ticket)) => {
                        let request = PendingRequest { rejected_action, receipt, receivers };
                        self.complete_after(ticket, request, follow_ups);
                    }
                    Err(rejection) => return Err(ActionError { rejected_action, receipt, rejection }),
                }
            }
            Action::Subscribe { subscribe, receipt } => {
                let rejected_action = RejectedAction::Subscribe(subscribe.key);
                if let Err(rejection) = self.subscribe(subscribe, now) {
                    return Err(ActionError { rejected_action, receipt, rejection });
                }
                self.complete(receipt, &ReceiverCounts::default(), follow_ups);
            }
            Action::Unsubscribe { key, receipt } => {
                self.unsubscribe(key, now);
                self.complete(receipt, &ReceiverCounts::default(), follow_ups);
            }
            Action::Settle { settle, receipt } => {
                let ticket = self.executor.settle_for_client(&settle, now);
                // The client does not wait for the outcome of an ACK without a receipt. A lost ACK only causes a redelivery.
                let ticket = ticket.filter(|_| receipt.is_some());
                let (rejected_action, receivers) = (RejectedAction::Other, ReceiverCounts::default());
                let request = PendingRequest { rejected_action, receipt, receivers };
                self.complete_after(ticket, request, follow_ups);
            }
        }
        Ok(())
    }

    /// Reports a failed request to the session. Adds the actions that the session then requests to `follow_ups`.
    pub(crate) fn reject(&mut self, error: ActionError, follow_ups: &mut Vec<Action>) {
        let ActionError { rejected_action, receipt, rejection } = error;
        self.session.action_rejected(rejected_action, receipt, &rejection, follow_ups);
    }

    pub(crate) fn complete(
        &mut self,
        receipt: Option<Receipt>,
        receivers: &ReceiverCounts,
        follow_ups: &mut Vec<Action>,
    ) {
        let headers = receipt_headers(receivers);
        let headers: Vec<_> = headers.iter().map(|(name, count)| (*name, count.as_str())).collect();
        self.session.complete(receipt, &headers, follow_ups);
    }

    /// Applies the limits for authenticated clients, and registers the session as online.
    fn establish(&mut self, version: Version, now: Instant) {
        self.login.established = true;
        self.io.held_charge = self.context.budget.charge(self.io.held_charge.bytes());
        self.io.input.move_to(&self.context.input);
        self.io.wire.set_authenticated(self.session.heartbeat_interval());
        self.io.decoder.set_version(version);
        self.io.decoder.set_limits(self.context.options.limits);
        self.register_online(now);
    }

    fn subscribe(&mut self, mut subscribe: Subscribe, now: Instant) -> Result<(), Rejection> {
        let Subscribe { key, ref selector, ref mut options } = subscribe;
        options.text_only = !self.io.wire.carries_binary();
        let temp = self.open_temp(selector)?;
        let held = self.executor.subscription_bytes + self.session.subscription_bytes();
        self.context.check_subscription(held, selector)?;
        let subscription = self.context.broker.subscribe(&subscribe, &self.outbound_queue, now)?;
        if let Some(temp) = temp {
            self.executor.subscription_bytes += temp.bytes();
            self.executor.temp_queues.push(temp);
        }
        self.executor.subscription_bytes += subscription.bytes();
        self.session.share_selector(key, subscription.selector());
        self.executor.subscriptions.insert(key, subscription);
        Ok(())
    }

    /// Opens the temporary queue, if the session has requested one for this subscription.
    fn open_temp(&mut self, selector: &Selector) -> Result<Option<TempQueueHandle>, Rejection> {
        match self.executor.next_temp_queue.take() {
            Some(address) if address.as_str() == selector.as_str() => {
                self.context.broker.open_temp(&address).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Updates the charge for the lists of subscriptions and for open transactions. The broker itself charges what it
    /// holds for subscriptions.
    fn charge_subscriptions(&mut self) {
        let bytes = self.session.subscription_bytes()
            + self.session.transaction_bytes()
            + self.executor.subscriptions.bytes();
        if bytes != self.executor.subscription_charge.bytes() {
            self.executor.subscription_charge.resize(bytes);
        }
    }

    /// Ends a subscription. Deliveries that wait in the outbound queue are requeued without counting as attempts.
    /// Deliveries that were sent to the client and not settled are requeued when the subscription is dropped.
    ///
    /// In auto mode, writing a message settles it. While such messages are on their way to the socket,
    /// `ending_subscriptions` keeps the subscription. The broker then gives these messages to another client only if
    /// writing them fails. The subscription gets no further deliveries in that time.
    fn unsubscribe(&mut self, key: Key, now: Instant) {
        let Some(subscription) = self.executor.subscriptions.remove(key) else { return };
        self.executor.subscription_bytes -= subscription.bytes();
        work::add_visits(self.io.out.frames_unwritten());
        // A COMMIT in progress may still settle deliveries of this subscription.
        if self.executor.commit.is_some()
            || self.io.out.unwritten().any(|mark| mark.key == key && mark.settles)
        {
            let waiting: Vec<Tag> = self.outbound_queue.withdraw(key).into();
            subscription.settle(&waiting, Settlement::Unwritten, now);
            self.executor.ending_subscriptions.insert(key, subscription);
        } else {
            // Dropping requeues all deliveries of the subscription in order, including those in the outbound queue.
            drop(subscription);
        }
        self.executor.resume_blocked_queues(&self.outbound_queue, now);
    }
}
