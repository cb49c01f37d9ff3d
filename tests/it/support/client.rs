//! A client for transcripts: `client.send("SEND\n…\0")`, `client.expect("MESSAGE", &[…], "hi")`.
//!
//! It asserts what holds on every connection: over WebSocket each STOMP frame is one message that ends with its NUL, as
//! text if it is UTF-8 and as binary otherwise; over TCP one LF follows each frame.

use super::frame::Frame;
use super::websocket::{self, BINARY, CLOSE, FIN, PING, PONG, TEXT};
use super::{Broker, HANG_TIMEOUT};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Transport of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Tcp,
    WebSocket,
}

impl Wire {
    pub(crate) const ALL: [Wire; 2] = [Wire::Tcp, Wire::WebSocket];

    /// Returns the value of the label `transport` in the metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Wire::Tcp => "tcp",
            Wire::WebSocket => "websocket",
        }
    }
}

/// Input from the broker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Frame(Frame),
    HeartBeat,
    Pong(Vec<u8>),
    /// A WebSocket close frame with its code.
    Close(Option<u16>),
    /// The end of the stream.
    End,
    /// A reset instead of the end of the stream.
    Reset,
}

/// A connection to the broker.
pub(crate) struct Client {
    wire: Wire,
    socket: TcpStream,
    bytes: Vec<u8>,
    read_to: usize,
    /// Whether an LF must follow each frame (TCP only).
    trailing_lf: bool,
    /// Whether the LF after the last frame has not arrived yet (TCP only).
    lf_pending: bool,
    mark_count: usize,
}

impl Client {
    pub(crate) fn new(wire: Wire, socket: TcpStream) -> Client {
        socket.set_read_timeout(Some(HANG_TIMEOUT)).expect("the timeout is valid");
        socket.set_nodelay(true).expect("the socket option is valid");
        Client {
            wire,
            socket,
            bytes: Vec::new(),
            read_to: 0,
            trailing_lf: true,
            lf_pending: false,
            mark_count: 0,
        }
    }

    /// Expects no LF after frames over TCP.
    pub(crate) fn without_trailing_lf(self) -> Client {
        Client { trailing_lf: false, ..self }
    }

    /// Returns the local address of the connection.
    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a connected socket has an address")
    }

    // ---- sending ----

    /// Sends text: unchanged over TCP, as one text message over WebSocket.
    #[track_caller]
    pub(crate) fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    /// Sends bytes: unchanged over TCP, as one message over WebSocket (a text message if they are UTF-8).
    #[track_caller]
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send_bytes(bytes).expect("the broker accepts input");
    }

    /// Does the same as [`Client::send_bytes`], and returns an error if the broker has closed the connection.
    pub(crate) fn try_send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self.wire {
            Wire::Tcp => self.socket.write_all(bytes),
            Wire::WebSocket => {
                let opcode = if std::str::from_utf8(bytes).is_ok() { TEXT } else { BINARY };
                self.socket.write_all(&websocket::frame(FIN | opcode, bytes))
            }
        }
    }

    /// Sends bytes without any framing.
    #[track_caller]
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the broker accepts input");
    }

    /// Sends frames and waits for the RECEIPT of the last one, which must request `receipt:done`.
    #[track_caller]
    pub(crate) fn done(&mut self, text: &str) {
        self.send(text);
        self.expect("RECEIPT", &[("receipt-id", "done")], "");
    }

    /// Sends SUBSCRIBE and waits for its RECEIPT; `headers` are further lines, each with its LF.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, id: &str, destination: &str, headers: &str) {
        self.done(&format!("SUBSCRIBE\nid:{id}\ndestination:{destination}\nreceipt:done\n{headers}\n\0"));
    }

    /// Sends SEND and waits for its RECEIPT.
    #[track_caller]
    pub(crate) fn publish(&mut self, destination: &str, body: &str) {
        self.done(&format!("SEND\ndestination:{destination}\nreceipt:done\n\n{body}\0"));
    }

    /// Sends DISCONNECT, and waits for its RECEIPT and the end of the connection.
    #[track_caller]
    pub(crate) fn disconnect(mut self) {
        self.done("DISCONNECT\nreceipt:done\n\n\0");
        self.expect_closed(1000);
    }

    // ---- receiving ----

    /// Returns the next frame, which must have this command, headers and body (the body of ERROR is not compared).
    #[track_caller]
    pub(crate) fn expect(&mut self, command: &str, headers: &[(&str, &str)], body: &str) -> Frame {
        let frame = self.frame(command);
        for (name, value) in headers {
            assert_eq!(frame.header(name), Some(*value), "header {name} of {frame:?}");
        }
        if command != "ERROR" {
            assert_eq!(frame.text(), body, "body of {frame:?}");
        }
        frame
    }

    /// Returns the next frame, which must have this command.
    #[track_caller]
    pub(crate) fn frame(&mut self, command: &str) -> Frame {
        loop {
            match self.event() {
                Event::Frame(frame) if frame.command == command => return frame,
                Event::HeartBeat | Event::Pong(_) => {}
                other => panic!("expected {command} over {:?}, got {other:?}", self.wire),
            }
        }
    }

    /// Returns the subscription and the body of the next frame, which must be a MESSAGE.
    #[track_caller]
    pub(crate) fn message(&mut self) -> (String, String) {
        let frame = self.frame("MESSAGE");
        (frame.expect_header("subscription").to_string(), frame.text())
    }

    /// Expects an ERROR with these headers and a body, followed by the end of the connection.
    #[track_caller]
    pub(crate) fn expect_error(&mut self, headers: &[(&str, &str)]) -> Frame {
        let frame = self.expect("ERROR", headers, "");
        assert!(!frame.expect_header("message").is_empty(), "{frame:?}");
        assert_eq!(frame.expect_header("content-type"), "text/plain", "{frame:?}");
        assert!(!frame.text().is_empty(), "an ERROR must have a body: {frame:?}");
        self.expect_end();
        frame
    }

    /// Expects the end of the stream without a reset, and over WebSocket before it a close frame with this code.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self, code: u16) {
        if self.wire == Wire::WebSocket {
            assert_eq!(self.event_after_heartbeats(), Event::Close(Some(code)));
        }
        assert_eq!(self.event_after_heartbeats(), Event::End);
    }

    /// Expects the end of the stream without a reset, and over WebSocket before it a close frame with any code.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        if self.wire == Wire::WebSocket {
            let close = self.event_after_heartbeats();
            assert!(
                matches!(close, Event::Close(Some(_))),
                "expected a close frame with a code, got {close:?}"
            );
        }
        assert_eq!(self.event_after_heartbeats(), Event::End);
    }

    /// Asserts that the broker has no frames for this client: when the client sends a message to itself, this message
    /// arrives next.
    #[track_caller]
    pub(crate) fn expect_quiet(&mut self) {
        self.mark_count += 1;
        let mark = format!("quiet-{}-{}", self.address().port(), self.mark_count);
        self.subscribe(&mark, &format!("/topic/{mark}"), "");
        self.send(&format!("SEND\ndestination:/topic/{mark}\n\n\0"));
        self.expect("MESSAGE", &[("subscription", &mark)], "");
        self.done(&format!("UNSUBSCRIBE\nid:{mark}\nreceipt:done\n\n\0"));
    }

    #[track_caller]
    fn event_after_heartbeats(&mut self) -> Event {
        loop {
            match self.event() {
                Event::HeartBeat | Event::Pong(_) => {}
                other => return other,
            }
        }
    }

    /// Reduces the receive buffer, so that the system buffers little data that this client has not read.
    pub(crate) fn shrink_receive_buffer(&self) {
        let socket = socket2::SockRef::from(&self.socket);
        socket.set_recv_buffer_size(32 * 1024).expect("the socket option is valid");
    }

    /// Reads about this many bytes into the buffer of this client. Returns false at the end of the stream.
    pub(crate) fn read_ahead(&mut self, bytes: usize) -> bool {
        let mut taken = 0;
        while taken < bytes {
            let mut more = [0; 16 * 1024];
            match self.socket.read(&mut more) {
                Ok(0) | Err(_) => return false,
                Ok(count) => {
                    self.bytes.extend_from_slice(&more[..count]);
                    taken += count;
                }
            }
        }
        true
    }

    /// Returns the next event.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Event {
        self.try_event().unwrap_or_else(|| panic!("no input over {:?} within {HANG_TIMEOUT:?}", self.wire))
    }

    /// Returns the next event, or `None` if none arrives within `within`.
    pub(crate) fn event_within(&mut self, within: Duration) -> Option<Event> {
        self.socket.set_read_timeout(Some(within)).expect("the timeout is valid");
        let event = self.try_event();
        self.socket.set_read_timeout(Some(HANG_TIMEOUT)).expect("the timeout is valid");
        event
    }

    fn try_event(&mut self) -> Option<Event> {
        loop {
            let parsed = match self.wire {
                Wire::Tcp => self.parse_stream(),
                Wire::WebSocket => self.parse_message(),
            };
            if parsed.is_some() {
                return parsed;
            }
            let mut more = [0; 64 * 1024];
            match self.socket.read(&mut more) {
                Ok(0) => {
                    assert_eq!(self.read_to, self.bytes.len(), "the stream must not end within a frame");
                    return Some(Event::End);
                }
                Ok(count) => {
                    self.bytes.drain(..self.read_to);
                    self.read_to = 0;
                    self.bytes.extend_from_slice(&more[..count]);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Some(Event::Reset),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return None;
                }
                Err(error) => panic!("cannot read: {error}"),
            }
        }
    }

    fn parse_stream(&mut self) -> Option<Event> {
        let pending = std::mem::take(&mut self.lf_pending);
        match self.bytes.get(self.read_to) {
            None => {
                self.lf_pending = pending;
                None
            }
            Some(b'\n') => {
                self.read_to += 1;
                if pending { self.parse_stream() } else { Some(Event::HeartBeat) }
            }
            Some(other) => {
                assert!(!pending, "expected an LF after the frame, got {other}");
                let (frame, length) = Frame::parse(&self.bytes[self.read_to..])?;
                self.read_to += length;
                self.lf_pending = self.trailing_lf;
                Some(Event::Frame(frame))
            }
        }
    }

    fn parse_message(&mut self) -> Option<Event> {
        let (received, length) = websocket::parse(&self.bytes[self.read_to..])?;
        self.read_to += length;
        let payload = received.payload;
        Some(match received.opcode {
            TEXT if payload == b"\n" => Event::HeartBeat,
            TEXT | BINARY => {
                let is_text = std::str::from_utf8(&payload).is_ok();
                assert_eq!(
                    received.opcode == TEXT,
                    is_text,
                    "a message must be text if UTF-8, otherwise binary"
                );
                let (frame, length) = Frame::parse(&payload).expect("a message is a whole frame");
                assert_eq!(length, payload.len(), "a message ends with its frame's NUL");
                Event::Frame(frame)
            }
            PONG => Event::Pong(payload),
            PING => return self.parse_message(),
            CLOSE => Event::Close(payload.first_chunk().copied().map(u16::from_be_bytes)),
            other => panic!("unexpected opcode {other}"),
        })
    }

    // ---- closing ----

    /// Closes the client's side of the stream. The client can still read.
    pub(crate) fn shutdown_write(&self) {
        self.socket.shutdown(Shutdown::Write).expect("a socket can be shut down");
    }

    /// Closes the connection with a reset, as after a crash or a network failure.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.socket);
        socket.set_linger(Some(Duration::ZERO)).expect("the socket option is valid");
    }
}

/// Publishes a message from a new client.
#[track_caller]
pub(crate) fn publish(broker: &Broker, destination: &str, body: &str) {
    let mut publisher = broker.connect(Wire::Tcp);
    publisher.publish(destination, body);
    publisher.disconnect();
}
