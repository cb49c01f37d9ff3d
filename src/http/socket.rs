//! The socket of an HTTP connection, between tokio and hyper.
//!
//! hyper detects the end of its input only after it has parsed all input that arrived. The client of a stream or of a
//! long poll may send something after its request, such as the next request or a line end. If this client then closes
//! or resets the connection, hyper does not detect it. The session of the client would stay until a heartbeat fails, or
//! for ever.
//!
//! Therefore [`HttpSocket`] does its own check while a receiver of a SockJS session is attached to the connection. The
//! socket reads ahead into a small buffer, and fails when the client has left. hyper later reads from this buffer. The
//! check takes place whenever hyper writes or flushes, which is at least once in every poll of the connection.
//!
//! The socket also charges the memory for the heads of requests ([`crate::limits::head_memory`]). A head consists of
//! the request line and the headers. If there is no memory for a head, the socket closes the connection. If the head
//! belongs to the first request, the client first gets a response with status 503. Bytes that follow a head, such as a
//! body, are charged if there is memory. They never close the connection.
//!
//! A client that closes only its sending side after a complete request still gets the answer. The client of a receiver
//! does not: it can receive only as long as it can send further requests.

use super::connection::HttpConnection;
use crate::budget::Charge;
use crate::limits::head_memory::{HEAD_BYTES_MAX, HeadEnd, HeadMemory, SMALL_BYTES_MAX};
use crate::wire::protocol::{Guess, Port, Protocol, START_BYTES, recognise, recognise_request};
use bytes::{Bytes, BytesMut};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Maximum number of bytes in one read ahead.
const READ_BYTES: usize = 1024;
/// Maximum number of bytes that a client may send after the request of a receiver. Bytes that hyper has read do not
/// count. This is enough for some further requests. If a client sends more, the socket cannot read on to detect that
/// the client leaves. It therefore closes the connection.
const AHEAD_BYTES_MAX: usize = 8 * 1024;

/// Maximum number of reads to discard the input that follows a rejected head.
const REJECTED_READS_MAX: usize = 64;

/// The socket of an HTTP connection.
#[derive(Debug)]
pub struct HttpSocket {
    stream: TcpStream,
    http_connection: Arc<HttpConnection>,
    /// Bytes that were read ahead and that hyper has not read yet.
    read_ahead: BytesMut,
    memory: Arc<HeadMemory>,
    /// The charge for hyper's buffer. Set once the buffer has held more than a small head.
    buffer_charge: Option<Charge>,
    /// The charge for `read_ahead`. Set while it holds more than a small head.
    read_ahead_charge: Option<Charge>,
    /// Upper bound of the number of bytes that hyper has read and not parsed.
    unparsed: usize,
    /// Finds the end of the head that hyper is reading.
    head_end: HeadEnd,
    /// Whether any byte of a response was written.
    has_written: bool,
}

/// The result of examining the first bytes of an HTTP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpStart {
    /// Bytes that may be HTTP.
    Http,
    /// The beginning of another protocol.
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
            read_ahead: BytesMut::new(),
            memory,
            buffer_charge: None,
            read_ahead_charge: None,
            unparsed: 0,
            head_end: HeadEnd::default(),
            has_written: false,
        }
    }

    /// Waits until enough bytes have arrived to distinguish HTTP from other protocols. hyper reads these bytes later.
    pub async fn detect_protocol(&mut self) -> HttpStart {
        poll_fn(|cx| {
            loop {
                let start = &self.read_ahead[..self.read_ahead.len().min(START_BYTES)];
                let guess = match recognise(Port::Http, start) {
                    Guess::NotForeign => recognise_request(&self.read_ahead),
                    guess => guess,
                };
                match guess {
                    Guess::Foreign(protocol) => return Poll::Ready(HttpStart::Foreign(protocol)),
                    Guess::NotForeign => return Poll::Ready(HttpStart::Http),
                    // The request line may be longer. hyper enforces the limit on the length of the head.
                    Guess::Undecided if self.read_ahead.len() >= READ_BYTES => {
                        return Poll::Ready(HttpStart::Http);
                    }
                    Guess::Undecided => {}
                }
                match ready!(self.poll_read_ahead(cx)) {
                    Ok(1..) => {}
                    _ if self.read_ahead.is_empty() => return Poll::Ready(HttpStart::NoData),
                    Ok(0) => return Poll::Ready(HttpStart::Foreign(Protocol::Unknown)),
                    // hyper reads the same error again and handles it.
                    Err(_) => return Poll::Ready(HttpStart::Http),
                }
            }
        })
        .await
    }

    /// Returns whether no byte has arrived yet.
    pub fn is_silent(&self) -> bool {
        self.read_ahead.is_empty()
    }

    /// Returns the socket, and the bytes that were read ahead and that hyper has not read.
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.read_ahead.freeze())
    }

    /// Reads once and appends the bytes to `read_ahead`. Returns `Ok(0)` at the end of the input.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.read_ahead.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Fails if a receiver is attached and its client has left. Otherwise the task is woken when the client leaves.
    fn check_receiver_client(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.http_connection.has_receiver() {
            match self.poll_read_ahead(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => {
                    let error = "the client closed the connection of its receiver";
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error));
                }
                Poll::Ready(Ok(_)) if self.read_ahead.len() > AHEAD_BYTES_MAX => {
                    let error = format!(
                        "the client sent more than {AHEAD_BYTES_MAX} bytes while its poll or stream was open"
                    );
                    return Err(io::Error::other(error));
                }
                Poll::Ready(Ok(_)) => self.charge_read_ahead()?,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Charges `read_ahead` if it holds more than [`SMALL_BYTES_MAX`] bytes. Fails if there is no memory for it.
    fn charge_read_ahead(&mut self) -> io::Result<()> {
        if self.read_ahead.len() > SMALL_BYTES_MAX && self.read_ahead_charge.is_none() {
            self.read_ahead_charge = self.memory.charge(AHEAD_BYTES_MAX);
            if self.read_ahead_charge.is_none() {
                return Err(self.head_rejection());
            }
        }
        Ok(())
    }

    /// Counts `bytes`, which hyper has read, and charges hyper's buffer once it holds more than a small head. Fails if
    /// there is no memory for the head of a request.
    fn count_read(&mut self, bytes: &[u8]) -> io::Result<()> {
        // While hyper answers a request, it reads more of the body only when its buffer is empty.
        if self.http_connection.answering_changed() || self.http_connection.is_answering() {
            (self.unparsed, self.head_end) = (0, HeadEnd::default());
        }
        let before = self.unparsed;
        self.unparsed += bytes.len();
        // The body of a request has separate limits.
        let head_bytes = match self.http_connection.is_answering() {
            true => 0,
            false => before + self.head_end.find(bytes).unwrap_or(bytes.len()),
        };
        if self.unparsed <= SMALL_BYTES_MAX || self.buffer_charge.is_some() {
            return Ok(());
        }
        self.buffer_charge = self.memory.charge(HEAD_BYTES_MAX);
        if self.buffer_charge.is_some() || head_bytes <= SMALL_BYTES_MAX {
            return Ok(());
        }
        self.send_rejection();
        Err(self.head_rejection())
    }

    /// Records the rejection of a head, and returns the error that closes the connection.
    fn head_rejection(&self) -> io::Error {
        if let Ok(peer) = self.stream.peer_addr() {
            self.memory.record_rejection(peer.ip().to_canonical());
        }
        io::Error::other("the memory for the heads of requests is full (an eighth of memory-bytes-max)")
    }

    /// Sends the client the reason why its connection is closed. Does nothing if a part of another response may have
    /// been sent. Reads the input that has arrived, because closing a socket with unread input can destroy the
    /// response.
    fn send_rejection(&self) {
        if self.has_written || self.stream.try_write(self.memory.rejection_response().as_bytes()).is_err() {
            return;
        }
        let mut discarded = [0; READ_BYTES];
        for _ in 0..REJECTED_READS_MAX {
            if !matches!(self.stream.try_read(&mut discarded), Ok(1..)) {
                break;
            }
        }
    }

    /// Returns `written`, the result of a write. If the write is pending, first checks whether the client of a receiver
    /// has left.
    fn watch_if_pending<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_pending() {
            self.check_receiver_client(cx)?;
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
        if self.read_ahead.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            return Poll::Ready(self.count_read(&buffer.filled()[before..]));
        }
        let taken = self.read_ahead.len().min(buffer.remaining());
        let taken = self.read_ahead.split_to(taken);
        buffer.put_slice(&taken);
        if self.read_ahead.is_empty() {
            self.read_ahead = BytesMut::new();
            self.read_ahead_charge = None;
        }
        Poll::Ready(self.count_read(&taken))
    }
}

impl AsyncWrite for HttpSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.has_written = true;
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch_if_pending(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.has_written = true;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch_if_pending(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_receiver_client(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
