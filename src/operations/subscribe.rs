//! Subscribing: the destination, the permission check, and temporary queues.
//!
//! [`Client::subscribable`] comes first: it checks the permission. Only its result, a [`Subscribable`], can be turned
//! into a command.

use super::client::Client;
use super::temp_queues::TempDestination;
use crate::command::{ConsumerOptions, Subscribe};
use crate::destination::{Address, AddressOwner, Destination, DestinationKind, Owner, Selector};
use crate::outbound_queue::Key;
use crate::permissions::Verb;
use crate::rejection::Rejection;

/// A destination or pattern to which the client may subscribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribable(Target);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Selector(Selector),
    /// A temporary queue, by the client's own name.
    TempQueue(Box<str>),
}

impl Subscribable {
    /// Returns the client's own name of the temporary queue, or `None` for other destinations.
    pub fn temp_queue(&self) -> Option<&str> {
        match &self.0 {
            Target::TempQueue(name) => Some(name),
            Target::Selector(_) => None,
        }
    }

    /// Returns the resolved destination or pattern, or `None` for a temporary queue.
    pub fn selector(&self) -> Option<&Selector> {
        match &self.0 {
            Target::Selector(selector) => Some(selector),
            Target::TempQueue(_) => None,
        }
    }
}

impl Client {
    /// Checks the permission to subscribe to the destination or pattern `text`.
    ///
    /// # Errors
    /// The text is invalid, names a destination of another user or the address of a temporary queue, or a permission
    /// rule denies the request.
    pub fn subscribable(&self, text: &str) -> Result<Subscribable, Rejection> {
        let selector = self.resolve_selector(text)?;
        if let Selector::Exact(destination) = &selector {
            match TempDestination::of(destination) {
                TempDestination::Own(name) => return Ok(Subscribable(Target::TempQueue(name.into()))),
                TempDestination::Address => return Err(Rejection::foreign_temp_queue(text)),
                TempDestination::Other => {}
            }
        }
        self.check_permission(Verb::Subscribe, text, &selector)?;
        Ok(Subscribable(Target::Selector(selector)))
    }

    /// Parses the destination of a subscription and resolves the client's own user destinations. Rejects destinations
    /// of other users, which no rule can allow.
    fn resolve_selector(&self, text: &str) -> Result<Selector, Rejection> {
        let (path, owner) = match Address::parse_subscribe(text, self.options.destination_bytes_max)? {
            Address::Plain(selector) => return Ok(selector),
            Address::User(AddressOwner::Own, path) => (path, self.owner()),
            Address::User(AddressOwner::Named(name), path) => (path, Owner::user(&name)),
            Address::User(AddressOwner::Session(id), path) => (path, Owner::session(&id)),
            Address::Users(_) | Address::Refresh => return Err(foreign_destination(text)),
        };
        if owner != self.owner() {
            return Err(foreign_destination(text));
        }
        path.selector(&owner)
    }

    /// Checks that `temp-queues-max` allows the subscription, if it opens a temporary queue.
    ///
    /// # Errors
    /// The client already has the maximum of temporary queues.
    pub fn check_temp_queues(&self, subscribable: &Subscribable) -> Result<(), Rejection> {
        let Some(name) = subscribable.temp_queue() else { return Ok(()) };
        self.temp_queues.check_capacity(name, self.options.temp_queues_max)
    }

    /// Returns the command to subscribe under `key`, and the address of the temporary queue that the broker must open
    /// before. `implicit` means that the client subscribes because of a `reply-to`.
    ///
    /// # Errors
    /// The address of a new temporary queue is invalid, which is an error in the broker.
    pub fn subscribe(
        &mut self,
        subscribable: Subscribable,
        key: Key,
        options: ConsumerOptions,
        implicit: bool,
    ) -> Result<(Subscribe, Option<Destination>), Rejection> {
        let (selector, opened) = match subscribable.0 {
            Target::Selector(selector) => (selector, None),
            Target::TempQueue(name) => {
                let (address, is_new) = self.temp_queue(&name, key)?;
                self.temp_queues.subscribed(&name, key, implicit);
                (Selector::Exact(address.clone()), is_new.then_some(address))
            }
        };
        Ok((Subscribe { key, selector, options }, opened))
    }

    /// Returns the address of a temporary queue, and whether the queue is new. A new queue is recorded as opened for
    /// the subscription `opener`.
    fn temp_queue(&mut self, name: &str, opener: Key) -> Result<(Destination, bool), Rejection> {
        if let Some(temp) = self.temp_queues.get(name) {
            return Ok((temp.address.clone(), false));
        }
        let text = format!("{}{}", DestinationKind::TempQueue.prefix(), (self.addresses)());
        let address = Destination::parse(&text, usize::MAX).map_err(|_| Rejection::no_temp_queue(name))?;
        self.temp_queues.open(name, address.clone(), opener);
        Ok((address, true))
    }

    /// Returns the address of the temporary queue that the client calls `name`.
    pub fn temp_queue_address(&self, name: &str) -> Option<&Destination> {
        self.temp_queues.get(name).map(|temp| &temp.address)
    }

    /// Returns whether the client is subscribed to the temporary queue that it calls `name`.
    pub fn receives_from_temp_queue(&self, name: &str) -> bool {
        self.temp_queues.get(name).is_some_and(|temp| temp.subscribers > 0)
    }

    /// Returns the implicit subscription to a temporary queue. An explicit one replaces it.
    pub fn implicit_subscription(&self, subscribable: &Subscribable) -> Option<Key> {
        self.temp_queues.get(subscribable.temp_queue()?)?.implicit
    }

    /// Records that a subscription to the temporary queue `name` has ended.
    pub fn temp_queue_unsubscribed(&mut self, name: &str, key: Key) {
        self.temp_queues.unsubscribed(name, key);
    }

    /// Removes the temporary queue that was opened for the subscription `key`, which the broker has rejected. Returns
    /// the client's name of the queue.
    pub fn remove_temp_queue_of(&mut self, key: Key) -> Option<Box<str>> {
        self.temp_queues.remove_opened_for(key)
    }

    /// Forgets all temporary queues, which end with the session.
    pub fn drop_temp_queues(&mut self) {
        self.temp_queues = Default::default();
    }

    /// Returns the memory of the list of temporary queues in bytes, without their names.
    pub fn temp_queues_bytes(&self) -> usize {
        self.temp_queues.bytes()
    }
}

/// Returns the rejection of a subscription to another user's destination.
fn foreign_destination(text: &str) -> Rejection {
    Rejection::access_denied(Verb::Subscribe, text, "no client may subscribe to destinations of another user")
}
