//! A minimal HTTP client for tests, which can read a response in parts, for example chunk by chunk.

use super::HANG_TIMEOUT;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// Returns the value of the first header of this name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Asserts a status and a body. Ignores space at the end of the body.
    #[track_caller]
    pub(crate) fn assert(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.trim_end()), (status, body.trim_end()), "{self:?}");
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    pub(crate) fn post(path: &str, body: impl AsRef<[u8]>) -> Request {
        let length = body.as_ref().len().to_string();
        let mut request = Request::new("POST", path).header("Content-Length", &length);
        request.body = body.as_ref().to_vec();
        request
    }

    pub(crate) fn new(method: &str, path: &str) -> Request {
        Request { line: format!("{method} {path} HTTP/1.1"), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    pub(crate) fn headers(self, headers: &[(&str, &str)]) -> Request {
        headers.iter().fold(self, |request, (name, value)| request.header(name, value))
    }

    /// Appends to the query.
    pub(crate) fn query(mut self, query: &str) -> Request {
        if !query.is_empty() {
            let separator = if self.line.contains('?') { '&' } else { '?' };
            self.line = self.line.replace(" HTTP/", &format!("{separator}{query} HTTP/"));
        }
        self
    }

    /// Changes the version to HTTP/1.0.
    pub(crate) fn http_1_0(mut self) -> Request {
        self.line = self.line.replace("HTTP/1.1", "HTTP/1.0");
        self
    }

    fn is_head(&self) -> bool {
        self.line.starts_with("HEAD ")
    }

    /// Encodes the request. Adds a `Host` with `address` unless there is one.
    pub(crate) fn encode(&self, address: SocketAddr) -> Vec<u8> {
        let mut out = format!("{}\r\n", self.line);
        if self.headers.iter().all(|(name, _)| name != "Host") {
            out.push_str(&format!("Host: {address}\r\n"));
        }
        self.headers.iter().for_each(|(name, value)| out.push_str(&format!("{name}: {value}\r\n")));
        out.push_str("\r\n");
        [out.as_bytes(), &self.body].concat()
    }
}

/// A connection for any number of requests and responses, which can be read in parts.
#[derive(Debug)]
pub(crate) struct Http {
    stream: TcpStream,
    address: SocketAddr,
}

impl Http {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Http {
        let stream = TcpStream::connect(address).expect("the HTTP port accepts");
        stream.set_nodelay(true).expect("the socket option is valid");
        stream.set_read_timeout(Some(HANG_TIMEOUT)).expect("the timeout is valid");
        Http { stream, address }
    }

    /// Sends bytes without any framing.
    #[track_caller]
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a request can be sent");
    }

    #[track_caller]
    pub(crate) fn send_request(&mut self, request: &Request) {
        let bytes = request.encode(self.address);
        self.write_bytes(&bytes);
    }

    /// Sends a request and reads the whole response.
    #[track_caller]
    pub(crate) fn exchange(&mut self, request: &Request) -> Response {
        self.send_request(request);
        if request.is_head() { self.head() } else { self.read_response() }
    }

    /// Reads a whole response.
    #[track_caller]
    pub(crate) fn read_response(&mut self) -> Response {
        read_response(&mut self.stream)
    }

    /// Reads the head of a response.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Response {
        head(&mut self.stream)
    }

    /// Returns the next chunk of a chunked body as text; `None` for the last one, which is empty.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Option<String> {
        chunk(&mut self.stream)
    }

    /// Reads this many bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, count: usize) -> String {
        take(&mut self.stream, count)
    }

    /// Fills `bytes` with the next bytes.
    #[track_caller]
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.stream.read_exact(bytes).expect("the stream is long enough");
    }

    /// Returns everything up to the end of the stream.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).expect("the stream ends");
        rest
    }

    /// Returns whether nothing arrives for this time, not even the end of the stream.
    pub(crate) fn is_quiet_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("the timeout is valid");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(HANG_TIMEOUT)).expect("the timeout is valid");
        peeked.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Closes the client's side of the stream. The client can still read.
    pub(crate) fn shutdown_write(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a socket can be shut down");
    }

    /// Closes the connection with a reset, as after a crash.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("the socket option is valid");
    }

    /// Reduces the receive buffer, so that the system buffers little data that this client has not read.
    pub(crate) fn shrink_receive_buffer(&self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_recv_buffer_size(32 * 1024).expect("the socket option is valid");
    }
}

/// Sends one request on its own connection.
#[track_caller]
pub(crate) fn fetch(address: SocketAddr, request: &Request) -> Response {
    Http::connect(address).exchange(request)
}

/// Sends a request and reads the response. Returns the connection for further use.
#[track_caller]
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> (TcpStream, Response) {
    let mut http = Http::connect(address);
    http.write_bytes(request);
    let response = http.read_response();
    (http.stream, response)
}

#[track_caller]
pub(crate) fn read_response(stream: &mut TcpStream) -> Response {
    let mut response = head(stream);
    let has_body = !matches!(response.status, 100..200 | 204 | 304);
    let length = response.header("content-length").map(|digits| digits.parse().expect("a length"));
    response.body = match length {
        _ if !has_body => String::new(),
        Some(length) => take(stream, length),
        None if response.header("transfer-encoding") == Some("chunked") => {
            let mut body = String::new();
            while let Some(chunk) = chunk(stream) {
                body.push_str(&chunk);
            }
            body
        }
        None => {
            let mut body = String::new();
            stream.read_to_string(&mut body).expect("a body that is text, up to the end of the stream");
            body
        }
    };
    response
}

/// Reads the head of a response, and nothing after it.
#[track_caller]
fn head(stream: &mut TcpStream) -> Response {
    let head = until(stream, "\r\n\r\n");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_string())).collect();
    Response { status: status.expect("a status line"), headers, body: String::new() }
}

#[track_caller]
fn chunk(stream: &mut TcpStream) -> Option<String> {
    let size = until(stream, "\r\n");
    let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk's size");
    let chunk = take(stream, size);
    assert_eq!(take(stream, 2), "\r\n", "expected a line end after the chunk {chunk:?}");
    (size > 0).then_some(chunk)
}

#[track_caller]
fn take(stream: &mut TcpStream, count: usize) -> String {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("cannot read {count} bytes: {error}"));
    String::from_utf8(bytes).expect("a body that is text")
}

/// Reads up to and including `end`, and nothing after it.
#[track_caller]
fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut line = Vec::new();
    let fail = |what: &str, line: &[u8]| -> ! {
        panic!("expected {end:?}, got {what} after {:?}", String::from_utf8_lossy(line))
    };
    while !line.ends_with(end.as_bytes()) {
        let mut ahead = [0; 1024];
        let count = stream.peek(&mut ahead).unwrap_or_else(|error| fail(&error.to_string(), &line));
        if count == 0 {
            fail("the end", &line);
        }
        let (before, from) = (line.len(), (line.len() + 1).saturating_sub(end.len()));
        line.extend_from_slice(&ahead[..count]);
        let found = line[from..].windows(end.len()).position(|window| window == end.as_bytes());
        line.truncate(found.map_or(line.len(), |at| from + at + end.len()));
        stream.read_exact(&mut ahead[..line.len() - before]).expect("peeked bytes can be read");
    }
    String::from_utf8(line).expect("the head of a response is text")
}
