//! STOMP over native WebSocket (RFC 6455).
//!
//! Input: the payloads of all text and binary messages form one stream of bytes. Message boundaries have no meaning.
//!
//! Output: every STOMP frame is one message, which ends with NUL. If the whole frame is valid UTF-8, the message is a
//! text message. If not, it is a binary message. A heartbeat is a text message that consists of one LF.

mod handshake;
mod reader;
mod socket;
mod utf8;

pub use handshake::{PROXY_REMEDY, accept, offers_upgrade};
pub use reader::ProtocolError;
pub use socket::{Data, WebSocket, message};

use super::byte_stream::ByteStream;
use super::ending::{CloseInfo, ReadEnd};
use super::outgoing_frame::OutgoingFrame;
use super::output_buffer::OutputBuffer;
use super::transport::Wire;
use std::io;
use std::task::{Context, Poll};
use stompbox_frames::websocket::{HEAD_BYTES_MAX, Opcode};

/// Name of this transport (WebSocket without SockJS) in logs and metrics.
pub(crate) const NAME: &str = "websocket";

/// The wire of a WebSocket connection that carries STOMP without SockJS.
#[derive(Debug)]
pub struct WebSocketWire<S> {
    socket: WebSocket<S>,
}

impl<S> WebSocketWire<S> {
    /// Creates a wire for STOMP over WebSocket. A WebSocket message may contain many STOMP frames, and is never
    /// buffered as a whole.
    pub fn new(socket: WebSocket<S>) -> WebSocketWire<S> {
        WebSocketWire { socket }
    }
}

impl<S: ByteStream> Wire for WebSocketWire<S> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn input_has_ended(&self) -> bool {
        self.socket.input_has_ended()
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut OutputBuffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>> {
        self.socket.poll_read(cx, out, |data| {
            sink(data.payload);
            Ok(())
        })
    }

    fn write_frame(&mut self, frame: OutgoingFrame<'_>, out: &mut OutputBuffer) {
        let (tail, length) = frame.tail.plain();
        let payload_bytes = frame.prefix.len() + length;
        let opcode = if frame.text { Opcode::Text } else { Opcode::Binary };
        out.reserve(HEAD_BYTES_MAX + payload_bytes);
        socket::write_head(opcode, payload_bytes, out);
        out.copy(frame.prefix);
        out.chain_front(&tail.bytes, length, tail.guard);
        out.end_frame(frame.mark);
    }

    fn write_heartbeat(&mut self, out: &mut OutputBuffer) {
        message(Opcode::Text, b"\n", out);
    }

    fn reports_shutdown_in_close(&self) -> bool {
        true
    }

    fn write_close(&mut self, close_info: CloseInfo, out: &mut OutputBuffer) {
        self.socket.write_close(close_info, out);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut OutputBuffer) -> Poll<io::Result<usize>> {
        self.socket.poll_write(cx, out)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_shutdown(cx)
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_discard(cx)
    }
}
