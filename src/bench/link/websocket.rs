//! The client's side of a WebSocket (RFC 6455), sans-IO.

use super::http::Response;
use crate::bench::error::BenchError;
use bytes::{BufMut, BytesMut};
use std::io::Cursor;
use stompbox_frames::websocket::{Opcode, head};
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};

/// Maximum size of a message, in bytes.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;
const MASKED: u8 = 0x80;

/// The receiving side of one WebSocket, and the masking state of its sending side.
#[derive(Debug)]
pub(super) struct WebSocket {
    state: State,
    /// An incomplete frame header, or the payload of a control frame.
    pending: Vec<u8>,
    mask: u32,
}

#[derive(Debug)]
enum State {
    Upgrading { accept: String, path: String, response: Response },
    Head,
    Payload { opcode: OpCode, last: bool, left: u64 },
}

/// A piece of a message, and whether the message ends with it.
pub(super) type Piece<'a> = (&'a [u8], bool);

impl WebSocket {
    /// Writes the upgrade request, which offers the subprotocols in `protocol`.
    pub(super) fn open(path: &str, host: &str, protocol: Option<&str>, out: &mut BytesMut) -> WebSocket {
        let key = generate_key();
        let offer = protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{offer}\r\n"
        );
        out.extend_from_slice(request.as_bytes());
        let accept = derive_accept_key(key.as_bytes());
        let mask = key.bytes().fold(0x9E37_79B9_u32, |mask, byte| mask.rotate_left(5) ^ u32::from(byte)) | 1;
        let path = path.to_owned();
        WebSocket {
            state: State::Upgrading { accept, path, response: Response::new() },
            pending: Vec::new(),
            mask,
        }
    }

    /// Returns whether the upgrade is complete.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Upgrading { .. })
    }

    /// Processes received bytes, passes pieces of messages to `sink`, and appends replies to pings to `out`.
    pub(super) fn take(
        &mut self,
        mut input: &[u8],
        out: &mut BytesMut,
        mut sink: impl FnMut(Piece<'_>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        while !input.is_empty() {
            match &mut self.state {
                State::Upgrading { accept, path, response } => {
                    input = response.take_head(input)?;
                    if response.status() == 0 {
                        return Ok(());
                    }
                    if response.status() != 101 || response.header("sec-websocket-accept") != Some(accept) {
                        return Err(response.rejection(path, input));
                    }
                    self.state = State::Head;
                }
                State::Head => input = self.take_head(input)?,
                State::Payload { left, .. } => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    let (piece, rest) = input.split_at(taken);
                    input = rest;
                    self.take_payload(piece, out, &mut sink)?;
                }
            }
            if matches!(self.state, State::Payload { left: 0, .. }) {
                self.take_payload(&[], out, &mut sink)?;
            }
        }
        Ok(())
    }

    fn take_head<'o>(&mut self, input: &'o [u8]) -> Result<&'o [u8], BenchError> {
        let pending = self.pending.len();
        let parsed = match pending {
            0 => parse(input)?,
            _ => {
                self.pending.extend_from_slice(&input[..input.len().min(14)]);
                parse(&self.pending)?
            }
        };
        let Some((head, length, header_bytes)) = parsed else {
            if pending == 0 {
                self.pending.extend_from_slice(input);
            }
            return Ok(&[]);
        };
        self.pending.clear();
        if head.mask.is_some() || length > MESSAGE_BYTES_MAX {
            return Err(BenchError::protocol("WebSocket"));
        }
        self.state = State::Payload { opcode: head.opcode, last: head.is_final, left: length };
        Ok(&input[header_bytes - pending..])
    }

    fn take_payload(
        &mut self,
        piece: &[u8],
        out: &mut BytesMut,
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        let State::Payload { opcode, last, left } = &mut self.state else { return Ok(()) };
        *left -= piece.len() as u64;
        let (opcode, last, ends) = (*opcode, *last, *left == 0);
        if ends {
            self.state = State::Head;
        }
        let OpCode::Control(control) = opcode else { return sink((piece, last && ends)) };
        self.pending.extend_from_slice(piece);
        if !ends {
            return Ok(());
        }
        let payload = std::mem::take(&mut self.pending);
        match control {
            Control::Ping => self.put(Opcode::Pong, &payload, out),
            Control::Close => {
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                let code = payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code));
                return Err(BenchError::Closed(format!(" (WebSocket {code} {reason})")));
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends a text message.
    pub(super) fn put_text(&mut self, text: &[u8], out: &mut BytesMut) {
        self.put(Opcode::Text, text, out);
    }

    fn put(&mut self, opcode: Opcode, payload: &[u8], out: &mut BytesMut) {
        let at = out.len();
        head(out, opcode, payload.len());
        out[at + 1] |= MASKED;
        // Masks need not be secret here. Different masks are enough to protect intermediate proxies.
        self.mask ^= self.mask << 13;
        self.mask ^= self.mask >> 17;
        self.mask ^= self.mask << 5;
        let mask = self.mask.to_be_bytes();
        out.put_slice(&mask);
        let from = out.len();
        out.put_slice(payload);
        for (byte, mask) in out[from..].iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
    }
}

/// Parses a frame header. Returns the header, the length of the payload and the length of the header. Returns `None` if
/// the header is incomplete.
fn parse(input: &[u8]) -> Result<Option<(FrameHeader, u64, usize)>, BenchError> {
    let mut cursor = Cursor::new(input);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|_| BenchError::protocol("WebSocket"))?;
    Ok(parsed.map(|(head, length)| (head, length, cursor.position() as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> WebSocket {
        let mut out = BytesMut::new();
        let mut socket = WebSocket::open("/ws", "h:1", Some("v12.stomp"), &mut out);
        let State::Upgrading { accept, .. } = &socket.state else {
            panic!("the socket starts with the upgrade")
        };
        let answer = format!("HTTP/1.1 101 x\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
        let request = String::from_utf8(out.to_vec()).expect("ASCII");
        assert!(
            request.starts_with("GET /ws HTTP/1.1\r\nHost: h:1\r\n")
                && request.ends_with("v12.stomp\r\n\r\n")
        );
        for byte in answer.as_bytes() {
            assert!(!socket.is_open());
            socket.take(&[*byte], &mut out, |_| panic!("no message yet")).expect("an upgrade");
        }
        assert!(socket.is_open());
        socket
    }

    #[test]
    fn messages_are_the_same_at_every_split() {
        let long = vec![b'x'; 70_000];
        let mut wire = BytesMut::from(&[0x01, 2, b'a', b'b', 0x89, 1, b'p', 0x80, 1, b'c', 0x81, 0][..]);
        head(&mut wire, Opcode::Text, 300);
        wire.extend_from_slice(&long[..300]);
        head(&mut wire, Opcode::Binary, long.len());
        wire.extend_from_slice(&long);
        for step in [1, 2, 3, 7, 1000, wire.len()] {
            let (mut socket, mut out, mut messages) = (open(), BytesMut::new(), vec![Vec::new()]);
            for chunk in wire.chunks(step) {
                let sink = |(piece, end): Piece<'_>| {
                    messages.last_mut().expect("never empty").extend_from_slice(piece);
                    if end {
                        messages.push(Vec::new());
                    }
                    Ok(())
                };
                socket.take(chunk, &mut out, sink).expect("WebSocket");
            }
            assert_eq!(
                messages,
                [b"abc".to_vec(), vec![], long[..300].to_vec(), long.clone(), vec![]],
                "{step}"
            );
            assert_eq!((out[0], out[1], out.len()), (0x8A, 0x81, 7), "one masked pong");
            assert_eq!(out[6] ^ out[2], b'p');
        }
    }

    #[test]
    fn close_frame_and_masked_frame_end_the_connection() {
        let end = |bytes: &[u8]| {
            open().take(bytes, &mut BytesMut::new(), |_| Ok(())).expect_err("an end").to_string()
        };
        assert_eq!(end(b"\x88\x05\x03\xE9bye"), "the broker closed the connection (WebSocket 1001 bye)");
        assert!(end(b"\x81\x80\0\0\0\0").contains("not WebSocket"));
    }

    #[test]
    fn rejected_upgrade_reports_the_reason() {
        let mut out = BytesMut::new();
        let mut socket = WebSocket::open("/ws", "h:1", None, &mut out);
        let result = socket.take(b"HTTP/1.1 403 Forbidden\r\n\r\norigin not allowed\n", &mut out, |_| Ok(()));
        let error = result.expect_err("rejected").to_string();
        assert!(
            error.starts_with("the broker answers 403 to /ws. It") && error.ends_with("origin not allowed"),
            "{error}"
        );
    }
}
