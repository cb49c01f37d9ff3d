//! As much of an HTTP client as the tests need.

use super::PATIENCE;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// The first header of this name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a request and reads the answer; the connection comes back for what follows.
#[track_caller]
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> (TcpStream, Response) {
    let mut stream = TcpStream::connect(address).expect("the HTTP port accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    stream.write_all(request).expect("a request can be sent");
    let response = answer(&mut stream);
    (stream, response)
}

/// Reads one answer, octet by octet up to its blank line, so that nothing behind it is lost.
#[track_caller]
pub(crate) fn answer(stream: &mut TcpStream) -> Response {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream
            .read_exact(&mut octet)
            .unwrap_or_else(|error| panic!("an answer, not {error} behind {head:?}"));
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).expect("an answer's head is text");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_string())).collect();
    let mut response = Response { status: status.expect("a status line"), headers, body: String::new() };
    let length = response.header("content-length").map(|digits| digits.parse().expect("a length"));
    if let Some(length) = length {
        let mut body = vec![0; length];
        stream.read_exact(&mut body).expect("a body of the announced length");
        response.body = String::from_utf8(body).expect("a body that is text");
    }
    response
}
