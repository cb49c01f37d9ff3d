//! STOMP over TCP. Frames are sent unchanged. If `trailing-lf` is on, an LF follows each frame. A heartbeat is one LF.

use super::byte_stream::ByteStream;
use super::ending::{CloseInfo, ReadEnd};
use super::outgoing_frame::{OutgoingFrame, Tail};
use super::output_buffer::OutputBuffer;
use super::read_buffer;
use super::transport::Wire;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;

/// Name of the transport in logs and metrics.
pub(crate) const NAME: &str = "tcp";

/// The wire of a TCP connection.
#[derive(Debug)]
pub struct TcpWire<S> {
    socket: S,
    trailing_lf: bool,
}

impl<S> TcpWire<S> {
    /// Creates the wire of a TCP `socket`. With `trailing_lf`, an LF follows the NUL of each frame.
    pub fn new(socket: S, trailing_lf: bool) -> TcpWire<S> {
        TcpWire { socket, trailing_lf }
    }
}

impl<S: ByteStream> Wire for TcpWire<S> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn supports_half_close(&self) -> bool {
        true
    }

    fn is_raw_stream(&self) -> bool {
        true
    }

    fn input_has_ended(&self) -> bool {
        self.socket.input_has_ended()
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        _: &mut OutputBuffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>> {
        let read = read_buffer::poll_read(&mut self.socket, cx, |bytes| {
            sink(bytes);
            bytes.len()
        });
        read.map(|read| match read {
            Ok(0) => Err(ReadEnd::Closed),
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(ReadEnd::Failed),
        })
    }

    fn write_frame(&mut self, frame: OutgoingFrame<'_>, out: &mut OutputBuffer) {
        out.copy(frame.prefix);
        match frame.tail {
            // A shared tail already ends with the LF.
            Tail::Shared(..) if self.trailing_lf => {
                let (tail, _) = frame.tail.plain();
                out.chain(&tail.bytes, tail.guard);
            }
            Tail::Own(tail) if self.trailing_lf => {
                out.chain(tail, None);
                out.copy(b"\n");
            }
            tail => {
                let (tail, length) = tail.plain();
                out.chain_front(&tail.bytes, length, tail.guard);
            }
        }
        out.end_frame(frame.mark);
    }

    fn write_heartbeat(&mut self, out: &mut OutputBuffer) {
        out.copy(b"\n");
        out.end_frame(None);
    }

    fn reports_shutdown_in_close(&self) -> bool {
        false
    }

    fn write_close(&mut self, _: CloseInfo, _: &mut OutputBuffer) {}

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut OutputBuffer) -> Poll<io::Result<usize>> {
        poll_write(&mut self.socket, cx, out)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        read_buffer::poll_discard(&mut self.socket, cx)
    }
}

/// Writes once from `out`. Uses a vectored write if the bytes are in several pieces.
pub(crate) fn poll_write(
    socket: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
    out: &OutputBuffer,
) -> Poll<io::Result<usize>> {
    // A single piece is written with `send`, which costs less than `writev`.
    if let Some(piece) = out.as_single_slice() {
        return Pin::new(socket).poll_write(cx, piece);
    }
    let mut slices = OutputBuffer::empty_slices();
    let used = out.slices(&mut slices);
    Pin::new(socket).poll_write_vectored(cx, &slices[..used])
}
