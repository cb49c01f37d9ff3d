//! SUBSCRIBE and UNSUBSCRIBE.

use super::action::{Action, Receipt, Subscribe};
use super::prefetch::Prefetch;
use super::subscriptions::{Mode, Name, Subscription};
use super::temp::TempDestination;
use super::unsettled::Unsettled;
use super::{Rejection, Session, required};
use crate::destination::{Address, Destination, Kind, Owner, Selector, Whose};
use crate::outbound_queue::Key;
use crate::users::permissions::Verb;
use stompbox_frames::stomp::{Frame, Version};

/// What is subscribed to, once it is known that it may be.
struct SubscribeRequest<'a> {
    id: Option<&'a str>,
    /// As given.
    destination: &'a str,
    mode: Mode,
    prefetch: Prefetch,
    /// Of presence: all names.
    names: bool,
    /// The local name, if it is a temporary queue.
    temp: Option<&'a str>,
    /// Asked for by a `reply-to`.
    implicit: bool,
}

impl SubscribeRequest<'_> {
    fn name(&self) -> Name<'_> {
        self.id.map_or(Name::Destination(self.destination), Name::Id)
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
        let mode = Mode::parse(frame.header("ack").as_deref())?;
        let prefetch = self.prefetch(frame)?;
        let selector = self.selector(&destination)?;
        let temp = own_name(&selector)?;
        if temp.is_none() {
            self.may(Verb::Subscribe, &destination, &selector)?;
        }
        let names = frame.header("presence-names").is_some_and(|value| value == "true");
        let id = id.as_deref();
        let wanted =
            SubscribeRequest { id, destination: &destination, mode, prefetch, names, temp, implicit: false };

        let replaced = self.implicit(temp);
        self.admit(&wanted, replaced)?;
        if let Some(key) = replaced {
            self.end(key);
            actions.push(Action::Unsubscribe { key, receipt: None });
        }
        self.begin_subscription(&wanted, &selector, receipt, actions)
    }

    /// The subscription that a `reply-to:/temp-queue/NAME` stands for; it is called like its destination.
    pub(super) fn subscribe_implicitly(
        &mut self,
        destination: &str,
        name: &str,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let wanted = SubscribeRequest {
            id: Some(destination),
            destination,
            mode: Mode::Auto,
            prefetch: self.default_prefetch(None),
            names: false,
            temp: Some(name),
            implicit: true,
        };
        self.admit(&wanted, None)?;
        let selector = Selector::parse(destination, self.options.destination_bytes_max);
        let selector = selector.map_err(Rejection::destination)?;
        self.begin_subscription(&wanted, &selector, &mut None, actions)
    }

    pub(super) fn unsubscribe(
        &mut self,
        frame: &Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let subscription = match (frame.header("id"), frame.header("destination")) {
            (None, Some(destination)) if self.version == Version::V1_0 => {
                self.subscriptions.to(&destination)?
            }
            (id, _) => {
                let id = id.ok_or_else(|| Rejection::missing(frame.command, "id"))?;
                self.subscriptions.named(Name::Id(&id))
            }
        };
        // Not an error: the subscription has ended already. A component of a page may be unmounted twice.
        let Some(key) = subscription.map(|subscription| subscription.key) else {
            self.receipt(receipt.take(), actions);
            return Ok(());
        };
        self.end(key);
        actions.push(Action::Unsubscribe { key, receipt: self.register_receipt(receipt) });
        Ok(())
    }

    /// Whether the name is free and there is room. `replaced` will have gone by then.
    fn admit(&self, wanted: &SubscribeRequest<'_>, replaced: Option<Key>) -> Result<(), Rejection> {
        let namesake = self.subscriptions.named(wanted.name());
        if namesake.is_some_and(|subscription| Some(subscription.key) != replaced) {
            return Err(Rejection::subscribed_already(wanted.name().text()));
        }
        if self.subscriptions.len() - usize::from(replaced.is_some()) >= self.options.subscriptions_max {
            return Err(Rejection::subscriptions(self.options.subscriptions_max));
        }
        wanted.temp.map_or(Ok(()), |name| self.temps.admit(name, &self.options))
    }

    fn begin_subscription(
        &mut self,
        wanted: &SubscribeRequest<'_>,
        selector: &Selector,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let key = self.subscriptions.next_key()?;
        let selector = match wanted.temp {
            Some(name) => Selector::Exact(self.address(name, wanted.destination, key, actions)?),
            None => selector.clone(),
        };
        if let Some(name) = wanted.temp {
            self.temps.subscribed(name, key, wanted.implicit);
        }
        let judged = wanted.temp.is_none().then(|| selector.clone());
        self.subscriptions.insert(Subscription {
            key,
            selector: judged,
            id: wanted.id.map(Box::from),
            destination: (self.version == Version::V1_0).then(|| wanted.destination.into()),
            mode: wanted.mode,
            temp: wanted.temp.map(Box::from),
            unsettled: Unsettled::default(),
        });
        let receipt = self.register_receipt(receipt);
        let SubscribeRequest { prefetch, names, .. } = *wanted;
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

    /// The address of a temporary queue, which is opened at its first use.
    fn address(
        &mut self,
        name: &str,
        shown: &str,
        opener: Key,
        actions: &mut Vec<Action>,
    ) -> Result<Destination, Rejection> {
        if let Some(temp) = self.temps.get(name) {
            return Ok(temp.address.clone());
        }
        let text = format!("{}{}", Kind::TempQueue.prefix(), (self.addresses)());
        let address = Destination::parse(&text, usize::MAX).map_err(|_| Rejection::no_temp_queue(shown))?;
        self.temps.open(name, address.clone(), opener);
        self.subscriptions.add_text(name);
        actions.push(Action::OpenTemp(address.clone()));
        Ok(address)
    }

    /// The implicit subscription to a temporary queue, which an explicit one takes the place of.
    fn implicit(&self, temp: Option<&str>) -> Option<Key> {
        self.temps.get(temp?)?.implicit
    }

    /// What is subscribed to, with this session's own user destinations resolved: to nobody else's can be subscribed.
    fn selector(&self, text: &str) -> Result<Selector, Rejection> {
        let max = self.options.destination_bytes_max;
        let (path, owner) = match Address::parse_subscribe(text, max).map_err(Rejection::destination)? {
            Address::Plain(selector) => return Ok(selector),
            Address::User(Whose::Own, path) => (path, self.owner()),
            Address::User(Whose::Named(name), path) => (path, Owner::user(&name)),
            Address::User(Whose::Session(id), path) => (path, Owner::session(&id)),
            Address::Users(_) | Address::Refresh => return Err(self.foreign(text)),
        };
        if owner != self.owner() {
            return Err(self.foreign(text));
        }
        path.selector(&owner).map_err(Rejection::destination)
    }

    /// A subscription ends here; what it has not settled goes back in the broker.
    pub(super) fn end(&mut self, key: Key) {
        let Some(subscription) = self.subscriptions.remove(key) else { return };
        self.transactions.lose(&subscription);
        if let Some(name) = &subscription.temp {
            self.temps.unsubscribed(name, key);
        }
    }

    /// Checks the length of a name that the client has chosen and the broker keeps.
    pub(super) fn check_id(&self, header: &str, id: &str) -> Result<(), Rejection> {
        let max = self.options.id_bytes_max;
        if id.len() > max { Err(Rejection::id_bytes(header, id.len(), max)) } else { Ok(()) }
    }

    /// Records that the broker has subscribed: the text of the destination is shared with the broker from now on.
    pub fn share_selector(&mut self, key: Key, selector: Selector) {
        self.subscriptions.change(key, |subscription| {
            if let Some(own) = &mut subscription.selector {
                *own = selector;
            }
        });
    }
}

/// The session's name for a temporary queue; addresses of others cannot be subscribed to.
fn own_name(selector: &Selector) -> Result<Option<&str>, Rejection> {
    let Selector::Exact(destination) = selector else { return Ok(None) };
    match TempDestination::of(destination) {
        TempDestination::Own(name) => Ok(Some(name)),
        TempDestination::Address => Err(Rejection::foreign_temp_queue(destination.as_str())),
        TempDestination::Elsewhere => Ok(None),
    }
}
