//! The client's side of a SockJS session over HTTP. It receives frames in responses on one socket, and sends messages
//! in requests on another.

use super::envelope::{Lines, take_frame};
use super::http::Response;
use super::socket::ClientSocket;
use crate::bench::error::BenchError;
use crate::bench::url::{BrokerUrl, LinkTransport};
use bytes::BytesMut;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stompbox_frames::sockjs::{Quoting, quote};
use stompbox_frames::stomp::Decoder;

/// Idle time after which the client replaces a sending socket. The server may be about to close such a socket.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Returns the method and the name of requests that receive frames, and the name of requests that send messages. A name
/// includes the query.
fn endpoints(transport: LinkTransport) -> (&'static str, &'static str, &'static str) {
    match transport {
        LinkTransport::SockjsXhr => ("POST", "xhr_streaming", "xhr_send"),
        LinkTransport::SockjsXhrPolling => ("POST", "xhr", "xhr_send"),
        LinkTransport::SockjsEventSource => ("GET", "eventsource", "xhr_send"),
        LinkTransport::SockjsHtmlFile => ("GET", "htmlfile?c=_jp.bench", "xhr_send"),
        _ => ("GET", "jsonp?c=_jp.bench", "jsonp_send"),
    }
}

/// Returns the path of a new session. `random` makes it unique.
pub(super) fn session_path(url: &BrokerUrl, random: u64) -> String {
    format!("{}/{:03}/{random:016x}", url.path, random % 1000)
}

/// The receiving half of a session.
#[derive(Debug)]
pub(super) struct Receiving {
    request: String,
    path: String,
    response: Response,
    lines: Lines,
    /// Body of a response with an error status.
    error_body: Vec<u8>,
    is_open: bool,
    /// Whether the server closes the connection, so that the next request needs a new one.
    pub(super) needs_socket: bool,
}

impl Receiving {
    pub(super) fn new(url: &BrokerUrl, session: &str) -> Receiving {
        let (method, name, _) = endpoints(url.transport);
        let path = format!("{session}/{name}");
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n{length}\r\n", url.authority());
        Receiving {
            request,
            path,
            response: Response::new(),
            lines: Lines::new(url.transport),
            error_body: Vec::new(),
            is_open: false,
            needs_socket: false,
        }
    }

    /// Returns whether the SockJS session is open.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Sends a request for frames.
    pub(super) fn request_frames(&mut self, out: &mut BytesMut) {
        self.response = Response::new();
        self.needs_socket = false;
        out.extend_from_slice(self.request.as_bytes());
    }

    /// Processes received bytes. Sends a new request when a response has ended.
    pub(super) fn take(
        &mut self,
        mut input: &[u8],
        decoder: &mut Decoder,
        out: &mut BytesMut,
    ) -> Result<(), BenchError> {
        while !input.is_empty() {
            input = self.response.take_head(input)?;
            let is_fine = self.response.status() == 200;
            let Receiving { response, lines, is_open, error_body, .. } = self;
            input = response.take(input, |piece| match is_fine {
                true => lines.take(piece, |frame| take_frame(frame, is_open, decoder)),
                false => {
                    error_body.extend_from_slice(piece);
                    Ok(())
                }
            })?;
            if response.is_complete() && !is_fine {
                return Err(response.rejection(&self.path, error_body));
            }
            if response.is_complete() && response.closes() {
                self.needs_socket = true;
                return Ok(());
            }
            if response.is_complete() {
                self.request_frames(out);
            }
        }
        Ok(())
    }
}

/// The sending half of a session. It sends one request at a time.
#[derive(Debug)]
pub(super) struct Sending {
    head: String,
    path: String,
    is_form: bool,
    /// JSON strings with commas between them: an array without its brackets.
    waiting: BytesMut,
    response: Response,
    is_in_flight: bool,
    socket: Option<ClientSocket>,
    last: Instant,
}

impl Sending {
    pub(super) fn new(url: &BrokerUrl, session: &str) -> Sending {
        let name = endpoints(url.transport).2;
        let is_form = name == "jsonp_send";
        let media = if is_form { "application/x-www-form-urlencoded" } else { "text/plain" };
        let path = format!("{session}/{name}");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {media}\r\nContent-Length: ",
            url.authority()
        );
        Sending {
            head,
            path,
            is_form,
            waiting: BytesMut::new(),
            response: Response::new(),
            is_in_flight: false,
            socket: None,
            last: Instant::now(),
        }
    }

    /// Returns the number of bytes that wait to be sent.
    pub(super) fn backlog(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whether everything has been sent and acknowledged by a response.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && !self.is_in_flight
    }

    /// Appends a message to those of the next request.
    pub(super) fn put(&mut self, text: &[u8]) {
        if !self.waiting.is_empty() {
            self.waiting.extend_from_slice(b",");
        }
        self.waiting.extend_from_slice(b"\"");
        quote(Quoting::Plain, text, &mut self.waiting);
        self.waiting.extend_from_slice(b"\"");
    }

    /// Opens a socket if there are messages to send and no usable socket.
    pub(super) async fn connect(&mut self, address: SocketAddr) -> Result<(), BenchError> {
        let is_needed = !self.is_in_flight && !self.waiting.is_empty();
        if is_needed && (self.socket.is_none() || self.last.elapsed() > IDLE_MAX) {
            self.socket = Some(ClientSocket::connect(address).await?);
            self.last = Instant::now();
        }
        Ok(())
    }

    /// Returns the socket. First queues a request on it if messages are waiting and no request is in flight.
    pub(super) fn socket_with_request(&mut self) -> Option<&ClientSocket> {
        let socket = self.socket.as_mut()?;
        if !self.is_in_flight && !self.waiting.is_empty() {
            let json = [b"[", &self.waiting[..], b"]"].concat();
            self.waiting.clear();
            let body = if self.is_form { form(&json) } else { json };
            socket.out.extend_from_slice(format!("{}{}\r\n\r\n", self.head, body.len()).as_bytes());
            socket.out.extend_from_slice(&body);
            self.response = Response::new();
            self.is_in_flight = true;
        }
        Some(socket)
    }

    /// Transfers bytes on the sending socket.
    pub(super) fn transfer(&mut self, ready: tokio::io::Ready) -> Result<(), BenchError> {
        let Sending { socket: Some(socket), response, path, is_in_flight, .. } = self else { return Ok(()) };
        let mut closed = false;
        socket.transfer(ready, |input, _| {
            let Some(input) = input else {
                closed = true;
                return if *is_in_flight { Err(BenchError::Closed(String::new())) } else { Ok(()) };
            };
            let mut body = Vec::new();
            response.take(input, |piece| {
                body.extend_from_slice(piece);
                Ok(())
            })?;
            if response.is_complete() && ![200, 204].contains(&response.status()) {
                return Err(response.rejection(path, &body));
            }
            Ok(())
        })?;
        if response.is_complete() {
            *is_in_flight = false;
            closed |= response.closes();
            self.last = Instant::now();
        }
        if closed {
            self.socket = None;
        }
        Ok(())
    }
}

/// Returns a form with the payload in its field `d`.
fn form(json: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(json.len() * 3 / 2);
    out.extend_from_slice(b"d=");
    for byte in json {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(*byte),
            _ => out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use stompbox_frames::sockjs::payload;
    use stompbox_frames::stomp::Limits;

    #[test]
    fn form_encoded_payload_decodes_to_the_json() {
        let json = "[\"SEND\\n\\n100 % + é \\u0000\"]".as_bytes();
        let form = form(json);
        let read = payload::form(&form, Some("application/x-www-form-urlencoded")).expect("a form");
        assert_eq!(&*read, json);
    }

    #[test]
    fn ended_response_is_requested_again() {
        let url = BrokerUrl::parse("sockjs+xhr-polling://h:1/ws").expect("a URL");
        let mut receiving = Receiving::new(&url, &session_path(&url, 7));
        let limits =
            Limits { frame_bytes_max: 1000, header_count_max: 10, header_bytes_max: 100, to_bytes_max: 0 };
        let (mut decoder, mut out) = (Decoder::new(limits), BytesMut::new());
        receiving.request_frames(&mut out);
        let request = "POST /ws/007/0000000000000007/xhr HTTP/1.1\r\nHost: h:1\r\n";
        assert!(out.starts_with(request.as_bytes()), "{out:?}");
        let length = out.len();
        receiving
            .take(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no\n", &mut decoder, &mut out)
            .expect("o");
        assert!(receiving.is_open() && out.len() == 2 * length);
        let gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone";
        let error = receiving.take(gone, &mut decoder, &mut out).expect_err("rejected").to_string();
        assert!(error.contains("404") && error.ends_with("gone"), "{error}");
    }
}
