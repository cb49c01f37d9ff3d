//! A WebSocket after its handshake: reads messages, writes frames, and performs the closing handshake. The owner of the
//! socket decides what the messages mean: STOMP, SockJS, or an echo.

use super::reader::{Event, ProtocolError, Reader};
use crate::rejection::Limit;
use crate::wire::byte_stream::ByteStream;
use crate::wire::ending::{CloseInfo, ReadEnd};
use crate::wire::output_buffer::OutputBuffer;
use crate::wire::{read_buffer, tcp};
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use stompbox_frames::websocket::{Opcode, head};

/// Maximum size of the pending output in bytes. While it is reached, pings are ignored. RFC 6455 §5.5.3 does not
/// require a pong for every ping.
const PONG_BACKLOG_BYTES_MAX: usize = 64 * 1024;

/// A piece of a message from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// The bytes of the piece, after unmasking.
    pub payload: &'a [u8],
    /// Whether the message is text, and not binary. All pieces of a text message together are valid UTF-8.
    pub text: bool,
    /// Whether the message ends with this piece.
    pub end: bool,
}

/// A WebSocket after its handshake.
#[derive(Debug)]
pub struct WebSocket<S> {
    io: S,
    /// Bytes that arrived together with the handshake and are not processed yet.
    early: Option<Box<[u8]>>,
    inbound: Inbound,
}

/// The input from the client, and the reason why it ended.
#[derive(Debug)]
struct Inbound {
    reader: Reader,
    /// The protocol violation of the client, which the reader found or the `sink` of `poll_read` returned.
    violation: Option<ProtocolError>,
    /// The client's close frame: `Some` once it has arrived, with its code if it has one.
    closed_by_client: Option<Option<u16>>,
}

impl<S> WebSocket<S> {
    /// Creates the socket after the handshake. `early` are the bytes that arrived together with the handshake. A
    /// message longer than `message_bytes_max` bytes (`ws-message-bytes-max`) is rejected at the head of the frame that
    /// exceeds the limit.
    pub fn new(io: S, early: Bytes, message_bytes_max: u64) -> WebSocket<S> {
        let reader = Reader::new(message_bytes_max);
        // This is a copy. A slice, even an empty one, would keep the whole buffer into which hyper read the handshake.
        let early = (!early.is_empty()).then(|| Box::from(&early[..]));
        WebSocket { io, early, inbound: Inbound { reader, violation: None, closed_by_client: None } }
    }

    /// Changes the maximum size of a message. The new limit applies from the next frame head on.
    pub fn set_message_bytes_max(&mut self, message_bytes_max: u64) {
        self.inbound.reader.set_message_bytes_max(message_bytes_max);
    }

    /// Appends the close frame. If the client has violated the protocol, the frame has the code and the reason of the
    /// violation. If the client has sent a close frame, the frame repeats its code. In all other cases, the frame has
    /// the code and the reason of `close_info`.
    pub fn write_close(&mut self, close_info: CloseInfo, out: &mut OutputBuffer) {
        let (code, reason) = match (self.inbound.violation, self.inbound.closed_by_client) {
            (Some(violation), _) => (Some(violation.code), violation.reason),
            (None, Some(code)) => (code, ""),
            (None, None) => (Some(close_info.code), close_info.reason),
        };
        let mut payload = Vec::with_capacity(2 + reason.len());
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        message(Opcode::Close, &payload, out);
    }

    /// Returns whether the WebSocket is over, because the client has sent a close frame or has violated the protocol.
    pub fn has_ended(&self) -> bool {
        self.inbound.violation.is_some() || self.inbound.closed_by_client.is_some()
    }
}

impl<S: ByteStream> WebSocket<S> {
    /// Returns whether the client has closed its sending side. Bytes that it sent earlier may still be unread.
    pub fn input_has_ended(&self) -> bool {
        self.io.input_has_ended()
    }

    /// Reads once. Appends pongs to `out`, and passes pieces of messages to `sink`. `sink` may return a violation if
    /// its own protocol forbids a piece. Returns the number of bytes of message content that were read.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut OutputBuffer,
        sink: impl FnMut(Data<'_>) -> Result<(), ProtocolError>,
    ) -> Poll<Result<usize, ReadEnd>> {
        let WebSocket { io, early, inbound } = self;
        if let Some(mut early) = early.take() {
            return Poll::Ready(inbound.take(&mut early, out, sink));
        }
        let read = read_buffer::poll_read(io, cx, |bytes| match bytes {
            [] => Err(ReadEnd::Closed),
            bytes => inbound.take(bytes, out, sink),
        });
        read.map(|read| read.unwrap_or(Err(ReadEnd::Failed)))
    }

    /// Writes once from `out`.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, out: &OutputBuffer) -> Poll<io::Result<usize>> {
        tcp::poll_write(&mut self.io, cx, out)
    }

    /// Closes the writing side.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Reads and discards input. Returns `Ready` at the end of the input or on failure.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        read_buffer::poll_discard(&mut self.io, cx)
    }
}

impl Inbound {
    fn take(
        &mut self,
        bytes: &mut [u8],
        out: &mut OutputBuffer,
        mut sink: impl FnMut(Data<'_>) -> Result<(), ProtocolError>,
    ) -> Result<usize, ReadEnd> {
        let closed_by_client = &mut self.closed_by_client;
        let (mut violation, mut message_bytes) = (None, 0);
        let result = self.reader.feed(bytes, &mut |event| match event {
            // After `sink` has rejected a piece, it gets no further input.
            _ if violation.is_some() => {}
            Event::Data { payload, text, end } => {
                message_bytes += payload.len();
                violation = sink(Data { payload, text, end }).err();
            }
            Event::Ping(payload) if out.pending() < PONG_BACKLOG_BYTES_MAX => {
                message(Opcode::Pong, payload, out);
            }
            Event::Ping(_) | Event::Pong => {}
            Event::Close(code) => *closed_by_client = Some(code),
        });
        if let Some(violation) = violation.or(result.err()) {
            self.violation = Some(violation);
            return Err(match violation.code {
                1009 => ReadEnd::Limit(Limit::WsMessageBytes),
                _ => ReadEnd::ProtocolError(violation.reason),
            });
        }
        if self.closed_by_client.is_some() { Err(ReadEnd::Closed) } else { Ok(message_bytes) }
    }
}

/// Appends one message or control frame, copying its payload.
pub fn message(opcode: Opcode, payload: &[u8], out: &mut OutputBuffer) {
    write_head(opcode, payload.len(), out);
    out.copy(payload);
    out.end_frame(None);
}

pub(super) fn write_head(opcode: Opcode, payload_bytes: usize, out: &mut OutputBuffer) {
    out.encode(|buffer| head(buffer, opcode, payload_bytes));
}
