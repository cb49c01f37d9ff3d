//! A way to reach a client: what octets mean on it, and how frames are wrapped for it.
//!
//! A transport is a type with this trait and a row where its listener is; the connection task
//! ([`super::drive`]) knows nothing else of it.

use super::coalesce::{Coalesce, Mark};
use crate::session::Closing;
use bytes::Bytes;
use std::io;
use std::task::{Context, Poll};

/// How the reading side ended.
#[derive(Debug)]
pub enum ReadEnd {
    /// The client closed its side, in the manner of the wire.
    Closed,
    /// The socket failed.
    Failed(io::Error),
    /// The client broke the rules of the wire itself (not STOMP's); [`Wire::farewell`] says so.
    Violation(&'static str),
    /// A limit of the wire was met, by its option's name.
    Limit(&'static str),
}

/// One frame to be wrapped.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// What differs from receiver to receiver.
    pub prefix: &'a [u8],
    /// What is shared; ends in NUL and LF.
    pub tail: &'a Bytes,
    /// Whether prefix and tail are valid UTF-8.
    pub text: bool,
    /// Who waits for it to be written.
    pub mark: Option<Mark>,
}

/// A transport as the connection task sees it.
pub trait Wire: Unpin + Send {
    /// Its name in logs and metrics.
    const NAME: &'static str;

    /// Reads once and hands STOMP's octets to `sink`; what the wire itself has to answer (a pong) goes into
    /// `out`. Returns the octets read.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Coalesce,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>>;

    /// Appends one STOMP frame.
    fn wrap(&mut self, piece: Piece<'_>, out: &mut Coalesce);

    /// Appends one heart-beat.
    fn heart_beat(&mut self, out: &mut Coalesce);

    /// Whether the client learns of a shutdown by [`Wire::farewell`] rather than by an ERROR frame.
    fn tells_shutdown(&self) -> bool;

    /// Appends the wire's own last words.
    fn farewell(&mut self, closing: Closing, out: &mut Coalesce);

    /// Writes once; `Ready(n)` when `n` octets of `out` were taken.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &Coalesce) -> Poll<io::Result<usize>>;

    /// Closes the writing side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads and throws away; `Ready` at the end of the input or on failure.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
