//! The handlers of ACK and NACK.
//!
//! | version | headers that identify the delivery                                        |
//! |---------|---------------------------------------------------------------------------|
//! | 1.2     | `id` (the MESSAGE's `ack`, or its `message-id`), else as in 1.1           |
//! | 1.1     | `message-id` (or `id` with the same value), optionally `subscription`     |
//! | 1.0     | as in 1.1, but without NACK                                               |
//!
//! Deliveries in auto mode need no acknowledgement, and the session does not record them. An ACK or NACK may therefore
//! be for such a delivery if it fits no unsettled delivery. It then has no effect. The session assumes this in three
//! cases:
//!
//! - The header `subscription` names a subscription in auto mode. No subscription has an unsettled delivery from a
//!   queue with that `message-id`.
//! - The header `subscription` is missing, and all subscriptions are in auto mode.
//! - The frame is an ACK without the header `subscription`. Its id has the form of this broker's message IDs. No
//!   subscription has an unsettled delivery with that ID. At least one subscription is in auto mode.

use super::send::frame_bytes;
use crate::command::{Settle, Settlement, Step};
use crate::outbound_queue::Key;
use crate::rejection::Rejection;
use crate::session::action::{Action, Receipt};
use crate::session::machine::Session;
use crate::session::subscriptions::{AckMode, SessionSubscription, SubscriptionName};
use crate::session::unsettled::{AckId, AckScope, DeliveryLookup};
use crate::work;
use std::borrow::Cow;
use stompbox_frames::stomp::{Command, Frame, Version};

/// The target of an ACK or a NACK.
enum AckTarget {
    /// An unsettled delivery of the subscription `key`, at index `at`.
    Delivery { key: Key, at: usize, scope: AckScope },
    /// A delivery in auto mode, which was settled when it was written.
    Auto,
}

/// The identifier of a delivery in a frame.
enum DeliveryName<'a> {
    /// The header `id` of STOMP 1.2. It is the `ack` of the MESSAGE. Some clients send its `message-id` instead.
    Ack(Cow<'a, str>),
    Message(Cow<'a, str>),
}

impl Session {
    pub(super) fn acknowledge(
        &mut self,
        frame: &Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        if frame.command == Command::Nack && self.version == Version::V1_0 {
            return Err(Rejection::nack_in_1_0());
        }
        let settlement = settlement(frame)?;
        let target = self.target(frame)?;
        if let Some(transaction) = frame.header("transaction") {
            self.reserve(frame, &transaction, &target, settlement)?;
            self.receipt(receipt.take(), actions);
            return Ok(());
        }
        match self.settle(&target, settlement) {
            Some(settle) => actions.push(Action::Settle { settle, receipt: self.register_receipt(receipt) }),
            None => self.receipt(receipt.take(), actions),
        }
        Ok(())
    }

    /// Settles the target in the session. Returns the deliveries that must also be settled in a queue.
    fn settle(&mut self, target: &AckTarget, settlement: Settlement) -> Option<Settle> {
        let &AckTarget::Delivery { key, at, scope } = target else { return None };
        let tags = self.subscriptions.change(key, |subscription| subscription.unsettled.settle(at, scope))?;
        (!tags.is_empty()).then_some(Settle { key, tags, settlement })
    }

    /// Reserves the target for a transaction until COMMIT or ABORT.
    fn reserve(
        &mut self,
        frame: &Frame,
        transaction: &str,
        target: &AckTarget,
        settlement: Settlement,
    ) -> Result<(), Rejection> {
        let bytes = frame_bytes(frame);
        let serial = self.transactions.check_capacity(frame.command, transaction, bytes, &self.options)?;
        if let &AckTarget::Delivery { key, at, scope } = target
            && let Some(tags) = self
                .subscriptions
                .change(key, |subscription| subscription.unsettled.reserve(at, scope, serial))
        {
            let step = Step::Settle(Settle { key, tags, settlement });
            self.transactions.park(transaction, step, bytes);
        }
        Ok(())
    }

    /// Finds the delivery that the frame identifies.
    fn target(&self, frame: &Frame) -> Result<AckTarget, Rejection> {
        let subscription_id = frame.header("subscription");
        let named =
            subscription_id.as_deref().and_then(|id| self.subscriptions.find(SubscriptionName::Id(id)));
        let delivery_name = match self.delivery_name(frame) {
            Err(_) if named.is_some_and(is_auto) => return Ok(AckTarget::Auto),
            delivery_name => delivery_name?,
        };
        let found = match &delivery_name {
            DeliveryName::Ack(id) => self.by_ack(frame.command, id, named),
            DeliveryName::Message(id) => match (subscription_id.as_deref(), named) {
                (Some(name), None) => Err(Rejection::not_subscribed(frame.command, name)),
                (_, named) => self.by_message(frame.command, id, named),
            },
        };
        if let (Ok(AckTarget::Delivery { key, .. }), Some(name)) = (&found, subscription_id.as_deref())
            && let Some(other) = self.subscriptions.get(*key)
            && named.is_none_or(|named| named.key != *key)
        {
            let (DeliveryName::Ack(id) | DeliveryName::Message(id)) = &delivery_name;
            return Err(Rejection::delivered_to_other(frame.command, id, name, other.name().text()));
        }
        let (DeliveryName::Ack(id) | DeliveryName::Message(id)) = &delivery_name;
        found.or_else(|rejection| match (subscription_id.as_deref(), named) {
            (Some(name), Some(named)) if is_auto(named) => match self.subscription_with_queue_delivery(id) {
                Some(other) => {
                    Err(Rejection::delivered_to_other(frame.command, id, name, other.name().text()))
                }
                None => Ok(AckTarget::Auto),
            },
            (None, _) if self.may_be_auto_delivery(frame.command, id) => Ok(AckTarget::Auto),
            _ => Err(rejection),
        })
    }

    /// Returns the subscription that has an unsettled or reserved delivery of this message from a queue. A queue
    /// delivers a message to one subscription only.
    fn subscription_with_queue_delivery(&self, id: &str) -> Option<&SessionSubscription> {
        work::add_visits(self.subscriptions.len());
        self.subscriptions.iter().find(|one| one.unsettled.has_queue_delivery(id))
    }

    /// Returns whether an id without an unsettled delivery may belong to a delivery in auto mode.
    fn may_be_auto_delivery(&self, command: Command, id: &str) -> bool {
        work::add_visits(self.subscriptions.len());
        if command == Command::Nack || !self.is_message_id(id) {
            return self.subscriptions.len() > 0 && self.subscriptions.iter().all(is_auto);
        }
        let has_delivery =
            |one: &SessionSubscription| one.unsettled.by_message(id) != DeliveryLookup::NotFound;
        self.subscriptions.iter().any(is_auto) && !self.subscriptions.iter().any(has_delivery)
    }

    /// Returns whether the text has the form of this broker's message IDs. `ack` values have a different form.
    fn is_message_id(&self, text: &str) -> bool {
        let number = text.strip_prefix(&*self.options.boot_id).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    fn delivery_name<'a>(&self, frame: &'a Frame) -> Result<DeliveryName<'a>, Rejection> {
        let id = frame.header("id");
        let message = frame.header("message-id");
        let (delivery_name, required_header) = match self.version {
            Version::V1_2 => (id.map(DeliveryName::Ack).or(message.map(DeliveryName::Message)), "id"),
            Version::V1_0 | Version::V1_1 => (message.or(id).map(DeliveryName::Message), "message-id"),
        };
        delivery_name.ok_or_else(|| Rejection::missing(frame.command, required_header))
    }

    /// Finds a delivery by its `ack` value. Treats `id` as a `message-id` if it is not an `ack` value of a subscription
    /// of this session.
    fn by_ack(
        &self,
        command: Command,
        id: &str,
        subscription: Option<&SessionSubscription>,
    ) -> Result<AckTarget, Rejection> {
        let parsed = AckId::parse(self.ack_prefix, id);
        match parsed.and_then(|AckId { key, number }| Some((self.subscriptions.get(key)?, number))) {
            Some((subscription, number)) => {
                let found = subscription.unsettled.by_number(number);
                self.target_in(command, id, subscription, found)
            }
            None => self.by_message(command, id, subscription),
        }
    }

    /// Finds a delivery by its `message-id` in the given subscription. If `subscription` is `None`, searches all
    /// subscriptions. Rejects the frame if no subscription or more than one has an unsettled delivery of the message.
    fn by_message(
        &self,
        command: Command,
        id: &str,
        subscription: Option<&SessionSubscription>,
    ) -> Result<AckTarget, Rejection> {
        if let Some(subscription) = subscription {
            return match subscription.unsettled.by_message(id) {
                DeliveryLookup::NotFound => {
                    Err(Rejection::not_delivered_to(command, id, subscription.name().text()))
                }
                found => self.target_in(command, id, subscription, found),
            };
        }
        work::add_visits(self.subscriptions.len());
        let mut target = Err(Rejection::not_unsettled(command, id, self.hint()));
        for subscription in self.subscriptions.iter() {
            match (subscription.unsettled.by_message(id), &target) {
                (DeliveryLookup::NotFound, _) | (DeliveryLookup::Reserved, Ok(_)) => {}
                (DeliveryLookup::Unsettled(_), Ok(_)) => {
                    return Err(Rejection::ambiguous_message(command, id, self.hint()));
                }
                (found, Err(_)) => target = self.target_in(command, id, subscription, found),
            }
        }
        target
    }

    fn target_in(
        &self,
        command: Command,
        id: &str,
        subscription: &SessionSubscription,
        found: DeliveryLookup,
    ) -> Result<AckTarget, Rejection> {
        match (found, subscription.mode) {
            (DeliveryLookup::Unsettled(at), AckMode::Client(scope)) => {
                Ok(AckTarget::Delivery { key: subscription.key, at, scope })
            }
            (DeliveryLookup::Reserved, _) => Err(Rejection::reserved(command, id)),
            (DeliveryLookup::Unsettled(_) | DeliveryLookup::NotFound, _) => {
                Err(Rejection::not_unsettled(command, id, self.hint()))
            }
        }
    }

    /// Returns a hint for the body of an ERROR. It explains the two kinds of identifiers in STOMP 1.2. In other
    /// versions, it is empty.
    fn hint(&self) -> &'static str {
        match self.version {
            Version::V1_2 => {
                " In STOMP 1.2, copy the header ack of the MESSAGE into the header id. If only one delivery has the \
                 message-id, the header id may contain the message-id."
            }
            Version::V1_0 | Version::V1_1 => "",
        }
    }
}

fn is_auto(subscription: &SessionSubscription) -> bool {
    subscription.mode == AckMode::Auto
}

fn settlement(frame: &Frame) -> Result<Settlement, Rejection> {
    if frame.command == Command::Ack {
        return Ok(Settlement::Accepted);
    }
    match frame.header("requeue").as_deref() {
        None => Ok(Settlement::Returned),
        Some(requeue) if requeue.eq_ignore_ascii_case("true") => Ok(Settlement::Returned),
        Some(requeue) if requeue.eq_ignore_ascii_case("false") => Ok(Settlement::Rejected),
        Some(other) => Err(Rejection::requeue(other)),
    }
}
