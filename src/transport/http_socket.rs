//! The socket of an HTTP connection, between tokio and hyper.
//!
//! hyper checks for the end of its input only while it has none left to parse. A client of a streaming response or of a
//! held poll that has sent anything after its request (the next request, a stray line end) could therefore close or
//! reset the connection unnoticed, and its session would stay until a heartbeat failed, or for ever.
//!
//! [`HttpSocket`] checks by itself. While a receiver of a SockJS session is attached to the connection, it reads ahead
//! into a small buffer, from which hyper reads later, and fails when the client has gone. It does so whenever hyper
//! writes or flushes, which is at least once in every poll of the connection.
//!
//! It also charges the memory for the heads of requests ([`super::head_memory`]). It closes the connection if a head
//! does not fit. If it is the head of the first request, the client first gets a response with status 503. Bytes behind
//! a head, such as a body, are charged if there is memory, but they never close the connection.
//!
//! A client that closes only its sending side after a whole request still gets the answer. The exception is a receiver:
//! no client polls a session over a connection that cannot carry a further request.

use super::head_memory::{HEAD_BYTES_MAX, HeadEnd, HeadMemory, SMALL_BYTES_MAX};
use super::http_connection::HttpConnection;
use super::protocol::{Guess, Port, Protocol, START_BYTES, recognise, recognise_request};
use crate::budget::Charge;
use bytes::{Bytes, BytesMut};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Most bytes of one read ahead.
const READ_BYTES: usize = 1024;
/// Most bytes that a client may send after the request of a receiver, in addition to what hyper has read: enough for
/// some further requests. A client that sends more cannot be watched and loses its connection.
const AHEAD_BYTES_MAX: usize = 8 * 1024;

/// Most reads of the rest of a head that is refused.
const REFUSED_READS_MAX: usize = 64;

/// The socket of an HTTP connection.
#[derive(Debug)]
pub struct HttpSocket {
    stream: TcpStream,
    http_connection: Arc<HttpConnection>,
    /// Bytes that were read and that hyper has not taken yet.
    ahead: BytesMut,
    memory: Arc<HeadMemory>,
    /// The charge for hyper's buffer, once it has held more than a small head.
    buffer: Option<Charge>,
    /// The charge for `ahead`, while it holds more than a small head.
    ahead_charge: Option<Charge>,
    /// Upper bound of the bytes that hyper holds and has not parsed.
    unparsed: usize,
    /// Finds the end of the head that hyper reads.
    head_end: HeadEnd,
    /// Whether any byte of a response was written.
    has_written: bool,
}

/// The beginning of the input of an HTTP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Bytes that may be HTTP.
    Http,
    /// The start of another protocol.
    Foreign(Protocol),
    /// The input ended before the first byte.
    NoData,
}

impl HttpSocket {
    /// Creates the socket of `http_connection`. The heads of its requests are charged to `memory`.
    pub fn new(
        stream: TcpStream,
        http_connection: Arc<HttpConnection>,
        memory: Arc<HeadMemory>,
    ) -> HttpSocket {
        HttpSocket {
            stream,
            http_connection,
            ahead: BytesMut::new(),
            memory,
            buffer: None,
            ahead_charge: None,
            unparsed: 0,
            head_end: HeadEnd::default(),
            has_written: false,
        }
    }

    /// Waits for the bytes that distinguish HTTP from other protocols. hyper reads them later.
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

    /// Returns whether no byte has arrived yet.
    pub fn is_silent(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Returns the socket, and the bytes that were read from it and that hyper has not taken.
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.ahead.freeze())
    }

    /// Reads once and appends to the bytes read ahead. Returns `Ok(0)` at the end of the input.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.ahead.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Fails if the client of an attached receiver has left; otherwise the task is woken when it leaves.
    fn watch(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.http_connection.has_receiver() {
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
                Poll::Ready(Ok(_)) => self.charge_ahead()?,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Charges the bytes read ahead if they are more than [`SMALL_BYTES_MAX`]. Fails if there is no memory for them.
    fn charge_ahead(&mut self) -> io::Result<()> {
        if self.ahead.len() > SMALL_BYTES_MAX && self.ahead_charge.is_none() {
            self.ahead_charge = self.memory.charge(AHEAD_BYTES_MAX);
            if self.ahead_charge.is_none() {
                return Err(self.refuse());
            }
        }
        Ok(())
    }

    /// Counts `bytes` that hyper has read, and charges its buffer once that is large. Fails if there is no memory for
    /// the head of a request.
    fn count(&mut self, bytes: &[u8]) -> io::Result<()> {
        // hyper reads more of a body only when it holds nothing.
        if self.http_connection.has_advanced() || self.http_connection.is_answering() {
            (self.unparsed, self.head_end) = (0, HeadEnd::default());
        }
        let before = self.unparsed;
        self.unparsed += bytes.len();
        // The body of a request has limits of its own.
        let head_bytes = match self.http_connection.is_answering() {
            true => 0,
            false => before + self.head_end.find(bytes).unwrap_or(bytes.len()),
        };
        if self.unparsed <= SMALL_BYTES_MAX || self.buffer.is_some() {
            return Ok(());
        }
        self.buffer = self.memory.charge(HEAD_BYTES_MAX);
        if self.buffer.is_some() || head_bytes <= SMALL_BYTES_MAX {
            return Ok(());
        }
        self.send_refusal();
        Err(self.refuse())
    }

    /// Records the refusal, and returns the error that closes the connection.
    fn refuse(&self) -> io::Error {
        if let Ok(peer) = self.stream.peer_addr() {
            self.memory.refused(peer.ip().to_canonical());
        }
        io::Error::other("no memory for the head of a request")
    }

    /// Sends the client the reason why its connection is closed, unless a part of another response may be on its way.
    /// Reads the input that has arrived, because closing a socket with unread input can destroy the response.
    fn send_refusal(&self) {
        if self.has_written || self.stream.try_write(self.memory.refusal().as_bytes()).is_err() {
            return;
        }
        let mut thrown_away = [0; READ_BYTES];
        for _ in 0..REFUSED_READS_MAX {
            if !matches!(self.stream.try_read(&mut thrown_away), Ok(1..)) {
                break;
            }
        }
    }

    /// Returns the result of a write. If the write is pending, checks whether the client of a receiver has left.
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
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            return Poll::Ready(self.count(&buffer.filled()[before..]));
        }
        let taken = self.ahead.len().min(buffer.remaining());
        let taken = self.ahead.split_to(taken);
        buffer.put_slice(&taken);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
            self.ahead_charge = None;
        }
        Poll::Ready(self.count(&taken))
    }
}

impl AsyncWrite for HttpSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.has_written = true;
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.has_written = true;
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
