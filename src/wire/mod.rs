//! The interface between the connection task and a transport: how frames are wrapped for it, and how bytes are read and
//! written.
//!
//! A transport is a type that implements [`Wire`], and an entry at its listener. The connection task
//! ([`crate::connection::task`]) uses nothing else of it.

pub(crate) mod byte_stream;
pub(crate) mod first_bytes;
pub mod output_buffer;
pub(crate) mod protocol;
pub(crate) mod read_buffer;
pub(crate) mod tcp;
pub mod websocket;
use crate::budget::Charge;
use crate::outbound_queue::Message;
use crate::wire::output_buffer::{AwaitedWrite, OutputBuffer};
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use stompbox_frames::sockjs::{Quoting, quote};
use stompbox_frames::stomp::Version;

/// The way in which the reading side ended.
#[derive(Debug)]
pub enum ReadEnd {
    /// The client closed its side as the wire prescribes.
    Closed,
    /// The socket failed.
    Failed(io::Error),
    /// The client violated the protocol of the wire itself (not STOMP). [`Wire::write_close`] reports that to the
    /// client.
    ProtocolError(&'static str),
    /// A limit of the wire was reached: the name of its option.
    Limit(&'static str),
}

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

/// The code and the reason that a wire sends to its client when the session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseInfo {
    /// A close code (RFC 6455 §7.4.1); 3000 to 4999 are an application's own.
    pub code: u16,
    /// The reason for people, in a few words.
    pub reason: &'static str,
}

/// A transport as the connection task uses it, or another [`Application`](crate::http::sockjs::Application).
pub trait Wire: Unpin + Send + 'static {
    /// Returns the name of the transport in logs and metrics.
    fn name(&self) -> &'static str;

    /// Returns whether the wire can carry a frame that is not UTF-8.
    fn carries_binary(&self) -> bool {
        true
    }

    /// Returns whether a client that has closed its sending side may still read.
    fn supports_half_close(&self) -> bool {
        false
    }

    /// Returns whether the client's bytes come directly from its socket, so that it may speak another protocol.
    fn is_raw_stream(&self) -> bool {
        false
    }

    /// Appends the first bytes that the wire sends, such as the open frame of SockJS.
    fn open(&mut self, _out: &mut OutputBuffer) {}

    /// Applies the limits of authenticated clients. `application_heartbeat` is the longest interval between two frames
    /// that the application sends, if it guarantees one.
    fn set_authenticated(&mut self, _application_heartbeat: Option<Duration>) {}

    /// Returns whether the client sends nothing more. Bytes that it sent before may still be unread.
    fn input_has_ended(&self) -> bool;

    /// Returns `Ready` while the wire can be written to. The task is woken when that changes.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Returns the number of bytes of memory that the wire itself holds at the moment.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Returns the time at which [`Wire::expire`] is to be called.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Handles a deadline that has passed: sends a heartbeat of the wire itself, or stops waiting for the client.
    fn expire(&mut self, _now: Instant, _out: &mut OutputBuffer) {}

    /// Reads once and passes the bytes to `sink`; a wire of messages (SockJS) passes one message a call. Appends
    /// answers of the wire itself (a pong) to `out`. Returns the number of bytes of messages read, complete or
    /// not.
    ///
    /// # Errors
    /// The reading side has ended.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut OutputBuffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>>;

    /// Appends one STOMP frame, or one message of another application.
    fn write_frame(&mut self, frame: OutgoingFrame<'_>, out: &mut OutputBuffer);

    /// Appends one heartbeat of STOMP.
    fn write_heartbeat(&mut self, out: &mut OutputBuffer);

    /// Returns whether [`Wire::write_close`] reports a shutdown to the client, so that no ERROR frame is needed even if
    /// `shutdown-error` asks for one.
    fn reports_shutdown_in_close(&self) -> bool;

    /// Appends the closing message of the wire, such as a WebSocket close frame.
    fn write_close(&mut self, close_info: CloseInfo, out: &mut OutputBuffer);

    /// Writes once. Returns `Ready` with the number of bytes of `out` that were written.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut OutputBuffer) -> Poll<io::Result<usize>>;

    /// Closes the writing side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads and discards input. Returns `Ready` at the end of the input or on failure.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
