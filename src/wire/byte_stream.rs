//! The socket that a wire reads and writes.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;

/// A stream of bytes from and to a client.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Returns whether the client has closed its sending side. Bytes that it sent earlier may still be unread.
    fn input_has_ended(&self) -> bool;
}

impl ByteStream for TcpStream {
    fn input_has_ended(&self) -> bool {
        // Tokio records that the client closed its side (EPOLLRDHUP) even while bytes are unread. A single poll of
        // `ready` does not wait.
        let mut cx = Context::from_waker(Waker::noop());
        let readiness = pin!(self.ready(Interest::READABLE)).poll(&mut cx);
        matches!(readiness, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }
}
