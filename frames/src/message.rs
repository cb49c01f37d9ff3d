//! A message on its way to subscribers: encoded once, shared by all of them.
//!
//! On the wire a MESSAGE is a small prefix that differs per delivery (`MESSAGE`, `subscription`, `ack`,
//! `redelivered`, `delivery-count`) and a tail that is the same for everybody.

use crate::stomp::{Headers, Version};
use bytes::{Bytes, BytesMut};

/// What a message is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Unique across restarts and nodes; no octet that needs an escape.
    pub id: &'a str,
    /// As given on SEND.
    pub destination: &'a str,
    /// The SEND's headers; those that only the broker may set ([`RESERVED`]) are dropped here.
    pub headers: &'a Headers,
    /// Set by the broker: each replaces a header of that name in `headers`.
    pub extra: &'a [(&'a str, &'a str)],
    /// The body, octet by octet.
    pub body: &'a [u8],
}

/// Headers of a SEND that are not copied to the MESSAGE: the broker's own, and those meant for the broker.
pub const RESERVED: &[&str] = &[
    "destination", "message-id", "subscription", "ack", "content-length", "seq", "epoch", "redelivered",
    "delivery-count", "user-name", "session", "receipt", "transaction", "login", "passcode",
];

/// One message; cloning it copies a pointer. `G` lives exactly as long as the last clone (a memory charge, say).
#[derive(Debug)]
pub struct Message<G = ()> { _guard: std::sync::Arc<G> }
impl<G> Clone for Message<G> { fn clone(&self) -> Self { Message { _guard: self._guard.clone() } } }

impl<G> Message<G> {
    /// Encodes the message. `guard` is called with the octets that the message will hold.
    pub fn new(parts: Parts<'_>, guard: impl FnOnce(usize) -> G) -> Message<G> { let _ = (parts, &guard); unimplemented!() }
    /// The same message for another destination, with headers replaced or added: a dead letter.
    pub fn readdressed(&self, id: &str, destination: &str, extra: &[(&str, &str)], guard: impl FnOnce(usize) -> G) -> Message<G> { let _ = (id, destination, extra, &guard); unimplemented!() }
    /// Headers, blank line, body, NUL and LF for a peer of `version`; encoded at first use, then shared.
    /// Ends in `NUL LF`.
    pub fn tail(&self, version: Version) -> &Bytes { let _ = version; unimplemented!() }
    /// Whether the tail is valid UTF-8, so that it may travel as text.
    pub fn is_text(&self) -> bool { unimplemented!() }
    /// The broker's id.
    pub fn id(&self) -> &str { unimplemented!() }
    /// As given on SEND.
    pub fn destination(&self) -> &str { unimplemented!() }
    /// The body.
    pub fn body(&self) -> &[u8] { unimplemented!() }
    /// Octets held.
    pub fn size(&self) -> usize { unimplemented!() }
    /// Whether both are the same message in memory.
    pub fn same(&self, other: &Message<G>) -> bool { std::sync::Arc::ptr_eq(&self._guard, &other._guard) }
}

/// What differs from delivery to delivery.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery<'a> {
    /// The SUBSCRIBE's id; 1.0 subscriptions may have none.
    pub subscription: Option<&'a str>,
    /// Value of `ack`, in the client modes of 1.2.
    pub ack: Option<&'a str>,
    /// How often the message has been given to a consumer, this time included; from 2 on `redelivered:true`
    /// and `delivery-count` are sent.
    pub count: u32,
}
/// Appends `MESSAGE LF` and the headers of this delivery; the tail follows directly.
pub fn prefix(out: &mut BytesMut, version: Version, delivery: Delivery<'_>) { let _ = (out, version, delivery); unimplemented!() }
