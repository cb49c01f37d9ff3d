//! A message to many subscribers. It is encoded once, and all subscribers share it.
//!
//! On the wire, a MESSAGE consists of a small prefix and a tail. Only the prefix differs between deliveries:
//!
//! ```text
//! prefix = MESSAGE LF [ subscription LF ] [ ack LF ] [ redelivered LF delivery-count LF ]
//! tail   = destination LF message-id LF *( extra LF ) *( header LF ) content-length LF LF body NUL LF
//! ```
//!
//! The primary tail is for STOMP 1.2 clients. It is written when the message is created, and contains all data of the
//! message. Some messages need another tail for STOMP 1.0 or 1.1. It is translated from the primary tail when the first
//! client of that version receives the message. A message with headers that need no escapes has one tail for all
//! versions.
//!
//! For SockJS clients, a tail is quoted as a part of a JSON string. A quoted copy is created when the first client
//! needs it. Each tail can have one copy for each [`Quoting`].
//!
//! The primary tail is the encoded form of the message: [`Message::from_wire`] rebuilds the message from it.
//!
//! The message stores a copy only if the caller provides a guard that accounts for its memory. Otherwise, each client
//! that needs the copy gets its own.

mod copies;
mod parse;
mod reserved;
mod tail;
mod wire_error;

pub use reserved::{RESERVED, RESERVED_EXTRA};
pub use wire_error::{WireError, WireErrorKind};

use crate::sockjs::Quoting;
use crate::stomp::encode;
use crate::stomp::headers::{Headers, text};
use crate::stomp::version::Version;
use bytes::{Bytes, BytesMut};
use copies::{Copies, quoted_copy};
use parse::parse;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use tail::{EscapesUsed, Layout, TailLines, TailValue, assemble, translate};

/// The contents of a message before it is encoded.
#[derive(Debug)]
pub struct MessageParts<'a> {
    /// The message ID, unique across restarts of the broker. It should contain no byte that needs an escape.
    pub id: &'a str,
    /// The value of the header `destination` of the MESSAGE, without escapes.
    pub destination: &'a str,
    /// The headers of the SEND. The message leaves out reserved headers ([`RESERVED`]) and repeated headers.
    pub headers: &'a Headers,
    /// Headers that the broker adds. Each replaces the headers with the same name in `headers`. A name in [`RESERVED`] is
    /// allowed only if it is also in [`RESERVED_EXTRA`]; it must be written as there, and occur once.
    pub extra: &'a [(&'a str, &'a str)],
    /// The body, which the message contains unchanged.
    pub body: &'a [u8],
}

/// Returns whether `name` is one of [`RESERVED`], ignoring case and surrounding white space.
///
/// Many receivers trim header names or ignore their case. Such a receiver would take a client's `User-Name` for the
/// broker's `user-name`.
pub fn is_reserved(name: &str) -> bool {
    tail::is_reserved(name.as_bytes(), false, false)
}

/// Returns whether two header names are equal for a receiver that trims names and ignores their case.
pub fn is_same_name(one: &str, other: &str) -> bool {
    tail::folded(one) == tail::folded(other)
}

/// An encoded message. Cloning it copies a pointer. Dropping the last clone drops the guard `G`, such as a memory
/// charge.
#[derive(Debug)]
pub struct Message<G = ()> {
    shared: Arc<Shared<G>>,
}

#[derive(Debug)]
struct Shared<G> {
    /// The tail for STOMP 1.2.
    primary: Bytes,
    layout: Layout,
    escapes: EscapesUsed,
    /// The message ID and the destination without escapes. `None` if the primary tail contains both without escapes.
    unescaped: Option<Box<(String, String)>>,
    /// Tails for STOMP 1.1 and 1.0. Unset for most messages, because they need only the primary tail.
    translated: OnceLock<Box<Copies<G, 2>>>,
    is_text: OnceLock<bool>,
    /// The primary tail as a part of a JSON string, with one copy for each [`Quoting`]. Unset until a SockJS client
    /// receives the message.
    quoted: OnceLock<Box<Copies<G, QUOTINGS>>>,
    /// Quoted forms of the tails for STOMP 1.1 and 1.0. Few clients use these versions.
    quoted_translated: OnceLock<Box<Copies<G, { 2 * QUOTINGS }>>>,
    guard: G,
}

/// Number of quoted copies that one tail can have.
const QUOTINGS: usize = Quoting::ALL.len();

/// Identifies one of the tails of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TailKind {
    Primary,
    V1_1,
    V1_0,
}

impl<G> Clone for Message<G> {
    fn clone(&self) -> Self {
        Message { shared: Arc::clone(&self.shared) }
    }
}

impl<G> Message<G> {
    /// Bytes that a message takes in addition to its primary tail. They are for the shared block and its two reference
    /// counts.
    pub const OVERHEAD_BYTES: usize = size_of::<Shared<G>>() + 2 * size_of::<usize>();

    /// Bytes for the unescaped message ID and destination, in addition to their text. They are for the boxed pair, and
    /// for rounding by the allocator.
    const UNESCAPED_BYTES: usize = size_of::<(String, String)>() + 32;

    /// Encodes a message. Calls `guard` with the number of bytes that the message takes.
    pub fn new(parts: MessageParts<'_>, guard: impl FnOnce(usize) -> G) -> Message<G> {
        let MessageParts { id, destination, headers, extra, body } = parts;
        let mut lines = TailLines::default();
        lines.add_send(headers, extra);
        Message::assembled(id, destination, extra, &lines, body, guard)
    }

    /// Rebuilds a message from its encoded form, the bytes that [`encoded`](Message::encoded) returns. `guard` is
    /// called with the number of bytes that the message will hold, the same number as for the original message.
    ///
    /// The bytes need not be trusted. A message is returned only for bytes that [`Message::new`] or
    /// [`readdressed`](Message::readdressed) can write. The time is proportional to the number of bytes. Invalid bytes
    /// cost no memory, except while the name of a header that has escapes or is not ASCII is compared.
    ///
    /// The message keeps `tail` without copying it, and with it the whole allocation of which `tail` is a slice. The
    /// guard does not account for other parts of this allocation.
    ///
    /// NUL in an ID or a destination is encoded as a space, so the rebuilt message has a space in its place.
    ///
    /// # Errors
    /// [`WireError`] if the bytes are not the encoded form of a message. It has the offset of the error.
    pub fn from_wire(tail: Bytes, guard: impl FnOnce(usize) -> G) -> Result<Message<G>, WireError> {
        let (layout, escapes) = parse(&tail)?;
        let unescaped = match escapes {
            EscapesUsed::None => None,
            _ => {
                let [id, destination] =
                    [layout.id(), layout.destination()].map(|range| text(&tail[range], true));
                let is_verbatim = matches!((&id, &destination), (Cow::Borrowed(_), Cow::Borrowed(_)));
                // Copies the texts, because unescaping returns strings with excess capacity.
                (!is_verbatim).then(|| Box::new(((*id).to_owned(), (*destination).to_owned())))
            }
        };
        Ok(Message::with_tail(tail, layout, escapes, unescaped, guard))
    }

    /// Creates a copy of the message with another ID and destination, for dead letters. `extra` replaces or adds
    /// headers. Calls `guard` with the number of bytes that the copy takes.
    pub fn readdressed(
        &self,
        id: &str,
        destination: &str,
        extra: &[(&str, &str)],
        guard: impl FnOnce(usize) -> G,
    ) -> Message<G> {
        let mut lines = TailLines::default();
        lines.add_tail(&self.shared.primary[self.shared.layout.headers()], extra);
        Message::assembled(id, destination, extra, &lines, self.body(), guard)
    }

    fn assembled(
        id: &str,
        destination: &str,
        extra: &[(&str, &str)],
        lines: &TailLines<'_>,
        body: &[u8],
        guard: impl FnOnce(usize) -> G,
    ) -> Message<G> {
        let (id_value, destination_value) = (TailValue::new(id), TailValue::new(destination));
        let is_unescaped = id_value.is_verbatim() && destination_value.is_verbatim();
        let (primary, layout) = assemble(id_value, destination_value, extra, lines, body);
        let is_verbatim = is_unescaped
            || primary[layout.id()] == *id.as_bytes()
                && primary[layout.destination()] == *destination.as_bytes();
        let unescaped = (!is_verbatim).then(|| Box::new((id.to_owned(), destination.to_owned())));
        let escapes = match is_unescaped && extra.is_empty() && !lines.may_escape() {
            true => EscapesUsed::None,
            false => EscapesUsed::of(&primary[layout.head()]),
        };
        Message::with_tail(primary, layout, escapes, unescaped, guard)
    }

    #[inline]
    fn with_tail(
        primary: Bytes,
        layout: Layout,
        escapes: EscapesUsed,
        unescaped: Option<Box<(String, String)>>,
        guard: impl FnOnce(usize) -> G,
    ) -> Message<G> {
        let unescaped_bytes = unescaped
            .as_ref()
            .map_or(0, |unescaped| Self::UNESCAPED_BYTES + unescaped.0.len() + unescaped.1.len());
        let guard = guard(primary.len() + Self::OVERHEAD_BYTES + unescaped_bytes);
        let shared = Shared {
            primary,
            layout,
            escapes,
            unescaped,
            translated: OnceLock::new(),
            is_text: OnceLock::new(),
            quoted: OnceLock::new(),
            quoted_translated: OnceLock::new(),
            guard,
        };
        Message { shared: Arc::new(shared) }
    }

    /// Returns the encoded form of the message, from which [`from_wire`](Message::from_wire) rebuilds it: the tail for
    /// STOMP 1.2.
    pub fn encoded(&self) -> &Bytes {
        &self.shared.primary
    }

    /// Returns the tail for a client of `version`: the headers, a blank line, the body, NUL and LF.
    ///
    /// If the tail differs from the primary tail, creates it at its first use. Then calls `guard` with the message's
    /// own guard and the number of bytes that the copy takes. If `guard` returns a guard, the message stores the copy.
    /// Otherwise, the copy belongs to the caller.
    pub fn tail(&self, version: Version, guard: impl FnOnce(&G, usize) -> Option<G>) -> Cow<'_, Bytes> {
        let shared = &*self.shared;
        let slot = match self.tail_kind(version) {
            TailKind::Primary => return Cow::Borrowed(&shared.primary),
            TailKind::V1_1 => 0,
            TailKind::V1_0 => 1,
        };
        let make = || translate(&shared.primary, &shared.layout, version);
        Copies::get_or_make(&shared.translated, slot, make, |bytes| guard(&shared.guard, bytes))
    }

    /// Returns the quoted tail for a SockJS client of `version`. The tail lacks the last LF, because the string of a
    /// SockJS message ends in NUL. In the body, U+FFFD replaces bytes that are not UTF-8.
    ///
    /// Quotes a tail at its first use, once for each quoting. `guard` decides whether the message stores the copy, as
    /// in [`tail`](Message::tail).
    pub fn quoted_tail(
        &self,
        version: Version,
        quoting: Quoting,
        guard: impl FnOnce(&G, usize) -> Option<G>,
    ) -> Cow<'_, Bytes> {
        let shared = &*self.shared;
        let guard = |bytes| guard(&shared.guard, bytes);
        let version_index = match self.tail_kind(version) {
            TailKind::Primary => {
                let make = || quoted_copy(quoting, &shared.primary);
                return Copies::get_or_make(&shared.quoted, quoting as usize, make, guard);
            }
            TailKind::V1_1 => 0,
            TailKind::V1_0 => 1,
        };
        // Do not store the unquoted tail: SockJS clients need only the quoted copy.
        let make = || quoted_copy(quoting, &translate(&shared.primary, &shared.layout, version));
        let slot = version_index * QUOTINGS + quoting as usize;
        Copies::get_or_make(&shared.quoted_translated, slot, make, guard)
    }

    /// Returns the tail that clients of `version` need.
    fn tail_kind(&self, version: Version) -> TailKind {
        match (version, self.shared.escapes) {
            (Version::V1_2, _) | (_, EscapesUsed::None) | (Version::V1_1, EscapesUsed::Common) => {
                TailKind::Primary
            }
            (Version::V1_1, EscapesUsed::CarriageReturn) => TailKind::V1_1,
            (Version::V1_0, EscapesUsed::Common | EscapesUsed::CarriageReturn) => TailKind::V1_0,
        }
    }

    /// Returns whether the tail is valid UTF-8. If so, it may be sent as a WebSocket text message.
    pub fn is_text(&self) -> bool {
        *self.shared.is_text.get_or_init(|| std::str::from_utf8(self.body()).is_ok())
    }

    /// Returns the message ID, without escapes.
    pub fn id(&self) -> &str {
        match &self.shared.unescaped {
            Some(unescaped) => &unescaped.0,
            None => self.text(self.shared.layout.id()),
        }
    }

    /// Returns the destination, without escapes.
    pub fn destination(&self) -> &str {
        match &self.shared.unescaped {
            Some(unescaped) => &unescaped.1,
            None => self.text(self.shared.layout.destination()),
        }
    }

    /// Returns the body, without the NUL after it.
    pub fn body(&self) -> &[u8] {
        &self.shared.primary[self.shared.layout.body(self.shared.primary.len())]
    }

    /// Returns the size of the primary tail plus [`OVERHEAD_BYTES`](Self::OVERHEAD_BYTES), in bytes.
    pub fn size(&self) -> usize {
        self.shared.primary.len() + Self::OVERHEAD_BYTES
    }

    /// Returns whether `self` and `other` are clones of one message.
    pub fn ptr_eq(&self, other: &Message<G>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn text(&self, range: std::ops::Range<usize>) -> &str {
        std::str::from_utf8(&self.shared.primary[range]).expect("the id and the destination are UTF-8")
    }
}

/// The headers that differ between deliveries of one message.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryHeaders<'a> {
    /// The `id` of the SUBSCRIBE. `None` for a STOMP 1.0 subscription without an `id`.
    pub subscription: Option<&'a str>,
    /// The value of the `ack` header. For STOMP 1.2 subscriptions with `ack:client` or `ack:client-individual` only.
    pub ack: Option<&'a str>,
    /// The number of deliveries of the message to consumers, including this one. From 2 on, the MESSAGE has the headers
    /// `redelivered:true` and `delivery-count`.
    pub count: u32,
}

/// Appends the prefix of a MESSAGE frame: the command and the headers of this delivery. The tail must follow directly.
pub fn prefix(out: &mut BytesMut, version: Version, delivery: DeliveryHeaders<'_>) {
    out.extend_from_slice(b"MESSAGE\n");
    if let Some(subscription) = delivery.subscription {
        encode::value_line(out, version, "subscription:", subscription);
    }
    if let Some(ack) = delivery.ack {
        encode::value_line(out, version, "ack:", ack);
    }
    if delivery.count >= 2 {
        out.extend_from_slice(b"redelivered:true\ndelivery-count:");
        encode::decimal(out, delivery.count as usize);
        out.extend_from_slice(b"\n");
    }
}

#[cfg(test)]
mod tests;
