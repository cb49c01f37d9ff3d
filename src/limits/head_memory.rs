//! The memory for the heads of HTTP requests. A head consists of the request line and the headers. hyper keeps it in a
//! buffer of each connection.
//!
//! The buffer grows with the input and keeps its size until the connection closes or is upgraded. Once it has held more
//! than [`SMALL_BYTES_MAX`] bytes, it is charged as [`HEAD_BYTES_MAX`] bytes. If there is no memory for this charge, a
//! request with a head larger than [`SMALL_BYTES_MAX`] bytes is rejected. Smaller heads are never charged or rejected,
//! so that clients with ordinary heads are always served.

use super::limit_warnings::InputRejections;
use crate::budget::{Budget, Charge};
use crate::metrics::Metrics;
use crate::rejection::Limit;
use std::net::IpAddr;
use std::sync::Arc;

/// Maximum size of hyper's buffer for the head of a request, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Maximum size of a head that is not charged, in bytes.
pub(crate) const SMALL_BYTES_MAX: usize = 4 * 1024;
/// Divisor of the byte budget that gives the memory for heads.
const HEADS_DIVISOR: usize = 8;

/// The memory for the heads of HTTP requests of all connections.
#[derive(Debug)]
pub struct HeadMemory {
    share: Arc<Budget>,
    metrics: Arc<Metrics>,
    rejections: InputRejections,
}

impl HeadMemory {
    /// Creates the memory for heads, which is a share of `budget`.
    pub fn new(budget: &Arc<Budget>, metrics: Arc<Metrics>) -> Arc<HeadMemory> {
        let share = budget.share_of(HEADS_DIVISOR);
        Arc::new(HeadMemory { share, metrics, rejections: InputRejections::default() })
    }

    /// Charges a buffer that holds up to `bytes` bytes. Returns `None` if there is no memory for it.
    pub(crate) fn charge(&self, bytes: usize) -> Option<Charge> {
        let mut charge = self.share.charge(0);
        charge.try_grow(bytes).then_some(charge)
    }

    /// Records in the metrics and in the log that a request of the client at `address` is rejected.
    pub(crate) fn record_rejection(&self, address: IpAddr) {
        self.metrics.limit_hit(Limit::MemoryBytes);
        self.rejections.log(Limit::MemoryBytes, address);
    }

    /// Returns the response to a request that is rejected because there is no memory for its head.
    pub(crate) fn rejection_response(&self) -> String {
        let body = format!(
            "The memory for the heads of all requests is full ({} bytes, an eighth of memory-bytes-max). Send at most \
             {SMALL_BYTES_MAX} bytes of headers, try again later, or raise memory-bytes-max.\n",
            self.share.bytes_max()
        );
        format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=UTF-8\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
    }
}

/// A state machine that finds the end of a request's head: the first empty line after the request line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum HeadEnd {
    /// Nothing but line ends has arrived. HTTP ignores empty lines before a request.
    #[default]
    Nothing,
    /// The next byte is within a line.
    InLine,
    /// The next byte begins a line.
    LineBegins,
}

impl HeadEnd {
    /// Reads the next bytes. Returns how many of them belong to the head, or `None` if the head does not end in them.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for (position, byte) in bytes.iter().enumerate() {
            *self = match (*self, byte) {
                (HeadEnd::LineBegins, b'\n') => {
                    *self = HeadEnd::Nothing;
                    return Some(position + 1);
                }
                (HeadEnd::Nothing, b'\r' | b'\n') => HeadEnd::Nothing,
                (HeadEnd::LineBegins, b'\r') | (HeadEnd::InLine, b'\n') => HeadEnd::LineBegins,
                _ => HeadEnd::InLine,
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_request_ends_with_its_first_empty_line() {
        for (text, head) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n", 27),
            ("GET / HTTP/1.1\n\nbody", 16),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\nbody", 22),
        ] {
            assert_eq!(HeadEnd::default().find(text.as_bytes()), Some(head), "{text:?}");
            let mut end = HeadEnd::default();
            let found: Vec<_> = text.as_bytes()[..head].chunks(1).map(|byte| end.find(byte)).collect();
            assert_eq!(found, [&vec![None; head - 1][..], &[Some(1)]].concat(), "{text:?} byte by byte");
        }
        assert_eq!(HeadEnd::default().find(b"GET / HTTP/1.1\r\nHost: a\r\n"), None);
        assert_eq!(HeadEnd::default().find(b"\r\n\n\r\n"), None);
    }
}
