//! A way to reach a client: what bytes mean on it, and how frames are wrapped for it.
//!
//! A transport is a type with this trait and a row where its listener is; the connection task
//! ([`super::drive`]) knows nothing else of it.

use super::output_buffer::{AwaitedWrite, OutputBuffer};
use crate::budget::Charge;
use crate::outbound_queue::Message;
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use stompbox_frames::sockjs::{Quoting, quote};
use stompbox_frames::stomp::Version;

/// How the reading side ended.
#[derive(Debug)]
pub enum ReadEnd {
    /// The client closed its side, in the manner of the wire.
    Closed,
    /// The socket failed.
    Failed(io::Error),
    /// The client broke the rules of the wire itself (not STOMP's); [`Wire::close_info`] says so.
    Violation(&'static str),
    /// A limit of the wire was met, by its option's name.
    Limit(&'static str),
}

/// One frame to be wrapped.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingFrame<'a> {
    /// What differs from receiver to receiver.
    pub prefix: &'a [u8],
    /// What follows it.
    pub tail: Tail<'a>,
    /// Whether prefix and tail are valid UTF-8.
    pub text: bool,
    /// Who waits for it to be written.
    pub mark: Option<AwaitedWrite>,
}

/// The end of a frame.
#[derive(Clone, Copy, Debug)]
pub enum Tail<'a> {
    /// Of a message, shared by all its receivers of that version.
    Shared(&'a Message, Version),
    /// Of this client's own; without a line end.
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

    /// Returns the tail as a part of a SockJS string; of a shared message quoted once for all while the byte budget has
    /// room.
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

/// What a wire tells its client when the conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseInfo {
    /// A close code (RFC 6455 §7.4.1); 3000 to 4999 are an application's own.
    pub code: u16,
    /// One or two words for people.
    pub reason: &'static str,
}

/// A transport as whoever converses on it sees it: the connection task, or another
/// [`Application`](super::sockjs::Application).
pub trait Wire: Unpin + Send + 'static {
    /// Its name in logs and metrics.
    fn name(&self) -> &'static str;

    /// Whether a frame that is not UTF-8 can travel.
    fn carries_binary(&self) -> bool {
        true
    }

    /// Whether a client that has closed its side may still read.
    fn supports_half_close(&self) -> bool {
        false
    }

    /// Returns whether the client's bytes come directly from its socket, so that it may speak another protocol.
    fn is_raw_stream(&self) -> bool {
        false
    }

    /// Appends what the wire says first.
    fn open(&mut self, _out: &mut OutputBuffer) {}

    /// The client has proved who it is: from now on the limits of such clients hold. `beats`: the application sends
    /// something at least as often.
    fn trust(&mut self, _beats: Option<Duration>) {}

    /// Returns whether the client sends nothing more. Bytes that it sent before may still be unread.
    fn input_has_ended(&self) -> bool;

    /// `Ready` while there is somewhere to write to. The task is woken when that changes.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Bytes that the wire itself holds for the moment.
    fn held_bytes(&self) -> usize {
        0
    }

    /// When [`Wire::expire`] is to be called.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has come: heart-beats of the wire's own, the end of waiting for a client.
    fn expire(&mut self, _now: Instant, _out: &mut OutputBuffer) {}

    /// Reads once and hands bytes to `sink`, on a wire of messages (SockJS) one message a call; what the wire
    /// itself has to answer (a pong) goes into `out`. Returns the bytes of messages that were read, complete or not.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut OutputBuffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>>;

    /// Appends one STOMP frame (or whatever the application calls a message).
    fn wrap(&mut self, piece: OutgoingFrame<'_>, out: &mut OutputBuffer);

    /// Appends one heart-beat.
    fn heart_beat(&mut self, out: &mut OutputBuffer);

    /// Whether [`Wire::close_info`] tells the client of a shutdown, so that no ERROR frame is needed even where
    /// `shutdown-error` asks for one.
    fn reports_shutdown_in_close(&self) -> bool;

    /// Appends the wire's own last words.
    fn write_close(&mut self, close_info: CloseInfo, out: &mut OutputBuffer);

    /// Writes once; `Ready(n)` when `n` bytes of `out` were taken.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut OutputBuffer) -> Poll<io::Result<usize>>;

    /// Closes the writing side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads and throws away; `Ready` at the end of the input or on failure.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
