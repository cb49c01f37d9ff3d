//! The end of a session: DISCONNECT, ERROR and close.

use crate::outbound_queue::{Key, Tag};
use crate::rejection::{Quoted, Rejection};
use crate::session::action::{Action, Receipt};
use crate::session::closing::Closing;
use crate::session::errors::{ErrorReply, texts};
use crate::session::machine::Session;
use crate::session::state::SessionState;
use crate::session::subscriptions::{SessionSubscription, Subscriptions};
use stompbox_frames::stomp::{Command, encode};

impl Session {
    /// Returns the header `message` of the ERROR that ended the session.
    pub fn error_summary(&self) -> Option<&str> {
        self.rare.as_ref()?.error.as_deref()
    }

    /// Returns the body of the ERROR for a client that does not acknowledge its deliveries
    /// ([`DeliveryAction::UnsettledCountExceeded`](crate::session::DeliveryAction::UnsettledCountExceeded)).
    pub fn too_many_unsettled(&self, key: Key) -> String {
        let subscription = self.subscriptions.get(key);
        let name = subscription.map_or("", |subscription| subscription.name().text());
        let waiting = subscription.map_or(0, |subscription| subscription.unsettled.len());
        format!(
            "{waiting} deliveries of the subscription {} wait for an ACK or NACK. The limit unsettled-max is reached. \
             The broker dropped the messages that it had not sent. Acknowledge messages as they are handled, subscribe \
             with ack:auto, or raise unsettled-max.",
            Quoted(name)
        )
    }

    /// Ends the session with ERROR and close. For a caller that rejects an action or ends the connection. For
    /// [`Closing::Limit`], also emits [`Action::Limit`]. Has no effect if the session is closed already.
    pub fn close_with_error(
        &mut self,
        receipt: Option<Receipt>,
        error: ErrorReply<'_>,
        closing: Closing,
        actions: &mut Vec<Action>,
    ) {
        self.write_error(receipt, error, None, closing, actions);
    }

    /// Handles DISCONNECT. Its RECEIPT must be the last one. The session therefore stays open until all earlier
    /// receipts are complete.
    pub(super) fn disconnect(&mut self, receipt: Option<Receipt>, actions: &mut Vec<Action>) {
        self.receipt(receipt, actions);
        if self.receipts.is_empty() {
            return self.close(Closing::Disconnected, actions);
        }
        self.state = SessionState::Leaving;
        self.drop_resources();
    }

    pub(super) fn fail(
        &mut self,
        receipt: Option<Receipt>,
        rejection: &Rejection,
        actions: &mut Vec<Action>,
    ) {
        self.log_denied(rejection, actions);
        let extra = rejection.denial.as_ref().map(|denial| ("destination", &*denial.destination));
        self.write_error(receipt, texts(rejection), extra, rejection.into(), actions);
    }

    /// Sends ERROR and closes the session.
    pub(super) fn write_error(
        &mut self,
        receipt: Option<Receipt>,
        texts: ErrorReply<'_>,
        extra: Option<(&str, &str)>,
        closing: Closing,
        actions: &mut Vec<Action>,
    ) {
        if self.state == SessionState::Closed {
            return;
        }
        if let Closing::Limit(limit) = closing {
            actions.push(Action::Limit(limit));
        }
        let mut headers = vec![("message", texts.summary), ("content-type", "text/plain")];
        headers.extend(receipt.as_ref().map(|receipt| ("receipt-id", &*receipt.id)));
        headers.extend(extra);
        let frame = encode::frame(Command::Error, self.version, &headers, texts.detail.as_bytes());
        actions.push(Action::Write(frame));
        self.rare.get_or_insert_default().error = Some(texts.summary.into());
        self.close(closing, actions);
    }

    pub(super) fn close(&mut self, closing: Closing, actions: &mut Vec<Action>) {
        let lost = self.finish(closing);
        if !lost.is_empty() {
            actions.push(Action::Lost(lost));
        }
        actions.push(Action::Close(closing));
    }

    /// Ends the session. It then handles no further frame and emits no further action. If the client is lost
    /// ([`Closing::is_lost`]), returns the oldest unsettled delivery of each subscription to a work queue. The client
    /// was processing this delivery if the broker has written it. A second call returns nothing.
    pub fn finish(&mut self, closing: Closing) -> Vec<(Key, Tag)> {
        let oldest = |one: &SessionSubscription| one.unsettled.oldest().map(|tag| (one.key, tag));
        let lost = match closing.is_lost() {
            true => self.subscriptions.iter().filter_map(oldest).collect(),
            false => Vec::new(),
        };
        self.state = SessionState::Closed;
        self.drop_resources();
        self.receipts.clear();
        lost
    }

    /// Drops the subscriptions, transactions and temporary queues, which end with the session.
    fn drop_resources(&mut self) {
        self.subscriptions = Subscriptions::default();
        std::mem::take(&mut self.transactions).into_discarded().for_each(|one| self.discard(one));
        self.client.drop_temp_queues();
    }
}
