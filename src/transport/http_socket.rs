//! The socket of an HTTP connection, between tokio and hyper.
//!
//! hyper looks for the end of its input only while it has none left to parse. A client of a streaming response or of a
//! held poll that has sent anything behind its request (the next request, a stray line end) could therefore close the
//! connection, or reset it, without being noticed: its session stayed until a heartbeat failed, or for ever.
//!
//! [`HttpSocket`] looks by itself. While a receiver of a SockJS session is attached to the connection it reads ahead,
//! into a small buffer from which hyper reads later, and fails when the client has gone. It does so whenever hyper
//! writes or flushes, which is at least once in every poll of the connection.
//!
//! A client that closes only its sending side after a whole request still gets the answer. The exception is a receiver:
//! no client polls a session over a connection that cannot carry a further request.

use super::line::Line;
use super::protocol::{Guess, Port, Protocol, START_BYTES, recognise, recognise_request};
use bytes::{Buf, Bytes, BytesMut};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of one read ahead.
const READ_BYTES: usize = 1024;
/// Bytes that a client may send behind the request of a receiver, beside what hyper has read: some further requests. A
/// client that sends more cannot be watched and loses its connection.
const AHEAD_BYTES_MAX: usize = 8 * 1024;

/// The socket of an HTTP connection.
#[derive(Debug)]
pub struct HttpSocket {
    stream: TcpStream,
    line: Arc<Line>,
    /// Bytes that were read and that hyper has not taken yet.
    ahead: BytesMut,
}

/// The beginning of the input of an HTTP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Bytes that may be HTTP.
    Http,
    /// Another protocol.
    Foreign(Protocol),
    /// The input ended before the first byte.
    NoData,
}

impl HttpSocket {
    /// Creates the socket of the connection `line`.
    pub fn new(stream: TcpStream, line: Arc<Line>) -> HttpSocket {
        HttpSocket { stream, line, ahead: BytesMut::new() }
    }

    /// Waits for the first bytes. They are kept for hyper.
    pub async fn first(&mut self) -> First {
        poll_fn(|cx| {
            loop {
                let start = &self.ahead[..self.ahead.len().min(START_BYTES)];
                let guess = match recognise(Port::Http, start) {
                    Guess::NotForeign => recognise_request(&self.ahead),
                    guess => guess,
                };
                match guess {
                    Guess::Foreign(protocol) => return Poll::Ready(First::Foreign(protocol)),
                    Guess::NotForeign => return Poll::Ready(First::Http),
                    // hyper enforces the limit on the length of a request target.
                    Guess::Undecided if self.ahead.len() >= READ_BYTES => return Poll::Ready(First::Http),
                    Guess::Undecided => {}
                }
                match ready!(self.poll_ahead(cx)) {
                    Ok(1..) => {}
                    _ if self.ahead.is_empty() => return Poll::Ready(First::NoData),
                    Ok(0) => return Poll::Ready(First::Foreign(Protocol::Unknown)),
                    // hyper reads the same error again and handles it.
                    Err(_) => return Poll::Ready(First::Http),
                }
            }
        })
        .await
    }

    /// Returns whether no byte has come yet.
    pub fn is_silent(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Returns the socket, and the bytes that were read from it and not taken.
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.ahead.freeze())
    }

    /// Reads once behind what was read ahead; `Ok(0)` at the end of the input.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.ahead.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Fails if the client of an attached receiver has left; otherwise the task is woken when it leaves.
    fn watch(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.line.has_receiver() {
            match self.poll_ahead(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => {
                    let error = "the client closed the connection of its receiver";
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error));
                }
                Poll::Ready(Ok(_)) if self.ahead.len() > AHEAD_BYTES_MAX => {
                    let error = "the client sent too much behind the request of its receiver";
                    return Err(io::Error::other(error));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Checks for a client that has left even while a write waits for it.
    fn watched<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            self.watch(cx)?;
        }
        written
    }
}

impl AsyncRead for HttpSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let taken = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..taken]);
        self.ahead.advance(taken);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HttpSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watched(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
