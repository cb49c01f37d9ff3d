//! The handlers of SUBSCRIBE and UNSUBSCRIBE.

use super::prefetch::Prefetch;
use crate::destination::{Address, AddressOwner, Destination, DestinationKind, Owner, Selector};
use crate::outbound_queue::Key;
use crate::permissions::Verb;
use crate::session::action::{Action, Receipt, Subscribe};
use crate::session::errors::{Rejection, required};
use crate::session::machine::Session;
use crate::session::subscriptions::{AckMode, SessionSubscription, SubscriptionName};
use crate::session::temp::TempDestination;
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
    /// This session's own name of the temporary queue. `None` for other destinations.
    temp: Option<&'a str>,
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
        let selector = self.selector(&destination)?;
        let temp = temp_queue_name(&selector)?;
        if temp.is_none() {
            self.check_permission(Verb::Subscribe, &destination, &selector)?;
        }
        let names = frame.header("presence-names").is_some_and(|value| value == "true");
        let id = id.as_deref();
        let request =
            SubscribeRequest { id, destination: &destination, mode, prefetch, names, temp, implicit: false };

        let replaced = self.implicit_subscription(temp);
        self.check_capacity(&request, replaced)?;
        if let Some(key) = replaced {
            self.end_subscription(key);
            actions.push(Action::Unsubscribe { key, receipt: None });
        }
        self.begin_subscription(&request, &selector, receipt, actions)
    }

    /// Subscribes to the temporary queue of a `reply-to:/temp-queue/NAME`. The subscription has the destination as its
    /// `id`.
    pub(super) fn subscribe_implicitly(
        &mut self,
        destination: &str,
        name: &str,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let request = SubscribeRequest {
            id: Some(destination),
            destination,
            mode: AckMode::Auto,
            prefetch: self.default_prefetch(None),
            names: false,
            temp: Some(name),
            implicit: true,
        };
        self.check_capacity(&request, None)?;
        let selector = Selector::parse(destination, self.options.destination_bytes_max);
        let selector = selector.map_err(Rejection::destination)?;
        self.begin_subscription(&request, &selector, &mut None, actions)
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
        if self.subscriptions.len() - usize::from(replaced.is_some()) >= self.options.subscriptions_max {
            return Err(Rejection::subscriptions(self.options.subscriptions_max));
        }
        request.temp.map_or(Ok(()), |name| self.temps.check_capacity(name, &self.options))
    }

    fn begin_subscription(
        &mut self,
        request: &SubscribeRequest<'_>,
        selector: &Selector,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let key = self.subscriptions.next_key()?;
        let selector = match request.temp {
            Some(name) => {
                Selector::Exact(self.temp_queue_address(name, request.destination, key, actions)?)
            }
            None => selector.clone(),
        };
        if let Some(name) = request.temp {
            self.temps.subscribed(name, key, request.implicit);
        }
        let checked_selector = request.temp.is_none().then(|| selector.clone());
        self.subscriptions.insert(SessionSubscription {
            key,
            selector: checked_selector,
            id: request.id.map(Box::from),
            destination: (self.version == Version::V1_0).then(|| request.destination.into()),
            mode: request.mode,
            temp: request.temp.map(Box::from),
            unsettled: Unsettled::default(),
        });
        let receipt = self.register_receipt(receipt);
        let SubscribeRequest { prefetch, names, .. } = *request;
        let Prefetch { count: prefetch, bytes: prefetch_bytes } = prefetch;
        actions.push(Action::Subscribe(Subscribe {
            key,
            selector,
            prefetch,
            prefetch_bytes,
            names,
            receipt,
        }));
        Ok(())
    }

    /// Returns the address of a temporary queue, and opens the queue at its first use.
    fn temp_queue_address(
        &mut self,
        name: &str,
        destination: &str,
        opener: Key,
        actions: &mut Vec<Action>,
    ) -> Result<Destination, Rejection> {
        if let Some(temp) = self.temps.get(name) {
            return Ok(temp.address.clone());
        }
        let text = format!("{}{}", DestinationKind::TempQueue.prefix(), (self.addresses)());
        let address =
            Destination::parse(&text, usize::MAX).map_err(|_| Rejection::no_temp_queue(destination))?;
        self.temps.open(name, address.clone(), opener);
        self.subscriptions.add_text(name);
        actions.push(Action::OpenTemp(address.clone()));
        Ok(address)
    }

    /// Returns the implicit subscription to a temporary queue. A SUBSCRIBE replaces it.
    fn implicit_subscription(&self, temp: Option<&str>) -> Option<Key> {
        self.temps.get(temp?)?.implicit
    }

    /// Parses the destination of a SUBSCRIBE and resolves this session's own user destinations. Rejects destinations of
    /// other users.
    fn selector(&self, text: &str) -> Result<Selector, Rejection> {
        let max = self.options.destination_bytes_max;
        let (path, owner) = match Address::parse_subscribe(text, max).map_err(Rejection::destination)? {
            Address::Plain(selector) => return Ok(selector),
            Address::User(AddressOwner::Own, path) => (path, self.owner()),
            Address::User(AddressOwner::Named(name), path) => (path, Owner::user(&name)),
            Address::User(AddressOwner::Session(id), path) => (path, Owner::session(&id)),
            Address::Users(_) | Address::Refresh => return Err(self.foreign_destination(text)),
        };
        if owner != self.owner() {
            return Err(self.foreign_destination(text));
        }
        path.selector(&owner).map_err(Rejection::destination)
    }

    /// Removes a subscription from the session.
    pub(super) fn end_subscription(&mut self, key: Key) {
        let Some(subscription) = self.subscriptions.remove(key) else { return };
        self.transactions.mark_subscription_ended(&subscription);
        if let Some(name) = &subscription.temp {
            self.temps.unsubscribed(name, key);
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

/// Returns the session's own name of a temporary queue. Returns `None` for other destinations. Rejects the address of a
/// temporary queue, because clients cannot subscribe to addresses.
fn temp_queue_name(selector: &Selector) -> Result<Option<&str>, Rejection> {
    let Selector::Exact(destination) = selector else { return Ok(None) };
    match TempDestination::of(destination) {
        TempDestination::Own(name) => Ok(Some(name)),
        TempDestination::Address => Err(Rejection::foreign_temp_queue(destination.as_str())),
        TempDestination::Other => Ok(None),
    }
}
