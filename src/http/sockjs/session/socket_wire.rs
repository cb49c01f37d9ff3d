//! The wire of a SockJS session over WebSocket. The session ends with the socket. Every SockJS frame is a text message.

use super::lifecycle::replaces_heartbeats;
use crate::wire::byte_stream::ByteStream;
use crate::wire::output_buffer::OutputBuffer;
use crate::wire::websocket::{Data, ProtocolError, WebSocket, message};
use crate::wire::{CloseInfo, OutgoingFrame, ReadEnd, Wire};
use crate::work;
use bytes::BytesMut;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use stompbox_frames::sockjs::{ARRAY_CLOSE, ARRAY_OPEN, Quoting, SockJsFrame, payload, quote};
use stompbox_frames::websocket::{Opcode, head};

/// The WebSocket close code and reason for a client that has sent invalid JSON. No SockJS close frame precedes them.
const INVALID_JSON: ProtocolError = ProtocolError { code: 3000, reason: "Broken framing." };
/// The WebSocket close code and reason after a SockJS close frame. The SockJS close frame contains those of the
/// application.
const NORMAL: CloseInfo = CloseInfo { code: 1000, reason: "Normal closure" };
const QUOTING: Quoting = Quoting::Plain;

/// The wire of a SockJS session over WebSocket.
pub(crate) struct SocketWire<S> {
    socket: WebSocket<S>,
    /// The message that is being read. It takes no memory between messages.
    message: Vec<u8>,
    heartbeat: Duration,
    wrote_at: Instant,
    /// Maximum size of a message from an authenticated client, in bytes.
    message_bytes_max: u64,
}

impl<S> SocketWire<S> {
    /// Creates the wire on a socket. The socket must have the message limit for unauthenticated clients.
    /// `message_bytes_max` is the limit for authenticated clients.
    pub(crate) fn new(socket: WebSocket<S>, heartbeat: Duration, message_bytes_max: u64) -> SocketWire<S> {
        SocketWire { socket, message: Vec::new(), heartbeat, wrote_at: Instant::now(), message_bytes_max }
    }
}

/// Appends a piece of a message to `buffered`. Once the message is complete, passes each of its strings to `sink`.
fn parse_piece(
    buffered: &mut Vec<u8>,
    data: Data<'_>,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), ProtocolError> {
    if !data.end {
        buffered.extend_from_slice(data.payload);
        return Ok(());
    }
    work::add((buffered.len() + data.payload.len()) / work::JSON_BYTES_PER_UNIT);
    let payload = match buffered.is_empty() {
        true => payload::message(data.payload),
        false => {
            buffered.extend_from_slice(data.payload);
            payload::message(&std::mem::take(buffered))
        }
    };
    payload.map_err(|_| INVALID_JSON)?.iter().for_each(sink);
    Ok(())
}

fn write_text(frame: &SockJsFrame<'_>, out: &mut OutputBuffer) {
    let mut encoded = BytesMut::new();
    frame.write(QUOTING, &mut encoded);
    message(Opcode::Text, &encoded, out);
}

impl<S: ByteStream> Wire for SocketWire<S> {
    fn name(&self) -> &'static str {
        "sockjs-websocket"
    }

    fn carries_binary(&self) -> bool {
        false
    }

    fn open(&mut self, out: &mut OutputBuffer) {
        write_text(&SockJsFrame::Open, out);
    }

    fn set_authenticated(&mut self, heartbeat_interval: Option<Duration>) {
        if replaces_heartbeats(heartbeat_interval) {
            self.heartbeat = Duration::ZERO;
        }
        self.socket.set_message_bytes_max(self.message_bytes_max);
    }

    fn input_has_ended(&self) -> bool {
        self.socket.input_has_ended()
    }

    fn held_bytes(&self) -> usize {
        self.message.capacity()
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.heartbeat.is_zero()).then(|| self.wrote_at + self.heartbeat)
    }

    fn expire(&mut self, now: Instant, out: &mut OutputBuffer) {
        self.wrote_at = now;
        // Pending output serves as a heartbeat.
        if out.pending() == 0 {
            write_text(&SockJsFrame::Heartbeat, out);
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut OutputBuffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>> {
        let SocketWire { socket, message, .. } = self;
        socket.poll_read(cx, out, |data| parse_piece(message, data, sink))
    }

    fn write_frame(&mut self, piece: OutgoingFrame<'_>, out: &mut OutputBuffer) {
        let tail = piece.tail.quoted(QUOTING);
        out.encode(|out| {
            let mut prefix = BytesMut::with_capacity(piece.prefix.len() + 16);
            quote(QUOTING, piece.prefix, &mut prefix);
            let marks = 2 * QUOTING.quotation_mark().len();
            head(
                out,
                Opcode::Text,
                ARRAY_OPEN.len() + marks + prefix.len() + tail.bytes.len() + ARRAY_CLOSE.len(),
            );
            out.extend_from_slice(ARRAY_OPEN);
            out.extend_from_slice(QUOTING.quotation_mark());
            out.extend_from_slice(&prefix);
        });
        out.chain(&tail.bytes, tail.guard);
        out.copy(QUOTING.quotation_mark());
        out.copy(ARRAY_CLOSE);
        out.end_frame(piece.mark);
    }

    fn write_heartbeat(&mut self, out: &mut OutputBuffer) {
        message(Opcode::Text, b"a[\"\\n\"]", out);
    }

    fn reports_shutdown_in_close(&self) -> bool {
        true
    }

    fn write_close(&mut self, close_info: CloseInfo, out: &mut OutputBuffer) {
        if self.socket.has_ended() {
            return self.socket.write_close(NORMAL, out);
        }
        write_text(&SockJsFrame::Close { code: close_info.code, reason: close_info.reason }, out);
        self.socket.write_close(NORMAL, out);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut OutputBuffer) -> Poll<io::Result<usize>> {
        let written = self.socket.poll_write(cx, out);
        if written.is_ready() {
            self.wrote_at = Instant::now();
        }
        written
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_shutdown(cx)
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_discard(cx)
    }
}
