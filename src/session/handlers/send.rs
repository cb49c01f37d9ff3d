//! The handler of SEND: finds the target, checks the permission, and adds the headers that describe the sender.

use crate::destination::{
    Address, AddressOwner, Destination, DestinationKind, Owner, Selector, UserPath, recipients,
    reject_activemq_forms,
};
use crate::permissions::Verb;
use crate::session::action::{Action, Publish, Receipt, SendTarget};
use crate::session::errors::{Rejection, required};
use crate::session::machine::Session;
use crate::session::temp::TempDestination;
use crate::session::transactions::TransactionFrame;
use bytes::Bytes;
use std::borrow::Cow;
use stompbox_frames::message::is_same_name;
use stompbox_frames::stomp::Frame;

/// Path of the user destination for replies of services to a SEND without `reply-to`.
const REPLIES: &str = "queue/replies";

/// The target of a SEND, and the `destination` that the MESSAGE shows.
struct Route {
    to: SendTarget,
    display_destination: Box<str>,
}

impl Session {
    pub(super) fn send(
        &mut self,
        frame: Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        self.check_extensions(&frame, actions)?;
        let Some(route) = self.route(&frame)? else { return self.renew_token(&frame, receipt, actions) };
        let session = self.selected_session(&frame, &route)?;
        let transaction: Option<Box<str>> = frame.header("transaction").map(Cow::into);
        let bytes = frame_bytes(&frame);
        self.check_recipients(&frame, &route, bytes)?;
        if let Some(transaction) = &transaction {
            self.transactions.check_capacity(frame.command, transaction, bytes, &self.options)?;
        }
        let extra = self.broker_headers(&route.to, &frame, actions)?;
        let frame = if let SendTarget::Users(..) = route.to { without_recipients(&frame) } else { frame };
        let publish = Publish {
            to: route.to,
            display_destination: route.display_destination,
            frame,
            extra,
            session,
            receipt: None,
        };
        match transaction {
            Some(transaction) => {
                let publish = Publish { frame: compact(&publish.frame), ..publish };
                self.transactions.park(&transaction, TransactionFrame::Publish(Box::new(publish)), bytes);
                self.receipt(receipt.take(), actions);
            }
            None => {
                actions.push(Action::Publish(Publish { receipt: self.register_receipt(receipt), ..publish }))
            }
        }
        Ok(())
    }

    /// Rejects a header line `to` of more than `header-bytes-max` bytes, except for a SEND to `/users/`. The broker
    /// removes the header from such a SEND, so no receiver gets the long line.
    fn check_recipients(&self, frame: &Frame, route: &Route, bytes: usize) -> Result<(), Rejection> {
        let max = self.options.header_bytes_max;
        if bytes <= max || matches!(route.to, SendTarget::Users(..)) {
            return Ok(());
        }
        match frame.header("to") {
            Some(to) if "to:".len() + to.len() > max => {
                Err(Rejection::to_elsewhere(&route.display_destination, max))
            }
            _ => Ok(()),
        }
    }

    /// Checks the permission for a SEND and returns its target. Returns `None` if the SEND renews the token. Caches the
    /// last destination, because most clients send to the same destination repeatedly.
    fn route(&mut self, frame: &Frame) -> Result<Option<Route>, Rejection> {
        let text = required(frame, "destination")?;
        if let Some(destination) = self.access_cache.last(&text) {
            return Ok(Some(Route { to: SendTarget::One(destination), display_destination: text.into() }));
        }
        let max = self.options.destination_bytes_max;
        let address = Address::parse_send(&text, max).map_err(Rejection::destination)?;
        let (owner, path) = match address {
            Address::Refresh => return Ok(None),
            Address::Users(path) => return self.route_to_many(frame, path).map(Some),
            Address::User(AddressOwner::Own, path) => (self.owner(), path),
            Address::User(AddressOwner::Named(name), path) => (Owner::user(&name), path),
            Address::User(AddressOwner::Session(id), path) => (Owner::session(&id), path),
            Address::Plain(Selector::Exact(destination)) => {
                let destination = self.resolve(&text, destination)?;
                self.check_permission(Verb::Send, &text, &Selector::Exact(destination.clone()))?;
                self.access_cache.remember(&text, &destination);
                return Ok(Some(Route {
                    to: SendTarget::One(destination),
                    display_destination: text.into(),
                }));
            }
            Address::Plain(Selector::Pattern(_)) => unreachable!("parse_send rejects wildcards"),
        };
        self.check_not_error_queue(&display_destination(&path))?;
        let destination = path.of(&owner).expect("parse_send rejects wildcards");
        self.check_permission(Verb::Send, &text, &Selector::Exact(destination.clone()))?;
        Ok(Some(Route { to: SendTarget::One(destination), display_destination: display_destination(&path) }))
    }

    /// Routes a SEND to `/users/…`. Checks the permission for each recipient. If one is denied, rejects the whole SEND.
    fn route_to_many(&self, frame: &Frame, path: UserPath) -> Result<Route, Rejection> {
        let to = frame.header("to").filter(|to| !to.is_empty()).ok_or_else(Rejection::to_missing)?;
        if to.len() > self.options.to_bytes_max {
            return Err(Rejection::to_bytes(self.options.to_bytes_max));
        }
        if to.bytes().filter(|byte| *byte == b',').count() >= self.options.to_names_max {
            return Err(Rejection::to_count(self.options.to_names_max));
        }
        let names = recipients(&to).map_err(|error| Rejection::to_names(&error.detail))?;
        self.check_not_error_queue(&display_destination(&path))?;
        let mut owners = Vec::with_capacity(names.len());
        for name in names {
            let owner = Owner::user(&name);
            let destination = path.of(&owner).expect("parse_send rejects wildcards");
            let text = format!("/user/{}/{}", owner.as_str(), path.as_str());
            if text.len() > self.options.destination_bytes_max {
                return Err(Rejection::recipient(&name, self.options.destination_bytes_max));
            }
            self.check_permission(Verb::Send, &text, &Selector::Exact(destination))?;
            owners.push(owner);
        }
        Ok(Route { display_destination: display_destination(&path), to: SendTarget::Users(owners, path) })
    }

    /// Replaces this session's own name of a temporary queue with the queue's address. Returns other destinations
    /// unchanged.
    fn resolve(&self, text: &str, destination: Destination) -> Result<Destination, Rejection> {
        match TempDestination::of(&destination) {
            TempDestination::Address | TempDestination::Other => Ok(destination),
            TempDestination::Own(name) => match self.temps.get(name) {
                Some(temp) => Ok(temp.address.clone()),
                None => Err(Rejection::unknown_temp_queue(text)),
            },
        }
    }

    /// Returns the ID of the session that the header `session` selects as the only receiver. Rejects a SEND to
    /// `/users/…` with this header.
    fn selected_session(&self, frame: &Frame, route: &Route) -> Result<Option<Box<str>>, Rejection> {
        let Some(session) = frame.header("session") else { return Ok(None) };
        match &route.to {
            SendTarget::One(destination) if destination.kind() == DestinationKind::User => {
                Ok(Some(session.into()))
            }
            // For other destinations, only the broker may set this header. It removes the value of the client.
            SendTarget::One(_) => Ok(None),
            SendTarget::Users(..) => Err(Rejection::session_elsewhere(&route.display_destination)),
        }
    }

    /// Returns the headers that the broker sets:
    ///
    /// - `user-name` for messages to users and services. With `show-sender`, for all messages.
    /// - `session` for messages to services.
    /// - `reply-to`, the address of the reply, for messages to services. Also for other messages if the client's
    ///   `reply-to` names a temporary queue of this session.
    fn broker_headers(
        &mut self,
        to: &SendTarget,
        frame: &Frame,
        actions: &mut Vec<Action>,
    ) -> Result<Vec<(&'static str, Box<str>)>, Rejection> {
        let kind = match to {
            SendTarget::One(destination) => destination.kind(),
            SendTarget::Users(..) => DestinationKind::User,
        };
        let mut extra = Vec::new();
        let reply_to = frame.header("reply-to");
        if let Some(reply) = reply_to.as_deref().filter(|reply| reply.starts_with('/')) {
            // Reject an ActiveMQ form here. Otherwise the broker would reject the receiver's answer, and the receiver
            // could not see the cause.
            reject_activemq_forms(reply).map_err(Rejection::reply_to)?;
        }
        let reply_to = match (kind, reply_to) {
            (_, Some(reply)) if reply.starts_with(DestinationKind::TempQueue.prefix()) => {
                self.temp_queue_reply_to(&reply, kind, actions)?
            }
            (DestinationKind::App, reply) => Some(self.user_reply_to(reply.as_deref())?),
            _ => None,
        };
        extra.extend(reply_to.map(|reply| ("reply-to", reply)));
        if self.options.show_sender || matches!(kind, DestinationKind::User | DestinationKind::App) {
            extra.extend(self.principal.name.as_deref().map(|name| ("user-name", name.into())));
        }
        if kind == DestinationKind::App {
            extra.push(("session", self.id.clone()));
        }
        Ok(extra)
    }

    /// Returns the address for a `reply-to` that names a temporary queue of this session. Opens the queue and
    /// subscribes to it if necessary, so that the client need not send a SUBSCRIBE. Returns `None` if the value is
    /// already an address. The broker then forwards it unchanged. A service replies only to the sender. In a message to
    /// a service, the address must therefore belong to this session.
    fn temp_queue_reply_to(
        &mut self,
        text: &str,
        kind: DestinationKind,
        actions: &mut Vec<Action>,
    ) -> Result<Option<Box<str>>, Rejection> {
        let destination =
            Destination::parse(text, self.options.destination_bytes_max).map_err(Rejection::destination)?;
        let name = match TempDestination::of(&destination) {
            TempDestination::Own(name) => name,
            _ if kind != DestinationKind::App => return Ok(None),
            _ if self.temps.has_address(&destination) => return Ok(Some(text.into())),
            _ => return Err(Rejection::reply_to_elsewhere(text)),
        };
        self.temps.check_capacity(name, &self.options)?;
        if self.temps.get(name).is_none_or(|temp| temp.subscribers == 0) {
            self.subscribe_implicitly(text, name, actions)?;
        }
        Ok(self.temps.get(name).map(|temp| temp.address.as_str().into()))
    }

    /// Returns the address to which a service replies. Only this session receives the reply. Rejects any other
    /// `reply-to`, because a service may have more permissions than its clients. A client must not use them through the
    /// service.
    fn user_reply_to(&self, text: Option<&str>) -> Result<Box<str>, Rejection> {
        let path = match text {
            None => return Ok(format!("/user/{}/{REPLIES}", Owner::session(&self.id).as_str()).into()),
            Some(text) => match Address::parse_send(text, self.options.destination_bytes_max) {
                Ok(Address::User(AddressOwner::Own, path)) => path,
                Ok(_) => return Err(Rejection::reply_to_elsewhere(text)),
                Err(error) => return Err(Rejection::destination(error)),
            },
        };
        Ok(format!("/user/{}/{}", Owner::session(&self.id).as_str(), path.as_str()).into())
    }
}

/// Returns the `destination` that a MESSAGE shows for a user destination. It does not contain the user's name.
fn display_destination(path: &UserPath) -> Box<str> {
    format!("/user/{}", path.as_str()).into()
}

/// Returns the size of a frame for the limits of a transaction: its header lines and its body, in bytes.
pub(super) fn frame_bytes(frame: &Frame) -> usize {
    let lines = frame.headers.iter().map(|(name, value)| name.len() + ":".len() + value.len() + "\n".len());
    lines.sum::<usize>() + frame.body.len()
}

/// Returns a copy without the header `to`, in upper or lower case, because recipients must not see each other.
fn without_recipients(frame: &Frame) -> Frame {
    let lines: Vec<_> = frame.headers.iter().filter(|(name, _)| !is_same_name(name, "to")).collect();
    let headers = lines.iter().map(|(name, value)| (&**name, &**value)).collect();
    Frame { command: frame.command, headers, body: frame.body.clone() }
}

/// Returns a copy in its own memory. A received frame is a slice of a read buffer, which it would keep alive.
fn compact(frame: &Frame) -> Frame {
    let lines: Vec<_> = frame.headers.iter().collect();
    let headers = lines.iter().map(|(name, value)| (&**name, &**value)).collect();
    Frame { command: frame.command, headers, body: Bytes::copy_from_slice(&frame.body) }
}
