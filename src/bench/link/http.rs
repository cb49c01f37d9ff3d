//! A minimal HTTP/1.1 client, sans-IO. It parses responses on a persistent connection: with a length, in chunks, or
//! without a body.

use crate::bench::error::BenchError;
use memchr::memchr;

/// Maximum size of the head of a response, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The parser of one response.
#[derive(Debug)]
pub(super) struct Response {
    state: State,
    status: u16,
    /// Headers, with names in lower case.
    headers: Vec<(String, String)>,
    /// The current line, while it is incomplete.
    line: Vec<u8>,
    head_bytes: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    StatusLine,
    Headers,
    /// `left` bytes of the body are missing. If `in_chunks`, `left` counts the bytes of the current chunk.
    Body {
        left: u64,
        in_chunks: bool,
    },
    /// The line end after a chunk.
    ChunkEnd,
    ChunkSize,
    Trailers,
    Complete,
}

impl Response {
    pub(super) fn new() -> Response {
        Response { state: State::StatusLine, status: 0, headers: Vec::new(), line: Vec::new(), head_bytes: 0 }
    }

    /// Returns the status. Returns 0 until the head is complete.
    pub(super) fn status(&self) -> u16 {
        if matches!(self.state, State::StatusLine | State::Headers) { 0 } else { self.status }
    }

    /// Returns a header by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether the response is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Returns whether the server closes the connection after the response.
    pub(super) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.to_ascii_lowercase().contains("close"))
    }

    /// Returns the error for a response with an unexpected status.
    pub(super) fn rejection(&self, path: &str, body: &[u8]) -> BenchError {
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]).trim().to_owned();
        BenchError::Rejected { status: self.status, path: path.to_owned(), text }
    }

    /// Processes bytes of the head, and returns the bytes after it.
    pub(super) fn take_head<'o>(&mut self, mut input: &'o [u8]) -> Result<&'o [u8], BenchError> {
        while !input.is_empty() && matches!(self.state, State::StatusLine | State::Headers) {
            input = self.take_line(input)?;
        }
        Ok(input)
    }

    /// Processes bytes, passes those of the body to `sink`, and returns the bytes after the response.
    pub(super) fn take<'o>(
        &mut self,
        mut input: &'o [u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), BenchError>,
    ) -> Result<&'o [u8], BenchError> {
        while !input.is_empty() && self.state != State::Complete {
            let State::Body { left, in_chunks } = &mut self.state else {
                input = self.take_line(input)?;
                continue;
            };
            let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
            *left -= taken as u64;
            if *left == 0 {
                self.state = if *in_chunks { State::ChunkEnd } else { State::Complete };
            }
            sink(&input[..taken])?;
            input = &input[taken..];
        }
        Ok(input)
    }

    fn take_line<'o>(&mut self, input: &'o [u8]) -> Result<&'o [u8], BenchError> {
        let end = memchr(b'\n', input);
        let taken = end.map_or(input.len(), |end| end + 1);
        self.line.extend_from_slice(&input[..taken]);
        self.head_bytes += taken;
        if self.line.len() > HEAD_BYTES_MAX || (self.status() == 0 && self.head_bytes > HEAD_BYTES_MAX) {
            return Err(BenchError::protocol("HTTP"));
        }
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            let line = std::str::from_utf8(&line).map_err(|_| BenchError::protocol("HTTP"))?;
            self.state = self.after(line.trim_end()).ok_or_else(|| BenchError::protocol("HTTP"))?;
        }
        Ok(&input[taken..])
    }

    /// Processes a complete line and returns the next state. Returns `None` if the line is invalid.
    fn after(&mut self, line: &str) -> Option<State> {
        match self.state {
            State::StatusLine => {
                self.status = line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
                Some(State::Headers)
            }
            State::Headers if line.is_empty() => self.body(),
            State::Headers => {
                let (name, value) = line.split_once(':')?;
                self.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                Some(State::Headers)
            }
            State::ChunkEnd => line.is_empty().then_some(State::ChunkSize),
            State::ChunkSize => {
                let size = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(size, 16).ok()? {
                    0 => Some(State::Trailers),
                    left => Some(State::Body { left, in_chunks: true }),
                }
            }
            State::Trailers if line.is_empty() => Some(State::Complete),
            State::Trailers => Some(State::Trailers),
            State::Body { .. } | State::Complete => None,
        }
    }

    fn body(&self) -> Option<State> {
        if [101, 204, 304].contains(&self.status) {
            return Some(State::Complete);
        }
        if self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Some(State::ChunkSize);
        }
        // Without either header, the body extends to the end of the connection.
        match self.header("content-length").map_or(Some(u64::MAX), |length| length.parse().ok())? {
            0 => Some(State::Complete),
            left => Some(State::Body { left, in_chunks: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses a response in pieces of `step` bytes. Returns the status, the body, and the bytes after the response.
    fn read(wire: &[u8], step: usize) -> (u16, Vec<u8>, Vec<u8>) {
        let (mut response, mut body, mut rest) = (Response::new(), Vec::new(), Vec::new());
        for chunk in wire.chunks(step) {
            let after = response.take(chunk, |piece| {
                body.extend_from_slice(piece);
                Ok(())
            });
            rest.extend_from_slice(after.expect("HTTP"));
        }
        assert!(response.is_complete());
        (response.status(), body, rest)
    }

    #[test]
    fn response_ends_at_its_declared_length() {
        let cases: [(&[u8], u16, &[u8]); 4] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloX", 200, b"hello"),
            (b"HTTP/1.1 204 No Content\r\nContent-Type: text/plain\r\n\r\nX", 204, b""),
            (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\nX", 200, b""),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\nX",
                200,
                b"hello!",
            ),
        ];
        for (wire, status, body) in cases {
            for step in 1..=wire.len() {
                assert_eq!(read(wire, step), (status, body.to_vec(), b"X".to_vec()), "{step}");
            }
        }
    }

    #[test]
    fn malformed_http_is_rejected() {
        for wire in [
            &b"CONNECTED\n\n\0\n"[..],
            b"HTTP/1.1 abc\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            &[b'x'; HEAD_BYTES_MAX + 1],
        ] {
            assert!(
                Response::new().take(wire, |_| Ok(())).is_err(),
                "{}",
                wire[..wire.len().min(40)].escape_ascii()
            );
        }
    }
}
