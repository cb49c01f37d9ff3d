//! The handlers of SUBSCRIBE and UNSUBSCRIBE.

use super::prefetch::Prefetch;
use crate::command::ConsumerOptions;
use crate::destination::Selector;
use crate::operations::Subscribable;
use crate::outbound_queue::Key;
use crate::rejection::Rejection;
use crate::session::action::{Action, Receipt};
use crate::session::errors::required;
use crate::session::machine::Session;
use crate::session::subscriptions::{AckMode, SessionSubscription, SubscriptionName};
use crate::session::unsettled::Unsettled;
use stompbox_frames::stomp::{Frame, Version};

/// A SUBSCRIBE after validation and permission check.
struct SubscribeRequest<'a> {
    id: Option<&'a str>,
    /// The destination as the client sent it.
    destination: &'a str,
    mode: AckMode,
    prefetch: Prefetch,
    /// Whether a presence report contains all user names. For presence destinations only.
    names: bool,
    subscribable: Subscribable,
    /// Whether the session subscribes because of a `reply-to`, not because of a SUBSCRIBE.
    implicit: bool,
}

impl SubscribeRequest<'_> {
    fn name(&self) -> SubscriptionName<'_> {
        self.id.map_or(SubscriptionName::Destination(self.destination), SubscriptionName::Id)
    }
}

impl Session {
    pub(super) fn subscribe(
        &mut self,
        frame: &Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let destination = required(frame, "destination")?;
        let id = match self.version {
            Version::V1_0 => frame.header("id"),
            Version::V1_1 | Version::V1_2 => Some(required(frame, "id")?),
        };
        if let Some(id) = &id {
            self.check_id("id", id)?;
        }
        self.check_extensions(frame, actions)?;
        let mode = AckMode::parse(frame.header("ack").as_deref())?;
        let prefetch = self.prefetch(frame)?;
        let subscribable = self.client.subscribable(&destination)?;
        let names = frame.header("presence-names").is_some_and(|value| value == "true");
        let id = id.as_deref();
        let replaced = self.client.implicit_subscription(&subscribable);
        let destination = &destination;
        let request =
            SubscribeRequest { id, destination, mode, prefetch, names, subscribable, implicit: false };
        self.check_capacity(&request, replaced)?;
        if let Some(key) = replaced {
            self.end_subscription(key);
            actions.push(Action::Unsubscribe { key, receipt: None });
        }
        self.begin_subscription(request, receipt, actions)
    }

    /// Subscribes to the temporary queue of a `reply-to:/temp-queue/NAME`. The subscription has the destination as its
    /// `id`.
    pub(super) fn subscribe_implicitly(
        &mut self,
        destination: &str,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let request = SubscribeRequest {
            id: Some(destination),
            destination,
            mode: AckMode::Auto,
            prefetch: self.default_prefetch(None),
            names: false,
            subscribable: self.client.subscribable(destination)?,
            implicit: true,
        };
        self.check_capacity(&request, None)?;
        self.begin_subscription(request, &mut None, actions)
    }

    pub(super) fn unsubscribe(
        &mut self,
        frame: &Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let subscription = match (frame.header("id"), frame.header("destination")) {
            (None, Some(destination)) if self.version == Version::V1_0 => {
                self.subscriptions.find_by_destination(&destination)?
            }
            (id, _) => {
                let id = id.ok_or_else(|| Rejection::missing(frame.command, "id"))?;
                self.subscriptions.find(SubscriptionName::Id(&id))
            }
        };
        // An unknown subscription is not an error. It may have ended already, for example if a component of a web page
        // was unmounted twice.
        let Some(key) = subscription.map(|subscription| subscription.key) else {
            self.receipt(receipt.take(), actions);
            return Ok(());
        };
        self.end_subscription(key);
        actions.push(Action::Unsubscribe { key, receipt: self.register_receipt(receipt) });
        Ok(())
    }

    /// Checks that the name is not in use, and that the limits allow one more subscription. The subscription `replaced`
    /// does not count, because it ends before.
    fn check_capacity(&self, request: &SubscribeRequest<'_>, replaced: Option<Key>) -> Result<(), Rejection> {
        let existing = self.subscriptions.find(request.name());
        if existing.is_some_and(|subscription| Some(subscription.key) != replaced) {
            return Err(Rejection::subscribed_already(request.name().text()));
        }
        self.options.check_subscriptions(self.subscriptions.len() - usize::from(replaced.is_some()))?;
        self.client.check_temp_queues(&request.subscribable)
    }

    fn begin_subscription(
        &mut self,
        request: SubscribeRequest<'_>,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let key = self.subscriptions.next_key()?;
        let SubscribeRequest { id, destination, mode, prefetch, names: presence_names, .. } = request;
        let Prefetch { count: prefetch, bytes: prefetch_bytes } = prefetch;
        // The connection task sets `text_only`, because it depends on the transport.
        let options = ConsumerOptions { prefetch, prefetch_bytes, text_only: false, presence_names };
        let selector = request.subscribable.selector().cloned();
        let temp: Option<Box<str>> = request.subscribable.temp_queue().map(Box::from);
        let (subscribe, opened) =
            self.client.subscribe(request.subscribable, key, options, request.implicit)?;
        if let Some(address) = opened {
            self.subscriptions.add_text(temp.as_deref().unwrap_or_default());
            actions.push(Action::OpenTemp(address));
        }
        self.subscriptions.insert(SessionSubscription {
            key,
            selector,
            id: id.map(Box::from),
            destination: (self.version == Version::V1_0).then(|| destination.into()),
            mode,
            temp,
            unsettled: Unsettled::default(),
        });
        actions.push(Action::Subscribe { subscribe, receipt: self.register_receipt(receipt) });
        Ok(())
    }

    /// Removes a subscription from the session.
    pub(super) fn end_subscription(&mut self, key: Key) {
        let Some(subscription) = self.subscriptions.remove(key) else { return };
        self.transactions.mark_subscription_ended(&subscription);
        if let Some(name) = &subscription.temp {
            self.client.temp_queue_unsubscribed(name, key);
        }
    }

    /// Checks the length of an identifier that the client chooses and the broker stores.
    pub(super) fn check_id(&self, header: &str, id: &str) -> Result<(), Rejection> {
        let max = self.options.id_bytes_max;
        if id.len() > max { Err(Rejection::id_bytes(header, id.len(), max)) } else { Ok(()) }
    }

    /// Replaces the stored selector with an equal one from the broker. Both then share the text of the destination.
    pub fn share_selector(&mut self, key: Key, selector: Selector) {
        self.subscriptions.change(key, |subscription| {
            if let Some(own) = &mut subscription.selector {
                *own = selector;
            }
        });
    }
}
