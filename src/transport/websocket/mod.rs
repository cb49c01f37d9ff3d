//! STOMP over native WebSocket (RFC 6455): one octet stream in, one frame a message out.
//!
//! In: text and binary messages alike are appended to one stream, wherever they are cut. Out: every STOMP
//! frame is one message that ends with NUL, text where the whole frame is valid UTF-8, else binary; a
//! heart-beat is one text message of a single LF.

mod handshake;
mod reader;
mod utf8;

pub use handshake::{Handshake, accept};
pub use reader::{Event, Reader, Violation};

use super::coalesce::Coalesce;
use super::wire::{Piece, ReadEnd, Wire};
use super::{scratch, tcp};
use crate::session::Closing;
use bytes::{Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use stompbox_frames::websocket::{Opcode, head};
use tokio::io::{AsyncRead, AsyncWrite};

/// Pings are answered one by one, but not by more than this: the latest counts (RFC 6455 §5.5.3).
const PONG_BACKLOG_BYTES_MAX: usize = 64 * 1024;

/// The wire of a WebSocket connection.
#[derive(Debug)]
pub struct WebSocketWire<S> {
    socket: S,
    /// Octets that came right behind the handshake.
    early: Bytes,
    inbound: Inbound,
}

impl<S> WebSocketWire<S> {
    /// The wire after the handshake; `early` was read with it. A message may hold many STOMP frames, so it may
    /// be longer than one (`ws-message-bytes-max`); it is never buffered as a whole.
    pub fn new(socket: S, early: Bytes, message_bytes_max: u64) -> WebSocketWire<S> {
        let inbound =
            Inbound { reader: Reader::new(message_bytes_max), violation: None, closed_by_client: None };
        WebSocketWire { socket, early, inbound }
    }
}

/// What the client says, and how it ended.
#[derive(Debug)]
struct Inbound {
    reader: Reader,
    /// Why the client is told to go, where it is not STOMP's affair.
    violation: Option<Violation>,
    /// The code of the client's own close frame.
    closed_by_client: Option<Option<u16>>,
}

impl Inbound {
    /// What `octets` mean: pongs go to `out`, payload to `sink`.
    fn take(
        &mut self,
        octets: &mut [u8],
        out: &mut Coalesce,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, ReadEnd> {
        let closed_by_client = &mut self.closed_by_client;
        let result = self.reader.feed(octets, &mut |event| match event {
            Event::Data { payload, .. } => sink(payload),
            Event::Ping(payload) if out.pending() < PONG_BACKLOG_BYTES_MAX => {
                message(Opcode::Pong, payload, out);
            }
            Event::Ping(_) | Event::Pong => {}
            Event::Close(code) => *closed_by_client = Some(code),
        });
        if let Err(violation) = result {
            self.violation = Some(violation);
            return Err(match violation.code {
                1009 => ReadEnd::Limit("ws-message-bytes-max"),
                _ => ReadEnd::Violation(violation.reason),
            });
        }
        if self.closed_by_client.is_some() { Err(ReadEnd::Closed) } else { Ok(octets.len()) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for WebSocketWire<S> {
    const NAME: &'static str = "websocket";

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Coalesce,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>> {
        let WebSocketWire { socket, early, inbound } = self;
        if !early.is_empty() {
            let mut early = BytesMut::from(std::mem::take(early));
            return Poll::Ready(inbound.take(&mut early, out, sink));
        }
        let read = scratch::poll_read(socket, cx, |octets| match octets {
            [] => Err(ReadEnd::Closed),
            octets => inbound.take(octets, out, sink),
        });
        read.map(|read| read.unwrap_or_else(|error| Err(ReadEnd::Failed(error))))
    }

    fn wrap(&mut self, piece: Piece<'_>, out: &mut Coalesce) {
        let tail = piece.tail.slice(..piece.tail.len() - 1);
        let opcode = if piece.text { Opcode::Text } else { Opcode::Binary };
        write_head(opcode, piece.prefix.len() + tail.len(), out);
        out.copy(piece.prefix);
        out.chain(&tail);
        out.end_frame(piece.mark);
    }

    fn heart_beat(&mut self, out: &mut Coalesce) {
        message(Opcode::Text, b"\n", out);
    }

    fn tells_shutdown(&self) -> bool {
        true
    }

    fn farewell(&mut self, closing: Closing, out: &mut Coalesce) {
        let (code, reason) = match (self.inbound.violation, self.inbound.closed_by_client) {
            (Some(violation), _) => (Some(violation.code), violation.reason),
            (None, Some(code)) => (code, ""),
            (None, None) => close_code(closing),
        };
        let mut payload = Vec::with_capacity(2 + reason.len());
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        message(Opcode::Close, &payload, out);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &Coalesce) -> Poll<io::Result<usize>> {
        tcp::poll_write(&mut self.socket, cx, out)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        scratch::poll_discard(&mut self.socket, cx)
    }
}

/// The close code and reason for each end (RFC 6455 §7.4.1).
fn close_code(closing: Closing) -> (Option<u16>, &'static str) {
    let (code, reason) = match closing {
        Closing::Disconnected | Closing::PeerLeft => (1000, ""),
        Closing::Shutdown => (1001, "shutting down"),
        Closing::Limit("frame-bytes-max" | "connect-frame-bytes-max" | "ws-message-bytes-max") => {
            (1009, "too big")
        }
        Closing::SlowConsumer(_) => (1008, "slow consumer"),
        Closing::HeartbeatLost => (1002, "heart-beat lost"),
        Closing::ConnectTimeout => (1002, "no CONNECT in time"),
        Closing::Unauthenticated => (1002, "not authenticated"),
        Closing::Limit(_) => (1002, "limit exceeded"),
        Closing::Rejected => (1002, "protocol error"),
    };
    (Some(code), reason)
}

/// One message that is copied whole.
fn message(opcode: Opcode, payload: &[u8], out: &mut Coalesce) {
    write_head(opcode, payload.len(), out);
    out.copy(payload);
    out.end_frame(None);
}

fn write_head(opcode: Opcode, payload_bytes: usize, out: &mut Coalesce) {
    out.encode(|buffer| head(buffer, opcode, payload_bytes));
}
