//! Reads WebSocket frames from a client (RFC 6455 §5). The reader does no I/O and has no buffer for payload. It unmasks
//! payload in place and passes it on as it arrives, wherever the frames are split.

use super::utf8::Utf8Check;
use std::io::Cursor;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// Length of the longest frame head in bytes: 2 bytes, an extended length of 8 bytes, and a mask of 4 bytes.
const HEAD_BYTES_MAX: usize = 14;
/// Close code 1014, which was registered after RFC 6455. The codec does not know it.
const BAD_GATEWAY: u16 = 1014;
/// Maximum payload of a control frame in bytes (RFC 6455 §5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// An event in the input of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A piece of a message. The last piece may be empty.
    Data {
        /// The bytes of the piece, after unmasking.
        payload: &'a [u8],
        /// Whether the message is text, and not binary. All pieces of a text message together are valid UTF-8.
        text: bool,
        /// Whether the message ends with this piece.
        end: bool,
    },
    /// A ping. The answer is a pong with the same payload.
    Ping(&'a [u8]),
    /// A pong, which needs no answer.
    Pong,
    /// A close frame, with its code if it has one. The reader ignores all input after it.
    Close(Option<u16>),
}

/// A violation of RFC 6455 by the client. It closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolError {
    /// The close code (RFC 6455 §7.4.1).
    pub code: u16,
    /// The reason for the close frame and for the log.
    pub reason: &'static str,
}

const fn protocol(reason: &'static str) -> ProtocolError {
    ProtocolError { code: 1002, reason }
}

/// The state of the reader.
///
/// ```text
///  Head --2..14 bytes--> Payload --left = 0--> Head
///                            | close frame
///                            v
///                         Closed
/// ```
#[derive(Debug)]
enum State {
    Head { bytes: [u8; HEAD_BYTES_MAX], filled: u8 },
    Payload { opcode: OpCode, last: bool, mask: [u8; 4], offset: u8, left: u64 },
    Closed,
}

const HEAD: State = State::Head { bytes: [0; HEAD_BYTES_MAX], filled: 0 };

/// Reads the frames of one client.
#[derive(Debug)]
pub struct Reader {
    state: State,
    /// Kind of the message that is being read. `None` between messages.
    message: Option<Data>,
    message_bytes: u64,
    message_bytes_max: u64,
    utf8: Utf8Check,
    /// Payload of the current control frame that has arrived so far.
    control: Vec<u8>,
}

impl Reader {
    /// Creates a reader. The reader rejects a message longer than `message_bytes_max` bytes. It does so at the head of
    /// the frame that exceeds the limit.
    pub fn new(message_bytes_max: u64) -> Reader {
        Reader {
            state: HEAD,
            message: None,
            message_bytes: 0,
            message_bytes_max,
            utf8: Utf8Check::default(),
            control: Vec::new(),
        }
    }

    /// Changes the maximum size of a message. The new limit applies from the next frame head on.
    pub fn set_message_bytes_max(&mut self, message_bytes_max: u64) {
        self.message_bytes_max = message_bytes_max;
    }

    /// Unmasks `input` in place, and passes the events in it to `sink`.
    ///
    /// # Errors
    /// The client violated RFC 6455 or sent a message that is too long. All earlier events have been passed to `sink`.
    pub fn feed(
        &mut self,
        mut input: &mut [u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), ProtocolError> {
        loop {
            match &mut self.state {
                State::Closed => return Ok(()),
                State::Head { bytes, filled } => {
                    let wanted = head_bytes(&bytes[..*filled as usize]);
                    let taken = input.len().min(wanted - *filled as usize);
                    bytes[*filled as usize..][..taken].copy_from_slice(&input[..taken]);
                    *filled += taken as u8;
                    input = &mut input[taken..];
                    if (*filled as usize) < wanted {
                        return Ok(());
                    }
                    // The second byte determines the length of the head. Until it has arrived, `wanted` is 2, although
                    // the head may be longer.
                    if head_bytes(&bytes[..wanted]) == wanted {
                        let bytes = *bytes;
                        self.begin(&bytes[..wanted])?;
                        if matches!(self.state, State::Payload { left: 0, .. }) {
                            self.payload(&mut [], sink)?;
                        }
                    }
                }
                State::Payload { left, .. } => {
                    if input.is_empty() {
                        return Ok(());
                    }
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    let (piece, rest) = input.split_at_mut(taken);
                    input = rest;
                    self.payload(piece, sink)?;
                }
            }
        }
    }

    /// Checks a complete frame head, before any payload of the frame is read.
    fn begin(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let (head, length) = FrameHeader::parse(&mut Cursor::new(bytes))
            .ok()
            .flatten()
            .ok_or(protocol("reserved or unknown opcode"))?;
        if head.rsv1 || head.rsv2 || head.rsv3 {
            return Err(protocol("a reserved bit is set, and no extension was negotiated"));
        }
        let mask = head.mask.ok_or(protocol("a client must mask its frames"))?;
        match head.opcode {
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                return Err(protocol("reserved or unknown opcode"));
            }
            OpCode::Control(_) if !head.is_final => {
                return Err(protocol("a control frame must not be fragmented"));
            }
            OpCode::Control(_) if length > CONTROL_BYTES_MAX as u64 => {
                return Err(protocol("a control frame carries at most 125 bytes"));
            }
            OpCode::Control(_) => self.control.clear(),
            OpCode::Data(data) => self.begin_data(data, length)?,
        }
        self.state =
            State::Payload { opcode: head.opcode, last: head.is_final, mask, offset: 0, left: length };
        Ok(())
    }

    fn begin_data(&mut self, data: Data, length: u64) -> Result<(), ProtocolError> {
        match (data, self.message) {
            (Data::Continue, None) => {
                return Err(protocol("a continuation frame without a message to continue"));
            }
            (Data::Continue, Some(_)) => {}
            (_, Some(_)) => return Err(protocol("a new message before the end of the last one")),
            (kind, None) => {
                self.message = Some(kind);
                self.message_bytes = 0;
                self.utf8 = Utf8Check::default();
            }
        }
        self.message_bytes = self.message_bytes.saturating_add(length);
        if self.message_bytes > self.message_bytes_max {
            return Err(ProtocolError { code: 1009, reason: "message too big" });
        }
        Ok(())
    }

    /// Processes the next part of the payload of the current frame. The part may be empty.
    fn payload(&mut self, piece: &mut [u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), ProtocolError> {
        let State::Payload { opcode, last, mask, offset, left } = &mut self.state else { return Ok(()) };
        unmask(piece, *mask, *offset);
        *offset = (*offset as usize + piece.len()) as u8 & 3;
        *left -= piece.len() as u64;
        let (opcode, last, ends) = (*opcode, *last, *left == 0);
        if ends {
            self.state = HEAD;
        }
        match opcode {
            OpCode::Data(_) => self.data(piece, last && ends, sink),
            OpCode::Control(control) => {
                self.control.extend_from_slice(piece);
                if ends { self.control(control, sink) } else { Ok(()) }
            }
        }
    }

    fn data(
        &mut self,
        payload: &[u8],
        end: bool,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), ProtocolError> {
        let text = self.message == Some(Data::Text);
        if text && !(self.utf8.feed(payload) && (!end || self.utf8.is_complete())) {
            return Err(ProtocolError { code: 1007, reason: "a text message must be valid UTF-8" });
        }
        if end {
            self.message = None;
        }
        sink(Event::Data { payload, text, end });
        Ok(())
    }

    fn control(&mut self, control: Control, sink: &mut impl FnMut(Event<'_>)) -> Result<(), ProtocolError> {
        let payload = std::mem::take(&mut self.control);
        match control {
            Control::Ping => sink(Event::Ping(&payload)),
            Control::Pong => sink(Event::Pong),
            _ => {
                let code = close_code(&payload)?;
                self.state = State::Closed;
                sink(Event::Close(code));
            }
        }
        Ok(())
    }
}

/// Returns the length of a frame head in bytes, which its first two bytes determine. Returns 2 until both have arrived.
fn head_bytes(bytes: &[u8]) -> usize {
    let [_, second, ..] = bytes else { return 2 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    // The head of an unmasked frame has no mask and is shorter. `begin` rejects such a frame.
    2 + length + if second & 0x80 != 0 { 4 } else { 0 }
}

/// Returns the code in the payload of a close frame. Rejects payloads that a client must not send (RFC 6455 §7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, ProtocolError> {
    match payload {
        [] => Ok(None),
        [_] => Err(protocol("a close code has two bytes")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if code != BAD_GATEWAY && !CloseCode::from(code).is_allowed() {
                return Err(protocol("this close code must not be sent"));
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(ProtocolError { code: 1007, reason: "a close reason must be valid UTF-8" });
            }
            Ok(Some(code))
        }
    }
}

/// XORs `piece` with the mask, eight bytes at a time. `offset` is the index of the mask byte for the first byte of
/// `piece`.
fn unmask(piece: &mut [u8], mask: [u8; 4], offset: u8) {
    let mut rotated = mask;
    rotated.rotate_left(offset as usize);
    let word = u64::from_ne_bytes([
        rotated[0], rotated[1], rotated[2], rotated[3], rotated[0], rotated[1], rotated[2], rotated[3],
    ]);
    let mut words = piece.chunks_exact_mut(8);
    for chunk in &mut words {
        let bytes: [u8; 8] = (&*chunk).try_into().expect("chunks of eight");
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word).to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(rotated.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
