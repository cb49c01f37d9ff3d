//! ACK and NACK.
//!
//! | version | names the delivery by                                                     |
//! |---------|---------------------------------------------------------------------------|
//! | 1.2     | `id` (the MESSAGE's `ack`), else `message-id` and perhaps `subscription`  |
//! | 1.1     | `message-id` (or `id`, meaning the same) and perhaps `subscription`       |
//! | 1.0     | the same; no NACK                                                         |

use super::action::{Action, Receipt, Settle};
use super::send::octets;
use super::subscriptions::{Mode, Name, Subscription};
use super::transactions::Parked;
use super::unsettled::{AckId, Found, Reach};
use super::{Rejection, Session};
use crate::outbox::Key;
use std::borrow::Cow;
use stompbox_frames::stomp::{Command, Frame, Version};

/// What an ACK or a NACK is about.
enum Target {
    /// A delivery that is unsettled.
    Delivery { key: Key, at: usize, reach: Reach },
    /// A subscription in auto mode, where nothing is left to settle.
    Auto,
}

/// How a frame names a delivery.
enum Naming<'a> {
    Ack(Cow<'a, str>),
    Message(Cow<'a, str>),
}

impl Session {
    pub(super) fn acknowledge(
        &mut self,
        frame: &Frame,
        accepted: bool,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        if !accepted && self.version == Version::V1_0 {
            return Err(Rejection::nack_in_1_0());
        }
        let target = self.target(frame)?;
        if let Some(transaction) = frame.header("transaction") {
            self.reserve(frame, &transaction, &target, accepted)?;
            self.receipt(receipt.take(), actions);
            return Ok(());
        }
        match self.settle(&target, accepted) {
            Some(settle) => actions.push(Action::Settle { settle, receipt: self.owe(receipt) }),
            None => self.receipt(receipt.take(), actions),
        }
        Ok(())
    }

    /// Settles here, and says what is to be settled in a queue.
    fn settle(&mut self, target: &Target, accepted: bool) -> Option<Settle> {
        let &Target::Delivery { key, at, reach } = target else { return None };
        let tags = self.subscriptions.change(key, |subscription| subscription.unsettled.settle(at, reach))?;
        (!tags.is_empty()).then_some(Settle { key, tags, accepted })
    }

    /// In a transaction: set apart until COMMIT or ABORT.
    fn reserve(
        &mut self,
        frame: &Frame,
        transaction: &str,
        target: &Target,
        accepted: bool,
    ) -> Result<(), Rejection> {
        let bytes = octets(frame);
        let serial = self.transactions.admit(frame.command, transaction, bytes, &self.options)?;
        if let &Target::Delivery { key, at, reach } = target
            && let Some(numbers) = self
                .subscriptions
                .change(key, |subscription| subscription.unsettled.reserve(at, reach, serial))
        {
            self.transactions.park(transaction, Parked::Settle { key, numbers, accepted }, bytes);
        }
        Ok(())
    }

    fn target(&self, frame: &Frame) -> Result<Target, Rejection> {
        let naming = self.naming(frame)?;
        let subscription = frame.header("subscription");
        let named = subscription.as_deref().and_then(|id| self.subscriptions.named(Name::Id(id)));
        let is_auto = named.is_some_and(|named| named.mode == Mode::Auto);
        match (&naming, subscription.as_deref(), named) {
            (Naming::Ack(id), _, _) => self.by_ack(frame.command, id).or_else(|error| match is_auto {
                true => Ok(Target::Auto),
                false => Err(error),
            }),
            (Naming::Message(_), _, _) if is_auto => Ok(Target::Auto),
            (Naming::Message(id), None, _) => self.by_message(frame.command, id),
            (Naming::Message(id), Some(_), Some(named)) => {
                target_in(frame.command, id, named, named.unsettled.by_message(id))
            }
            (Naming::Message(_), Some(name), None) => Err(Rejection::not_subscribed(frame.command, name)),
        }
    }

    fn naming<'a>(&self, frame: &'a Frame) -> Result<Naming<'a>, Rejection> {
        let id = frame.header("id");
        let message = frame.header("message-id");
        let (naming, needed) = match self.version {
            Version::V1_2 => (id.map(Naming::Ack).or(message.map(Naming::Message)), "id"),
            Version::V1_0 | Version::V1_1 => (message.or(id).map(Naming::Message), "message-id"),
        };
        naming.ok_or_else(|| Rejection::missing(frame.command, needed))
    }

    fn by_ack(&self, command: Command, id: &str) -> Result<Target, Rejection> {
        let parsed = AckId::parse(id);
        match parsed.and_then(|AckId { key, number }| Some((self.subscriptions.get(key)?, number))) {
            Some((subscription, number)) => {
                target_in(command, id, subscription, subscription.unsettled.by_number(number))
            }
            None => Err(Rejection::not_unsettled(command, id)),
        }
    }

    /// By the message alone: it must be unsettled in one subscription, and in one only.
    fn by_message(&self, command: Command, id: &str) -> Result<Target, Rejection> {
        let mut target = Err(Rejection::not_unsettled(command, id));
        for subscription in self.subscriptions.iter() {
            match (subscription.unsettled.by_message(id), &target) {
                (Found::Nowhere, _) | (Found::Reserved, Ok(_)) => {}
                (Found::At(_), Ok(_)) => return Err(Rejection::ambiguous_message(command, id)),
                (found, Err(_)) => target = target_in(command, id, subscription, found),
            }
        }
        target
    }
}

fn target_in(
    command: Command,
    id: &str,
    subscription: &Subscription,
    found: Found,
) -> Result<Target, Rejection> {
    match (found, subscription.mode) {
        (Found::At(at), Mode::Client(reach)) => Ok(Target::Delivery { key: subscription.key, at, reach }),
        (Found::Reserved, _) => Err(Rejection::reserved(command, id)),
        (Found::At(_) | Found::Nowhere, _) => Err(Rejection::not_unsettled(command, id)),
    }
}
