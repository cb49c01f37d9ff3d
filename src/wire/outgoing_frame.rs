//! A frame on its way to one client: its prefix, and its tail in the form that the transport needs.

use super::output_buffer::AwaitedWrite;
use crate::budget::Charge;
use crate::outbound_queue::Message;
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use stompbox_frames::sockjs::{Quoting, quote};
use stompbox_frames::stomp::Version;

/// A frame that a wire wraps for its client.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingFrame<'a> {
    /// The first part of the frame, which differs from receiver to receiver.
    pub prefix: &'a [u8],
    /// The part that follows the prefix.
    pub tail: Tail<'a>,
    /// Whether both the prefix and the tail are valid UTF-8.
    pub text: bool,
    /// The delivery that [`OutputBuffer::advance`](super::output_buffer::OutputBuffer::advance) reports when the frame
    /// is written completely. `None` if no report is needed.
    pub mark: Option<AwaitedWrite>,
}

/// The last part of a frame.
#[derive(Clone, Copy, Debug)]
pub enum Tail<'a> {
    /// The tail of a message. All receivers of the message with this STOMP version share it. It ends with an LF.
    Shared(&'a Message, Version),
    /// The tail of a frame for this client only. It does not end with an LF.
    Own(&'a Bytes),
}

impl<'a> Tail<'a> {
    /// Returns the tail unquoted, and its length in bytes without the LF at its end.
    ///
    /// If the client's STOMP version needs another encoding of the message, the message keeps this copy for other
    /// clients. It does so only while the byte budget has enough free memory.
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

    /// Returns the tail quoted as a part of a SockJS string. The message keeps a quoted copy of a shared tail for other
    /// receivers. It does so only while the byte budget has enough free memory.
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

/// A tail in the form in which the wire writes it.
#[derive(Debug)]
pub struct Encoded<'a> {
    /// The bytes of the tail.
    pub bytes: Cow<'a, Bytes>,
    /// The message that is charged for the bytes. `None` if this connection is charged for them.
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
