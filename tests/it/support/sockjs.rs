//! A SockJS client for transcripts, on every transport: `session.send(&["hi"])`, `session.expect_message("hi")`.
//!
//! It asserts what holds on every transport: a chunk is exactly one frame in its envelope, the prelude is its own
//! chunk, and the answer to a poll is exactly one frame.

use super::http::{Http, Request, Response};
use super::websocket::{self, CLOSE, FIN, PING, PONG, Received, TEXT};
use super::{HANG_TIMEOUT, frame};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The callback function of the pages in these tests.
pub(crate) const CALLBACK: &str = "_jp.a1b2c3d";

/// Transport over which a client receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    XhrPolling,
    XhrStreaming,
    EventSource,
    HtmlFile,
    JsonpPolling,
    WebSocket,
}

use Transport::{EventSource, HtmlFile, JsonpPolling, WebSocket, XhrPolling, XhrStreaming};

impl Transport {
    pub(crate) const ALL: [Transport; 6] =
        [XhrPolling, XhrStreaming, EventSource, HtmlFile, JsonpPolling, WebSocket];
    /// Transports that use HTTP requests and responses.
    pub(crate) const HTTP: [Transport; 5] = [XhrPolling, XhrStreaming, EventSource, HtmlFile, JsonpPolling];
    /// Transports with many frames in a response.
    pub(crate) const STREAMING: [Transport; 3] = [XhrStreaming, EventSource, HtmlFile];
    /// Transports with one frame in a response.
    pub(crate) const POLLING: [Transport; 2] = [XhrPolling, JsonpPolling];

    /// Returns the name in options.
    pub(crate) fn option(self) -> &'static str {
        match self {
            XhrPolling => "xhr-polling",
            XhrStreaming => "xhr-streaming",
            EventSource => "eventsource",
            HtmlFile => "htmlfile",
            JsonpPolling => "jsonp-polling",
            WebSocket => "websocket",
        }
    }

    /// Returns the name in logs and metrics.
    pub(crate) fn label(self) -> String {
        format!("sockjs-{}", self.option())
    }

    pub(crate) fn polls(self) -> bool {
        Transport::POLLING.contains(&self)
    }

    /// Returns the last segment of the path.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            XhrPolling => "xhr",
            XhrStreaming => "xhr_streaming",
            EventSource => "eventsource",
            HtmlFile => "htmlfile",
            JsonpPolling => "jsonp",
            WebSocket => "websocket",
        }
    }

    /// Returns a request for messages of the session at `path`.
    pub(crate) fn receive(self, path: &str) -> Request {
        let path = format!("{path}/{}", self.segment());
        match self {
            XhrPolling | XhrStreaming => Request::post(&path, ""),
            EventSource | WebSocket => Request::get(&path),
            HtmlFile | JsonpPolling => Request::get(&format!("{path}?c={CALLBACK}")),
        }
    }

    /// Returns a request that sends `json`.
    pub(crate) fn send(self, path: &str, json: &str) -> Request {
        match self {
            JsonpPolling => {
                let form: String = json.bytes().map(|byte| format!("%{byte:02X}")).collect();
                Request::post(&format!("{path}/jsonp_send"), format!("d={form}"))
                    .header("Content-Type", "application/x-www-form-urlencoded")
            }
            _ => Request::post(&format!("{path}/xhr_send"), json).header("Content-Type", "text/plain"),
        }
    }

    /// Returns the text before and after a frame.
    fn envelope(self) -> (String, &'static str) {
        match self {
            XhrPolling | XhrStreaming => (String::new(), "\n"),
            EventSource => ("data: ".to_string(), "\r\n\r\n"),
            HtmlFile => ("<script>\np(".to_string(), ");\n</script>\r\n"),
            JsonpPolling => (format!("/**/{CALLBACK}("), ");\r\n"),
            WebSocket => (String::new(), ""),
        }
    }

    /// Returns `frame` in its envelope.
    pub(crate) fn wrapped(self, frame: &str) -> String {
        let (before, after) = self.envelope();
        let frame = match self {
            EventSource => frame.replace('%', "%25"),
            HtmlFile | JsonpPolling => serde_json::to_string(frame).expect("a string is JSON"),
            _ => frame.to_string(),
        };
        format!("{before}{frame}{after}")
    }

    /// Returns the frame inside its envelope.
    #[track_caller]
    pub(crate) fn unwrapped(self, sent: &str) -> String {
        let (before, after) = self.envelope();
        let frame = sent.strip_prefix(&before).and_then(|rest| rest.strip_suffix(after));
        let frame = frame.unwrap_or_else(|| panic!("invalid envelope of {self:?}: {sent:?}"));
        match self {
            EventSource => frame.replace("%25", "%"),
            HtmlFile | JsonpPolling => serde_json::from_str(frame).expect("a string in JSON"),
            _ => frame.to_string(),
        }
    }

    /// Asserts that a chunk is the prelude of a stream.
    #[track_caller]
    pub(crate) fn assert_prelude(self, chunk: &str) {
        match self {
            XhrStreaming => assert_eq!(chunk, format!("{}\n", "h".repeat(2048))),
            EventSource => assert_eq!(chunk, "\r\n"),
            HtmlFile => {
                assert!(chunk.len() > 1024, "browsers wait for 1 KiB: {chunk:?}");
                assert_eq!(chunk.trim(), HTMLFILE_PAGE.replace("{CB}", CALLBACK));
            }
            _ => panic!("{self:?} has no prelude"),
        }
    }
}

const HTMLFILE_PAGE: &str = r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.{CB};
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>"#;

/// Input from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Open,
    HeartBeat,
    Messages(Vec<String>),
    Close(u16, String),
    /// The WebSocket's own close frame with its code and reason.
    SocketClose(u16, String),
    /// The end of a streaming response or of a WebSocket.
    End,
}

impl Frame {
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Frame {
        match text.split_at(1) {
            ("o", "") => Frame::Open,
            ("h", "") => Frame::HeartBeat,
            ("a", json) => {
                let strings: Vec<String> = serde_json::from_str(json).expect("an array of strings");
                assert!(!strings.is_empty(), "an array frame must contain a message");
                Frame::Messages(strings)
            }
            ("c", json) => {
                let (code, reason) = serde_json::from_str(json).expect("a code and a reason");
                Frame::Close(code, reason)
            }
            _ => panic!("invalid SockJS frame: {text:?}"),
        }
    }
}

/// Returns a new id for a SockJS session.
pub(crate) fn session_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("session-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) struct Session {
    address: SocketAddr,
    /// Path without the segment of the transport.
    pub(crate) path: String,
    pub(crate) transport: Transport,
    /// Headers of every request.
    headers: Vec<(String, String)>,
    query: String,
    receiver: Option<Http>,
    socket: Option<Socket>,
    /// The connection for `xhr_send`; `None` before the first message.
    sender: Option<Http>,
    messages: VecDeque<String>,
    mark_count: usize,
}

impl Session {
    /// Returns a session at `base` that has sent no request yet.
    #[track_caller]
    pub(crate) fn new(address: SocketAddr, base: &str, transport: Transport) -> Session {
        Session {
            address,
            path: format!("{base}/000/{}", session_name()),
            transport,
            headers: Vec::new(),
            query: String::new(),
            receiver: None,
            socket: None,
            sender: None,
            messages: VecDeque::new(),
            mark_count: 0,
        }
    }

    /// Adds this header to every further request.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Session {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// Adds this query to every further request.
    pub(crate) fn with_query(mut self, query: &str) -> Session {
        self.query = query.to_string();
        self
    }

    /// Receives the open frame.
    #[track_caller]
    pub(crate) fn opened(mut self) -> Session {
        assert_eq!(self.frame(), Frame::Open, "{:?}", self.transport);
        self
    }

    fn with_own_headers(&self, request: Request) -> Request {
        let request = request.query(&self.query);
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    // ---- receiving ----

    /// Opens a receiver in addition to the receiver of the session. Returns its connection and the head of the
    /// response.
    #[track_caller]
    pub(crate) fn another_receiver(&self) -> (Http, Response) {
        let mut http = Http::connect(self.address);
        http.send_request(&self.with_own_headers(self.transport.receive(&self.path)));
        let head = http.head();
        (http, head)
    }

    /// Attaches a receiver and reads its prelude, unless the session has a receiver.
    #[track_caller]
    pub(crate) fn attach(&mut self) -> &mut Http {
        if self.receiver.is_none() {
            let (mut http, head) = self.another_receiver();
            assert_eq!(head.status, 200, "{head:?}");
            assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{head:?}");
            if !self.transport.polls() {
                let prelude = http.chunk().expect("a prelude");
                self.transport.assert_prelude(&prelude);
            }
            self.receiver = Some(http);
        }
        self.receiver.as_mut().expect("just attached")
    }

    /// Detaches the receiver from the session and returns it.
    #[track_caller]
    pub(crate) fn detach(&mut self) -> Http {
        self.attach();
        self.receiver.take().expect("just attached")
    }

    /// Returns the next chunk; `None` at the end of the response.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Option<String> {
        let chunk = self.attach().chunk();
        if chunk.is_none() {
            self.receiver = None;
        }
        chunk
    }

    /// Returns the next frame. Asserts that the response to a poll ends after its frame, and does not return this end.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Frame {
        if self.transport == WebSocket {
            return self.socket().frame();
        }
        let Some(chunk) = self.chunk() else { return Frame::End };
        if self.transport.polls() {
            assert_eq!(self.chunk(), None, "the answer to a poll must be one frame");
        }
        Frame::parse(&self.transport.unwrapped(&chunk))
    }

    /// Returns the next message. Sends further requests until a response contains one.
    #[track_caller]
    pub(crate) fn message(&mut self) -> String {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return message;
            }
            match self.frame() {
                Frame::Messages(messages) => self.messages.extend(messages),
                Frame::HeartBeat | Frame::End if self.transport != WebSocket => {}
                other => panic!("expected a message over {:?}, got {other:?}", self.transport),
            }
        }
    }

    #[track_caller]
    pub(crate) fn expect_message(&mut self, message: &str) {
        assert_eq!(self.message(), message, "{:?}", self.transport);
    }

    /// Expects the SockJS close frame, and the end of the response or WebSocket.
    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16, reason: &str) {
        assert!(self.messages.is_empty(), "{:?}", self.messages);
        let mut next = self.frame();
        while next == Frame::End {
            next = self.frame();
        }
        assert_eq!(next, Frame::Close(code, reason.to_string()), "{:?}", self.transport);
        if self.transport == WebSocket {
            assert_eq!(self.frame(), Frame::SocketClose(1000, "Normal closure".to_string()));
        }
        if !self.transport.polls() {
            assert_eq!(self.frame(), Frame::End, "{:?}", self.transport);
        }
    }

    // ---- sending ----

    /// Sends messages and asserts that the server accepts them.
    #[track_caller]
    pub(crate) fn send(&mut self, messages: &[&str]) {
        self.send_json(&serde_json::to_string(messages).expect("strings are JSON"));
    }

    /// Does the same as [`Session::send`], with a JSON array of messages.
    #[track_caller]
    pub(crate) fn send_json(&mut self, json: &str) {
        if self.transport == WebSocket {
            return self.socket().send(FIN | TEXT, json.as_bytes());
        }
        let response = self.try_send(json);
        match self.transport {
            JsonpPolling => response.assert(200, "ok"),
            _ => response.assert(204, ""),
        }
    }

    /// Sends a JSON array of messages and returns the answer.
    #[track_caller]
    pub(crate) fn try_send(&mut self, json: &str) -> Response {
        let request = self.with_own_headers(self.transport.send(&self.path, json));
        let address = self.address;
        self.sender.get_or_insert_with(|| Http::connect(address)).exchange(&request)
    }

    /// Returns the WebSocket. Opens it if necessary.
    #[track_caller]
    pub(crate) fn socket(&mut self) -> &mut Socket {
        if self.socket.is_none() {
            let request = self.with_own_headers(self.transport.receive(&self.path));
            self.socket = Some(Socket::open_by(self.address, request));
        }
        self.socket.as_mut().expect("just opened")
    }

    // ---- STOMP ----

    /// Sends a text, such as a STOMP frame, as one message.
    #[track_caller]
    pub(crate) fn stomp(&mut self, text: &str) {
        self.send(&[text]);
    }

    /// Returns the next STOMP frame, which must be exactly one message.
    #[track_caller]
    pub(crate) fn stomp_frame(&mut self) -> frame::Frame {
        let message = self.message();
        let parsed = frame::Frame::parse(message.as_bytes());
        let (frame, length) =
            parsed.unwrap_or_else(|| panic!("a message must be a whole frame: {message:?}"));
        assert_eq!(length, message.len(), "a message must end with the NUL of its frame: {message:?}");
        frame
    }

    /// Returns the next STOMP frame, which must have this command, headers and body (the body of ERROR is not
    /// compared).
    #[track_caller]
    pub(crate) fn expect(&mut self, command: &str, headers: &[(&str, &str)], body: &str) -> frame::Frame {
        let frame = self.stomp_frame();
        assert_eq!(frame.command, command, "over {:?}: {frame:?}", self.transport);
        for (name, value) in headers {
            assert_eq!(frame.header(name), Some(*value), "header {name} of {frame:?}");
        }
        if command != "ERROR" {
            assert_eq!(frame.text(), body, "body of {frame:?}");
        }
        frame
    }

    /// Sends CONNECT and expects CONNECTED.
    #[track_caller]
    pub(crate) fn connect(&mut self, version: &str) {
        self.stomp(&format!("CONNECT\naccept-version:{version}\nhost:localhost\n\n\0"));
        self.expect("CONNECTED", &[("version", version)], "");
    }

    /// Sends frames and waits for the RECEIPT of the last one, which must request `receipt:done`.
    #[track_caller]
    pub(crate) fn done(&mut self, text: &str) {
        self.stomp(text);
        self.expect("RECEIPT", &[("receipt-id", "done")], "");
    }

    /// Sends SUBSCRIBE and waits for its RECEIPT; `headers` are further lines, each with its LF.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, id: &str, destination: &str, headers: &str) {
        self.done(&format!("SUBSCRIBE\nid:{id}\ndestination:{destination}\nreceipt:done\n{headers}\n\0"));
    }

    /// Asserts that the broker has no frames for this client: when the client sends a message to itself, this message
    /// arrives next.
    #[track_caller]
    pub(crate) fn expect_quiet(&mut self) {
        self.mark_count += 1;
        let mark = format!("quiet-{}-{}", self.path.replace('/', "-"), self.mark_count);
        self.subscribe(&mark, &format!("/topic/{mark}"), "");
        self.stomp(&format!("SEND\ndestination:/topic/{mark}\n\n\0"));
        self.expect("MESSAGE", &[("subscription", &mark)], "");
        self.done(&format!("UNSUBSCRIBE\nid:{mark}\nreceipt:done\n\n\0"));
    }
}

/// A WebSocket that sends and receives single messages.
pub(crate) struct Socket {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Socket {
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, path: &str) -> Socket {
        Socket::open_by(address, Request::get(path))
    }

    /// Opens a WebSocket with a custom request.
    #[track_caller]
    pub(crate) fn open_by(address: SocketAddr, request: Request) -> Socket {
        let (stream, response) = websocket::upgrade_by(address, request);
        assert_eq!(response.status, 101, "{response:?}");
        stream.set_nodelay(true).expect("the socket option is valid");
        Socket { stream, bytes: Vec::new() }
    }

    /// Sends a frame; `first` is the first byte: the opcode and the flags.
    #[track_caller]
    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) {
        self.write_bytes(&websocket::frame(first, payload));
    }

    /// Sends bytes without any framing.
    #[track_caller]
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server accepts input");
    }

    /// Returns the next WebSocket frame; `None` at the end of the stream.
    #[track_caller]
    pub(crate) fn received(&mut self) -> Option<Received> {
        loop {
            if let Some((received, length)) = websocket::parse(&self.bytes) {
                self.bytes.drain(..length);
                return Some(received);
            }
            let mut more = vec![0; 256 * 1024];
            let count = self.stream.read(&mut more);
            match count
                .unwrap_or_else(|error| panic!("expected a frame within {HANG_TIMEOUT:?}, got {error}"))
            {
                0 => {
                    assert!(self.bytes.is_empty(), "the stream must not end within a frame");
                    return None;
                }
                count => self.bytes.extend_from_slice(&more[..count]),
            }
        }
    }

    /// Returns the next SockJS frame, or the end of the socket.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Frame {
        loop {
            let Some(received) = self.received() else { return Frame::End };
            match received.opcode {
                TEXT => return Frame::parse(std::str::from_utf8(&received.payload).expect("text")),
                CLOSE => {
                    let (code, reason) = received.payload.split_first_chunk().expect("a code");
                    let reason = String::from_utf8(reason.to_vec()).expect("text");
                    return Frame::SocketClose(u16::from_be_bytes(*code), reason);
                }
                PING | PONG => {}
                other => panic!("unexpected opcode {other}"),
            }
        }
    }

    /// Expects a message with this opcode and payload.
    #[track_caller]
    pub(crate) fn expect(&mut self, opcode: u8, payload: &[u8]) {
        let received = self.received().expect("a frame");
        assert_eq!(received.opcode, opcode);
        // `assert_eq` would print megabytes.
        assert!(received.payload == payload, "{} bytes, not {}", received.payload.len(), payload.len());
    }

    /// Expects a close frame, and the end of the stream after the client has closed its side.
    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16, reason: &str) {
        let received = self.received().expect("a close frame");
        let expected = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        assert_eq!((received.opcode, received.payload), (CLOSE, expected));
        assert!(self.received().is_none(), "a close frame must be the last frame");
    }

    /// Closes the client's side of the stream.
    pub(crate) fn shutdown_write(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a socket can be shut down");
    }
}
