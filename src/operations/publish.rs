//! Publishing: the audience of a message, the permission check, and the headers with which the broker describes the
//! sender.
//!
//! [`Client::route`] comes first: it checks the permission. Only its result, a [`Route`], can be turned into a command.

use super::client::Client;
use super::temp_queues::TempDestination;
use crate::command::{Audience, Publish};
use crate::destination::{
    Address, AddressOwner, Destination, DestinationKind, Owner, Routing, Selector, UserPath, recipients,
    reject_activemq_forms,
};
use crate::permissions::Verb;
use crate::rejection::Rejection;
use bytes::Bytes;
use std::sync::Arc;
use stompbox_frames::message::is_same_name;
use stompbox_frames::stomp::Headers;

/// The destination of error reports, to which only the broker may send.
pub const ERRORS: &str = "/user/queue/errors";
/// Path of the user destination to which a service replies if the message has no `reply-to`.
const REPLIES: &str = "queue/replies";

/// The permitted audience of a message.
#[derive(Debug)]
pub struct Route {
    audience: Audience,
    destination_header: Arc<str>,
}

/// The address of the reply to a message.
#[derive(Debug, PartialEq, Eq)]
pub enum ReplyTo {
    /// The header `reply-to` of the client, if any, is forwarded unchanged.
    Unchanged,
    /// This address replaces the header `reply-to` of the client.
    Address(Box<str>),
    /// The temporary queue that the client names in this way must be open, and the client must be subscribed to it. The
    /// address of the queue ([`Client::temp_queue_address`]) then replaces the header.
    TempQueue(Box<str>),
}

impl Client {
    /// Checks the permission to send to the destination `text`, and returns the audience. Returns `None` for the
    /// destination that renews the token of the session.
    ///
    /// The headers `to` and `session` are part of the destination. The last destination is cached, because most clients
    /// send to the same destination repeatedly.
    ///
    /// # Errors
    /// The destination is invalid or does not exist, a limit is exceeded, or a permission rule denies the request. If
    /// one of many recipients is denied, the request is rejected as a whole.
    pub fn route(&mut self, text: &str, headers: &Headers) -> Result<Option<Route>, Rejection> {
        let Some(route) = self.route_destination(text, headers)? else { return Ok(None) };
        self.check_recipients(&route, headers)?;
        select_session(route, headers).map(Some)
    }

    /// Returns the audience if the header `destination` in `headers` is the destination to which the client was last
    /// allowed to send. Otherwise returns `None`, and [`Client::route`] decides.
    ///
    /// # Errors
    /// The header `to` exceeds its limit.
    pub fn route_again(&self, headers: &Headers) -> Result<Option<Route>, Rejection> {
        let Some(destination) = self.access_cache.last_of(headers) else { return Ok(None) };
        // The cache contains no user destinations, so the header `session` does not matter.
        let route = Route::to_one_as_written(destination);
        self.check_recipients(&route, headers)?;
        Ok(Some(route))
    }

    fn route_destination(&mut self, text: &str, headers: &Headers) -> Result<Option<Route>, Rejection> {
        if let Some(destination) = self.access_cache.last(text) {
            return Ok(Some(Route::to_one_as_written(destination)));
        }
        let (owner, path) = match Address::parse_send(text, self.options.destination_bytes_max)? {
            Address::Refresh => return Ok(None),
            Address::Users(path) => return self.route_to_many(headers, path).map(Some),
            Address::User(AddressOwner::Own, path) => (self.owner(), path),
            Address::User(AddressOwner::Named(name), path) => (Owner::user(&name), path),
            Address::User(AddressOwner::Session(id), path) => (Owner::session(&id), path),
            Address::Plain(Selector::Exact(destination)) => {
                let destination = self.resolve(text, destination)?;
                self.check_permission(Verb::Send, text, &Selector::Exact(destination.clone()))?;
                self.access_cache.remember(text, &destination);
                return Ok(Some(Route::to_one(destination, text.into())));
            }
            Address::Plain(Selector::Pattern(_)) => unreachable!("parse_send rejects wildcards"),
        };
        check_not_error_queue(&destination_header(&path))?;
        let destination = path.of(&owner).expect("parse_send rejects wildcards");
        self.check_permission(Verb::Send, text, &Selector::Exact(destination.clone()))?;
        Ok(Some(Route::to_one(destination, destination_header(&path))))
    }

    /// Routes a message to `/users/…`. The permissions are checked for every recipient.
    fn route_to_many(&self, headers: &Headers, path: UserPath) -> Result<Route, Rejection> {
        let to = headers.get("to").filter(|to| !to.is_empty()).ok_or_else(Rejection::to_missing)?;
        if to.len() > self.options.to_bytes_max {
            return Err(Rejection::to_bytes(self.options.to_bytes_max));
        }
        if to.bytes().filter(|byte| *byte == b',').count() >= self.options.to_names_max {
            return Err(Rejection::to_count(self.options.to_names_max));
        }
        let names = recipients(&to).map_err(Rejection::to_names)?;
        check_not_error_queue(&destination_header(&path))?;
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
        Ok(Route { destination_header: destination_header(&path), audience: Audience::Users(owners, path) })
    }

    /// Replaces the client's own name of a temporary queue by the queue's address. Other destinations stay the same.
    fn resolve(&self, text: &str, destination: Destination) -> Result<Destination, Rejection> {
        match TempDestination::of(&destination) {
            TempDestination::Address | TempDestination::Other => Ok(destination),
            TempDestination::Own(name) => match self.temp_queues.get(name) {
                Some(temp) => Ok(temp.address.clone()),
                None => Err(Rejection::unknown_temp_queue(text)),
            },
        }
    }

    /// Rejects a header line `to` longer than `header-bytes-max` unless the message goes to `/users/`. For `/users/`
    /// the broker reads the header and removes it, so no receiver gets such a long line.
    fn check_recipients(&self, route: &Route, headers: &Headers) -> Result<(), Rejection> {
        let max = self.options.header_bytes_max;
        if headers.size() <= max || matches!(route.audience, Audience::Users(..)) {
            return Ok(());
        }
        match headers.get("to") {
            Some(to) if "to:".len() + to.len() > max => {
                Err(Rejection::to_elsewhere(&route.destination_header, max))
            }
            _ => Ok(()),
        }
    }

    /// Returns the address of the reply to a message with these headers. A header `reply-to` that names a temporary
    /// queue of the client must become the queue's address. A service replies only to the sender, so in a message to a
    /// service the address must belong to this client: a service may have more permissions than its clients, and a
    /// client must not be able to use them.
    ///
    /// # Errors
    /// The header `reply-to` is invalid, or names a destination of another client in a message to a service.
    pub fn reply_to(&self, route: &Route, headers: &Headers) -> Result<ReplyTo, Rejection> {
        let is_to_service = route.kind().routing() == Routing::Service;
        let Some(text) = headers.get("reply-to") else {
            return Ok(if is_to_service { self.own_reply(REPLIES) } else { ReplyTo::Unchanged });
        };
        if text.starts_with('/') {
            // Rejects an ActiveMQ form here. If the broker forwarded it, the receiver's answer would be rejected, and
            // the receiver could not see the cause.
            reject_activemq_forms(&text).map_err(Rejection::reply_to)?;
        }
        let max = self.options.destination_bytes_max;
        if text.starts_with(DestinationKind::TempQueue.prefix()) {
            let destination = Destination::parse(&text, max)?;
            return match TempDestination::of(&destination) {
                TempDestination::Own(name) => Ok(ReplyTo::TempQueue(name.into())),
                _ if !is_to_service => Ok(ReplyTo::Unchanged),
                _ if self.temp_queues.has_address(&destination) => Ok(ReplyTo::Address(text.into())),
                _ => Err(Rejection::reply_to_elsewhere(&text)),
            };
        }
        if !is_to_service {
            return Ok(ReplyTo::Unchanged);
        }
        match Address::parse_send(&text, max)? {
            Address::User(AddressOwner::Own, path) => Ok(self.own_reply(path.as_str())),
            _ => Err(Rejection::reply_to_elsewhere(&text)),
        }
    }

    /// Returns the address of a user destination of this session, so that only this session receives the reply.
    fn own_reply(&self, path: &str) -> ReplyTo {
        ReplyTo::Address(format!("/user/{}/{path}", Owner::session(&self.id).as_str()).into())
    }

    /// Returns the command to publish a message to the audience of `route`. The broker sets these headers:
    ///
    /// - `user-name` for messages to users and services, and with `show-sender` for all messages;
    /// - `session` for messages to services;
    /// - `reply-to`, if `reply_to` is an address.
    #[inline]
    pub fn publish(
        &self,
        route: Route,
        reply_to: Option<Box<str>>,
        headers: Headers,
        body: Bytes,
    ) -> Publish {
        let kind = route.kind();
        let Route { audience, destination_header } = route;
        let mut extra = Vec::new();
        extra.extend(reply_to.map(|address| ("reply-to", address)));
        if self.options.show_sender || kind.names_sender() {
            extra.extend(self.user().map(|name| ("user-name", name.into())));
        }
        if kind.routing() == Routing::Service {
            extra.push(("session", self.id.clone()));
        }
        let headers = if let Audience::Users(..) = audience { without_recipients(&headers) } else { headers };
        Publish { audience, destination_header, headers, extra, body }
    }
}

impl Route {
    fn to_one(destination: Destination, destination_header: Arc<str>) -> Route {
        Route { audience: Audience::One(destination), destination_header }
    }

    /// Routes to a destination whose text is exactly what the client wrote, without copying the text.
    fn to_one_as_written(destination: Destination) -> Route {
        let destination_header = destination.text().clone();
        Route::to_one(destination, destination_header)
    }

    fn kind(&self) -> DestinationKind {
        match &self.audience {
            Audience::One(destination) => destination.kind(),
            Audience::Session(..) | Audience::Users(..) => DestinationKind::User,
        }
    }
}

/// Rejects a message to the destination of error reports, which only the broker may use.
fn check_not_error_queue(destination: &str) -> Result<(), Rejection> {
    if destination != ERRORS {
        return Ok(());
    }
    Err(Rejection::access_denied(Verb::Send, destination, "only the broker may send to /user/queue/errors"))
}

/// Restricts the audience to the session that the header `session` selects. Rejects a message to `/users/…` with this
/// header.
fn select_session(route: Route, headers: &Headers) -> Result<Route, Rejection> {
    // For other destinations, only the broker may set this header, as it does `user-name`. The client's value is
    // removed.
    if route.kind().routing() != Routing::User {
        return Ok(route);
    }
    let Some(session) = headers.get("session") else { return Ok(route) };
    match route.audience {
        Audience::One(destination) => {
            Ok(Route { audience: Audience::Session(destination, session.into()), ..route })
        }
        Audience::Session(..) => Ok(route),
        Audience::Users(..) => Err(Rejection::session_elsewhere(&route.destination_header)),
    }
}

/// Returns the `destination` that a MESSAGE shows for a user destination. It does not contain the user's name.
fn destination_header(path: &UserPath) -> Arc<str> {
    format!("/user/{}", path.as_str()).into()
}

/// Returns a copy without the header `to`, whose name may be in any case, because recipients must not see each other.
fn without_recipients(headers: &Headers) -> Headers {
    let lines: Vec<_> = headers.iter().filter(|(name, _)| !is_same_name(name, "to")).collect();
    lines.iter().map(|(name, value)| (&**name, &**value)).collect()
}
