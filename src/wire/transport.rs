//! The trait [`Wire`]: the interface of a transport.

use super::ending::{CloseInfo, ReadEnd};
use super::outgoing_frame::OutgoingFrame;
use super::output_buffer::OutputBuffer;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The transport of one connection. The connection task or another [`Application`](crate::http::sockjs::Application)
/// uses it.
pub trait Wire: Unpin + Send + 'static {
    /// Returns the name of the transport in logs and metrics.
    fn name(&self) -> &'static str;

    /// Returns whether the wire can carry frames that are not UTF-8.
    fn carries_binary(&self) -> bool {
        true
    }

    /// Returns whether a client that has closed its sending side may still read.
    fn supports_half_close(&self) -> bool {
        false
    }

    /// Returns whether the client's bytes come directly from its socket. Only then can they be in a protocol other than
    /// STOMP.
    fn is_raw_stream(&self) -> bool {
        false
    }

    /// Appends the first bytes that the wire sends, such as the open frame of SockJS.
    fn open(&mut self, _out: &mut OutputBuffer) {}

    /// Applies the limits for authenticated clients. `application_heartbeat` is the maximum interval at which the
    /// application sends a frame or heartbeat. It is `None` if the application guarantees no interval.
    fn set_authenticated(&mut self, _application_heartbeat: Option<Duration>) {}

    /// Returns whether the client will send nothing more. Bytes that it sent earlier may still be unread.
    fn input_has_ended(&self) -> bool;

    /// Returns `Ready` while the wire can take bytes to write. If it returns `Pending`, the task is woken when that
    /// changes.
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

    /// Handles a deadline that has passed. Sends a heartbeat of the transport (not of STOMP), or stops waiting for the
    /// client.
    fn expire(&mut self, _now: Instant, _out: &mut OutputBuffer) {}

    /// Reads once and passes the bytes to `sink`. A wire that carries whole messages (SockJS) calls `sink` once for
    /// each message. Appends answers of the transport, such as a pong, to `out`. Returns the number of bytes of message
    /// content that were read, whether the messages are complete or not.
    ///
    /// # Errors
    /// The wire has no more input.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut OutputBuffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>>;

    /// Appends one STOMP frame, or one message of an application other than STOMP.
    fn write_frame(&mut self, frame: OutgoingFrame<'_>, out: &mut OutputBuffer);

    /// Appends one STOMP heartbeat.
    fn write_heartbeat(&mut self, out: &mut OutputBuffer);

    /// Returns whether [`Wire::write_close`] tells the client that the broker is shutting down. If so, the client gets
    /// no ERROR frame for a shutdown, even if `shutdown-error` is set.
    fn reports_shutdown_in_close(&self) -> bool;

    /// Appends the closing message of the transport, such as a WebSocket close frame.
    fn write_close(&mut self, close_info: CloseInfo, out: &mut OutputBuffer);

    /// Writes once. Returns `Ready` with the number of bytes of `out` that were written.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut OutputBuffer) -> Poll<io::Result<usize>>;

    /// Closes the writing side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads and discards input. Returns `Ready` at the end of the input or on failure.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
