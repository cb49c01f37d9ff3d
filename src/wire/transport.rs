//! The interface of a transport.

use super::ending::{CloseInfo, ReadEnd};
use super::outgoing_frame::OutgoingFrame;
use super::output_buffer::OutputBuffer;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A transport as the connection task uses it, or another [`Application`](crate::http::sockjs::Application).
pub trait Wire: Unpin + Send + 'static {
    /// Returns the name of the transport in logs and metrics.
    fn name(&self) -> &'static str;

    /// Returns whether the wire can carry a frame that is not UTF-8.
    fn carries_binary(&self) -> bool {
        true
    }

    /// Returns whether a client that has closed its sending side may still read.
    fn supports_half_close(&self) -> bool {
        false
    }

    /// Returns whether the client's bytes come directly from its socket, so that it may speak another protocol.
    fn is_raw_stream(&self) -> bool {
        false
    }

    /// Appends the first bytes that the wire sends, such as the open frame of SockJS.
    fn open(&mut self, _out: &mut OutputBuffer) {}

    /// Applies the limits of authenticated clients. `application_heartbeat` is the longest interval between two frames
    /// that the application sends, if it guarantees one.
    fn set_authenticated(&mut self, _application_heartbeat: Option<Duration>) {}

    /// Returns whether the client sends nothing more. Bytes that it sent before may still be unread.
    fn input_has_ended(&self) -> bool;

    /// Returns `Ready` while the wire can be written to. The task is woken when that changes.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Returns the number of bytes of memory that the wire itself holds at the moment.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Returns the time at which [`Wire::expire`] is to be called.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Handles a deadline that has passed: sends a heartbeat of the wire itself, or stops waiting for the client.
    fn expire(&mut self, _now: Instant, _out: &mut OutputBuffer) {}

    /// Reads once and passes the bytes to `sink`; a wire of messages (SockJS) passes one message a call. Appends
    /// answers of the wire itself (a pong) to `out`. Returns the number of bytes of messages read, complete or
    /// not.
    ///
    /// # Errors
    /// The reading side has ended.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut OutputBuffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>>;

    /// Appends one STOMP frame, or one message of another application.
    fn write_frame(&mut self, frame: OutgoingFrame<'_>, out: &mut OutputBuffer);

    /// Appends one heartbeat of STOMP.
    fn write_heartbeat(&mut self, out: &mut OutputBuffer);

    /// Returns whether [`Wire::write_close`] reports a shutdown to the client, so that no ERROR frame is needed even if
    /// `shutdown-error` asks for one.
    fn reports_shutdown_in_close(&self) -> bool;

    /// Appends the closing message of the wire, such as a WebSocket close frame.
    fn write_close(&mut self, close_info: CloseInfo, out: &mut OutputBuffer);

    /// Writes once. Returns `Ready` with the number of bytes of `out` that were written.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut OutputBuffer) -> Poll<io::Result<usize>>;

    /// Closes the writing side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads and discards input. Returns `Ready` at the end of the input or on failure.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
