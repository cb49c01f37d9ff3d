//! Handles the inputs of a session: frames of the client, deliveries, results of actions, and the time.

mod access;
mod acknowledge;
mod connect;
mod ending;
mod memory;
mod prefetch;
mod receipts;
mod send;
mod subscribe;
mod transactions;

use super::action::{Action, DeliveryAction, Receipt};
use super::closing::Closing;
use super::machine::Session;
use super::receipts::requested;
use super::state::SessionState;
use super::subscriptions::{AckMode, SessionSubscription};
use super::timers::HeartbeatEvent;
use super::unsettled::{AckId, AckIdBuffer};
use crate::auth::{LoginError, Principal};
use crate::outbound_queue::Delivery;
use crate::permissions::Permissions;
use crate::rejection::Rejection;
use access::may_be_soft;
use bytes::BytesMut;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::message::{self, DeliveryHeaders};
use stompbox_frames::stomp::{Command, DecodeError, Frame, Version};

impl Session {
    /// Handles a frame of the client. Must not be called between [`Action::Authenticate`] and
    /// [`Session::authenticated`].
    pub fn handle(&mut self, frame: Frame, now: Instant, actions: &mut Vec<Action>) {
        let mut receipt = requested(&frame);
        let receipt_fits = receipt.as_ref().map_or(Ok(()), |receipt| self.check_id("receipt", &receipt.id));
        if receipt_fits.is_err() {
            receipt = None;
        }
        if self.is_expired(now) && self.state == SessionState::Connected {
            return self.fail(receipt, &Rejection::expired(), actions);
        }
        let command = frame.command;
        let (transaction, destination) = self.transaction_and_destination(&frame);
        let handled = match self.state {
            SessionState::Connected if receipt_fits.is_err() => receipt_fits,
            SessionState::Connecting => self.connect(&frame, actions),
            SessionState::Authenticating { .. } => Err(Rejection::while_authenticating(frame.command)),
            SessionState::Connected => self.handle_connected(frame, &mut receipt, now, actions),
            SessionState::Leaving | SessionState::Closed => Ok(()),
        };
        if let Err(rejection) = handled {
            self.reject(command, (transaction.as_deref(), destination), receipt, &rejection, actions);
        }
    }

    /// Returns the transaction and the destination of a frame if its rejection may leave the session open.
    fn transaction_and_destination(&self, frame: &Frame) -> (Option<Box<str>>, Option<Box<str>>) {
        if !self.soft_errors || !may_be_soft(frame.command) {
            return (None, None);
        }
        let in_transactions = matches!(frame.command, Command::Send | Command::Ack | Command::Nack);
        let transaction = frame.header("transaction").filter(|_| in_transactions);
        (transaction.map(Box::from), frame.header("destination").map(Box::from))
    }

    /// Ends the session, because the received bytes are not a valid frame.
    pub fn malformed(&mut self, error: &DecodeError, actions: &mut Vec<Action>) {
        if self.state != SessionState::Leaving {
            let receipt = error.receipt.as_deref().map(Receipt::from);
            let is_established = self.state == SessionState::Connected;
            self.fail(receipt, &Rejection::undecodable(error, is_established), actions);
        }
    }

    /// Handles the result of [`Action::Authenticate`]. `permissions` are the current rules.
    pub fn authenticated(
        &mut self,
        result: Result<Principal, LoginError>,
        permissions: Arc<Permissions>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let SessionState::Authenticating { peer } = self.state else { return };
        match result {
            Ok(principal) => {
                self.client.set_permissions(permissions);
                self.establish(principal, peer, now, actions);
            }
            Err(error) => self.fail(None, &error.rejection, actions),
        }
    }

    /// Completes a receipt, because its action is done. Sends the RECEIPT with the headers `extra` when all earlier
    /// receipts are complete.
    pub fn complete(&mut self, receipt: Option<Receipt>, extra: &[(&str, &str)], actions: &mut Vec<Action>) {
        let Some(receipt) = receipt else { return };
        if self.state == SessionState::Closed {
            return;
        }
        let frame = self.encode_receipt(&receipt.id, extra);
        self.receipts.complete(&receipt, frame);
        self.release_receipts(actions);
    }

    /// Sends the completed receipts up to the first pending one. Ends a session in the state `Leaving` when no receipt
    /// is left.
    fn release_receipts(&mut self, actions: &mut Vec<Action>) {
        while let Some(frame) = self.receipts.pop() {
            actions.push(Action::Write(frame));
        }
        if self.state == SessionState::Leaving && self.receipts.is_empty() {
            self.close(Closing::Disconnected, actions);
        }
    }

    /// Decides what to do with a delivery before it is written. For [`DeliveryAction::Write`], appends the start of the
    /// MESSAGE to `prefix`, with the headers of this subscription.
    pub fn deliver(&mut self, delivery: &Delivery, prefix: &mut BytesMut) -> DeliveryAction {
        let (version, ack_prefix, unsettled_max) =
            (self.version, self.ack_prefix, self.options.unsettled_max);
        let is_full = self.subscriptions.unsettled_bytes() >= self.options.subscription_bytes_max;
        let deliver = |subscription: &mut SessionSubscription| {
            let mut buffer = AckIdBuffer::default();
            let mut ack = None;
            if let AckMode::Client(_) = subscription.mode {
                // The prefetch limit of the consumer bounds the unsettled deliveries of a work queue (tag != 0).
                if delivery.tag == 0 && subscription.unsettled.len() >= unsettled_max {
                    return DeliveryAction::UnsettledCountExceeded;
                }
                if delivery.tag == 0 && is_full {
                    return DeliveryAction::UnsettledBytesExceeded;
                }
                let number = subscription.unsettled.deliver(delivery.tag, delivery.message.id());
                if version == Version::V1_2 {
                    ack = Some(AckId { key: delivery.key, number }.format_into(ack_prefix, &mut buffer));
                }
            }
            let subscription_id = subscription.id.as_deref();
            message::prefix(
                prefix,
                version,
                DeliveryHeaders { subscription: subscription_id, ack, count: delivery.count },
            );
            DeliveryAction::Write {
                settle_when_written: subscription.mode == AckMode::Auto && delivery.tag != 0,
            }
        };
        self.subscriptions.change(delivery.key, deliver).unwrap_or(DeliveryAction::Skip)
    }

    /// Records that at least one byte was received.
    pub fn note_input(&mut self, now: Instant) {
        self.timers.note_input(now);
    }

    /// Records that at least one byte was written.
    pub fn note_output(&mut self, now: Instant) {
        self.timers.note_output(now);
    }

    /// Returns the time at which [`Session::expire`] must be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            SessionState::Connecting => self.timers.connect_deadline(&self.options),
            SessionState::Connected => [self.timers.heartbeat_deadline(), self.client.principal().expires]
                .into_iter()
                .flatten()
                .min(),
            SessionState::Authenticating { .. } | SessionState::Leaving | SessionState::Closed => None,
        }
    }

    /// Handles heartbeats and timeouts that are due.
    pub fn expire(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match self.state {
            SessionState::Connecting => {
                if let Some(expired) = self.timers.expired_timeout(&self.options, now) {
                    self.fail(None, &Rejection::connect_timeout(expired), actions);
                }
            }
            SessionState::Connected if self.is_expired(now) => {
                self.fail(None, &Rejection::expired(), actions)
            }
            SessionState::Connected => match self.timers.poll_heartbeat(now) {
                Some(HeartbeatEvent::Send) => actions.push(Action::HeartBeat),
                Some(HeartbeatEvent::Lost) => self.close(Closing::HeartbeatLost, actions),
                None => {}
            },
            SessionState::Authenticating { .. } | SessionState::Leaving | SessionState::Closed => {}
        }
    }

    /// Handles a frame in the state `Connected`. If it returns an error, `receipt` keeps its value for the ERROR.
    #[inline]
    fn handle_connected(
        &mut self,
        frame: Frame,
        receipt: &mut Option<Receipt>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let per_second = self.options.frames_per_second_max;
        if self.rate.exceeded(per_second, now) {
            return Err(Rejection::frame_rate(per_second));
        }
        match frame.command {
            Command::Send => self.send(frame, receipt, actions),
            Command::Subscribe => self.subscribe(&frame, receipt, actions),
            Command::Unsubscribe => self.unsubscribe(&frame, receipt, actions),
            Command::Ack | Command::Nack => self.acknowledge(&frame, receipt, actions),
            Command::Begin => self.begin(&frame, receipt, actions),
            Command::Commit => self.commit(&frame, receipt, actions),
            Command::Abort => self.abort(&frame, receipt, actions),
            Command::Disconnect => {
                self.disconnect(receipt.take(), actions);
                Ok(())
            }
            Command::Connect | Command::Stomp => Err(Rejection::connected_already(frame.command)),
            Command::Connected | Command::Message | Command::Receipt | Command::Error => {
                Err(Rejection::server_command(frame.command))
            }
        }
    }
}
