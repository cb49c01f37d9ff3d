//! A message that a [`Client`](super::Client) has received.

use crate::outbound_queue::{Delivery, Key, SessionId};
use std::fmt;
use stompbox_frames::stomp::{Decoder, Headers, Limits, Version};

/// The identity of a subscription of a [`Client`](super::Client). It is unique among all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId {
    pub(super) session: SessionId,
    pub(super) key: Key,
}

/// A message that a [`Client`](super::Client) has received.
pub struct Received {
    pub(super) delivery: Delivery,
    /// The session of the client that received the message.
    pub(super) session: SessionId,
    headers: Headers,
}

impl Received {
    pub(super) fn new(delivery: Delivery, session: SessionId) -> Received {
        let headers = headers(&delivery);
        Received { delivery, session, headers }
    }

    /// Returns the subscription that the message is for.
    pub fn subscription(&self) -> SubscriptionId {
        SubscriptionId { session: self.session, key: self.delivery.key }
    }

    /// Returns the ID of the message, which is unique across restarts.
    pub fn id(&self) -> &str {
        self.delivery.message.id()
    }

    /// Returns the destination that the publisher used, without the name of a user.
    pub fn destination(&self) -> &str {
        self.delivery.message.destination()
    }

    /// Returns the value of a header. If a header is repeated, the first one counts.
    pub fn header(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.headers.get(name)
    }

    /// Returns all headers in order, with their values.
    pub fn headers(&self) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)> {
        self.headers.iter()
    }

    /// Returns the body of the message as bytes. They need not be UTF-8.
    pub fn body(&self) -> &[u8] {
        self.delivery.message.body()
    }

    /// Returns how often the message was delivered, this time included. Messages of topics are delivered once.
    pub fn delivery_count(&self) -> u32 {
        self.delivery.count
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("id", &self.id())
            .field("destination", &self.destination())
            .field("bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}

/// Decodes the headers from the encoded form of the message.
fn headers(delivery: &Delivery) -> Headers {
    let limits = Limits {
        frame_bytes_max: usize::MAX,
        header_count_max: usize::MAX,
        header_bytes_max: usize::MAX,
        to_bytes_max: usize::MAX,
    };
    let mut decoder = Decoder::new(limits);
    decoder.feed(b"MESSAGE\n");
    decoder.feed(&delivery.message.tail(Version::V1_2, |_, _| None));
    let frame = decoder.next().ok().flatten();
    frame.map(|frame| frame.headers).unwrap_or_default()
}
