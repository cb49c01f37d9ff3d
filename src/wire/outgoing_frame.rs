//! A frame on its way to one client, and the form in which its parts are written.

use super::output_buffer::AwaitedWrite;
use crate::budget::Charge;
use crate::outbound_queue::Message;
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use stompbox_frames::sockjs::{Quoting, quote};
use stompbox_frames::stomp::Version;

/// A frame to be wrapped for one client.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingFrame<'a> {
    /// The first part, which differs from receiver to receiver.
    pub prefix: &'a [u8],
    /// The part that follows the prefix.
    pub tail: Tail<'a>,
    /// Whether prefix and tail are valid UTF-8.
    pub text: bool,
    /// The delivery to report when the frame is written, if that is needed.
    pub mark: Option<AwaitedWrite>,
}

/// The last part of a frame.
#[derive(Clone, Copy, Debug)]
pub enum Tail<'a> {
    /// The tail of a message, shared by all its receivers with this STOMP version.
    Shared(&'a Message, Version),
    /// The tail of a frame for this client only, without a line end.
    Own(&'a Bytes),
}

impl<'a> Tail<'a> {
    /// Returns the tail as it is, and the number of its bytes before a line end.
    ///
    /// A translation for the client's version is kept for other clients while the byte budget has room.
    pub fn plain(&self) -> (Encoded<'a>, usize) {
        match self {
            Tail::Shared(message, version) => {
                let tail = message.tail(*version, Charge::for_copy);
                let length = tail.len() - 1;
                (Encoded::new(tail, message), length)
            }
            Tail::Own(tail) => (Encoded::own(Cow::Borrowed(tail)), tail.len()),
        }
    }

    /// Returns the tail quoted as a part of a SockJS string. The quoted tail of a shared message is kept for other
    /// receivers while the byte budget has room.
    pub fn quoted(&self, quoting: Quoting) -> Encoded<'a> {
        match self {
            Tail::Shared(message, version) => {
                Encoded::new(message.quoted_tail(*version, quoting, Charge::for_copy), message)
            }
            Tail::Own(tail) => {
                let mut quoted = BytesMut::with_capacity(tail.len() + tail.len() / 8);
                quote(quoting, tail, &mut quoted);
                Encoded::own(Cow::Owned(quoted.freeze()))
            }
        }
    }
}

/// A tail in the form in which it is written.
#[derive(Debug)]
pub struct Encoded<'a> {
    /// The bytes of the tail.
    pub bytes: Cow<'a, Bytes>,
    /// The message that accounts for the bytes; `None` if this connection does.
    pub guard: Option<&'a Message>,
}

impl<'a> Encoded<'a> {
    fn new(bytes: Cow<'a, Bytes>, message: &'a Message) -> Encoded<'a> {
        let guard = matches!(bytes, Cow::Borrowed(_)).then_some(message);
        Encoded { bytes, guard }
    }

    fn own(bytes: Cow<'a, Bytes>) -> Encoded<'a> {
        Encoded { bytes, guard: None }
    }
}
