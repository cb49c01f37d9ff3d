//! How a conversation ends.

use super::action::{Action, Receipt};
use super::state::State;
use super::subscriptions::{Subscription, Subscriptions};
use super::temp::TempQueues;
use super::{Closing, ErrorReply, Rejection, Session};
use crate::outbound_queue::{Key, Tag};
use stompbox_frames::stomp::{Command, encode};

impl Session {
    /// The broker or the connection refuses an action, or ends the conversation: ERROR and close. A
    /// [`Closing::Limit`] is counted by an [`Action::Limit`]. Nothing happens if the session is closed already.
    pub fn refuse(
        &mut self,
        receipt: Option<Receipt>,
        error: ErrorReply<'_>,
        closing: Closing,
        actions: &mut Vec<Action>,
    ) {
        self.error(receipt, error, None, closing, actions);
    }

    /// DISCONNECT: its RECEIPT is the last one.
    pub(super) fn leave(&mut self, receipt: Option<Receipt>, actions: &mut Vec<Action>) {
        self.receipt(receipt, actions);
        if self.receipts.is_empty() {
            return self.close(Closing::Disconnected, actions);
        }
        self.state = State::Leaving;
        self.forget();
    }

    pub(super) fn fail(
        &mut self,
        receipt: Option<Receipt>,
        rejection: &Rejection,
        actions: &mut Vec<Action>,
    ) {
        self.tell_denied(rejection, actions);
        let extra = rejection.extra.as_ref().map(|(name, value)| (*name, &**value));
        self.error(receipt, rejection.texts(), extra, rejection.closing, actions);
    }

    /// ERROR, and the end.
    pub(super) fn error(
        &mut self,
        receipt: Option<Receipt>,
        texts: ErrorReply<'_>,
        extra: Option<(&str, &str)>,
        closing: Closing,
        actions: &mut Vec<Action>,
    ) {
        if self.state == State::Closed {
            return;
        }
        if let Closing::Limit(option) = closing {
            actions.push(Action::Limit(option));
        }
        let mut headers = vec![("message", texts.summary), ("content-type", "text/plain")];
        headers.extend(receipt.as_deref().map(|receipt| ("receipt-id", receipt)));
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

    /// Ends the conversation: no further frame is handled, no further action is emitted. If the client is lost, returns
    /// the delivery of each subscription that it was working on, which may not be written yet. Returns nothing the second
    /// time.
    pub fn finish(&mut self, closing: Closing) -> Vec<(Key, Tag)> {
        let oldest = |one: &Subscription| one.unsettled.oldest().map(|tag| (one.key, tag));
        let lost = match closing.is_lost() {
            true => self.subscriptions.iter().filter_map(oldest).collect(),
            false => Vec::new(),
        };
        self.state = State::Closed;
        self.forget();
        self.receipts.clear();
        lost
    }

    /// Subscriptions, transactions and temporary queues end with the conversation.
    fn forget(&mut self) {
        self.subscriptions = Subscriptions::default();
        std::mem::take(&mut self.transactions).into_discarded().for_each(|one| self.discard(one));
        self.temps = TempQueues::default();
    }
}
