//! The wire between the connection task and a SockJS session over HTTP. It reads the messages of sending requests, and
//! writes batches to the attached receiver.
//!
//! The output buffer of the connection holds the strings of an array frame, each preceded by a comma. A batch of these
//! strings is handed over to the receiver as one frame. It counts as written when the socket has taken all of it.

use super::lifecycle::{CloseFrame, INTERRUPTED};
use super::receiver_slot::HandedBatch;
use super::registry::Registered;
use super::response_chunk::ResponseChunk;
use super::shared_session::SharedSession;
use crate::wire::output_buffer::OutputBuffer;
use crate::wire::{CloseInfo, OutgoingFrame, ReadEnd, Wire};
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use stompbox_frames::sockjs::{Quoting, quote, unquote};

/// Maximum size in bytes of a batch that counts as written as soon as the response has it. No frame in such a batch may
/// have an awaited write. This saves a wake of the connection task for each batch. If such a batch is lost, the session
/// ends.
const UNWATCHED_BYTES_MAX: usize = 4096;

/// Maximum number of pending output bytes that are quoted again when the client changes to a transport with another
/// quoting. If more bytes are pending, the session ends. The result would be a large copy that no other receiver
/// shares. The client library sockjs-client never changes the transport of a session.
const REQUOTED_BYTES_MAX: usize = 64 * 1024;

/// The wire of a SockJS session over HTTP. It belongs to the connection task.
pub(crate) struct HttpWire {
    session: Arc<SharedSession>,
    /// Name of the transport with which the session began.
    name: &'static str,
    /// Quoting of the strings in the output buffer.
    quoting: Quoting,
    in_flight: Option<InFlightBatch>,
    close_info: Option<CloseFrame>,
}

/// The batch that was handed over to the receiver and may not be written completely.
struct InFlightBatch {
    handed: HandedBatch,
    /// Number of bytes of the output in the batch. `reported_bytes` of them have been reported as written.
    output_bytes: usize,
    reported_bytes: usize,
}

impl InFlightBatch {
    /// Returns whether the response ended before it had taken the whole batch.
    fn is_lost(&self) -> bool {
        self.handed.progress.is_complete() && self.handed.progress.taken() < self.handed.total_bytes
    }
}

impl HttpWire {
    pub(crate) fn new(session: Arc<SharedSession>) -> HttpWire {
        let (name, quoting) = (session.transport(), session.quoting());
        HttpWire { session, name, quoting, in_flight: None, close_info: None }
    }

    /// Returns whether a batch is in flight, that is, handed over and not complete.
    fn is_in_flight(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| !in_flight.handed.progress.is_complete())
    }

    /// Returns the number of output bytes in the batch that the socket has taken since the last call. Returns `None` if
    /// there is no batch, or if it is complete and fully reported. Fails if the batch is lost.
    fn poll_progress(&mut self) -> Option<Poll<io::Result<usize>>> {
        let in_flight = self.in_flight.as_mut()?;
        let HandedBatch { progress, head_bytes, .. } = &in_flight.handed;
        progress.enable_wakeups();
        // Read `is_complete` before `taken`. If the batch completes between the two, the next call notices it.
        let completed = progress.is_complete();
        let taken = progress.taken();
        if in_flight.is_lost() {
            return Some(Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())));
        }
        let written_bytes = if completed {
            in_flight.output_bytes
        } else {
            taken.saturating_sub(*head_bytes).min(in_flight.output_bytes - 1)
        };
        let new_bytes = written_bytes.saturating_sub(in_flight.reported_bytes);
        in_flight.reported_bytes += new_bytes;
        if completed {
            self.in_flight = None;
            self.session.restart_disconnect_delay(Instant::now());
        }
        match (new_bytes, completed) {
            (0, true) => None,
            (0, false) => Some(Poll::Pending),
            _ => Some(Poll::Ready(Ok(new_bytes))),
        }
    }

    /// Quotes the output again, because the new receiver uses another quoting than the last one.
    fn requote(&mut self, quoting: Quoting, out: &mut OutputBuffer) {
        let (from, mark) = (self.quoting, self.quoting.quotation_mark().len());
        out.rewrite(|element| {
            let quoted = &element[1 + mark..element.len() - mark];
            let text = unquote(from, quoted).expect("this wire has quoted the text");
            quoted_string(quoting, text.as_bytes())
        });
        self.quoting = quoting;
    }
}

/// Returns a string of an array frame, preceded by a comma.
fn quoted_string(quoting: Quoting, text: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.extend_from_slice(b",");
    out.extend_from_slice(quoting.quotation_mark());
    quote(quoting, text, &mut out);
    out.extend_from_slice(quoting.quotation_mark());
    out.freeze()
}

impl Wire for HttpWire {
    fn name(&self) -> &'static str {
        self.name
    }

    fn carries_binary(&self) -> bool {
        false
    }

    fn set_authenticated(&mut self, heartbeat_interval: Option<Duration>) {
        self.session.set_authenticated(heartbeat_interval);
    }

    fn input_has_ended(&self) -> bool {
        self.session.is_over()
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A batch in flight is still being written, even after its response has ceased to be the receiver.
        if self.session.poll_ready(cx).is_ready() || self.is_in_flight() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    fn expire(&mut self, now: Instant, _: &mut OutputBuffer) {
        if self.is_in_flight() {
            self.session.restart_disconnect_delay(now);
        }
        self.session.expire(now);
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        _: &mut OutputBuffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>> {
        match self.session.poll_input(cx) {
            Poll::Ready(Ok(sent)) => {
                sent.payload.iter().for_each(&mut *sink);
                Poll::Ready(Ok(sent.payload.bytes()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(ReadEnd::Closed)),
            // If messages are lost, the client must not continue the session as if it had received them.
            Poll::Pending if self.in_flight.as_ref().is_some_and(InFlightBatch::is_lost) => {
                Poll::Ready(Err(ReadEnd::Failed))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn write_frame(&mut self, piece: OutgoingFrame<'_>, out: &mut OutputBuffer) {
        if out.pending() == 0 {
            self.quoting = self.session.quoting();
        }
        let quoting = self.quoting;
        out.encode(|out| {
            out.extend_from_slice(b",");
            out.extend_from_slice(quoting.quotation_mark());
            quote(quoting, piece.prefix, out);
        });
        let tail = piece.tail.quoted(quoting);
        out.chain(&tail.bytes, tail.guard);
        out.copy(quoting.quotation_mark());
        out.end_frame(piece.mark);
    }

    fn write_heartbeat(&mut self, out: &mut OutputBuffer) {
        // Pending output serves as a heartbeat. This also keeps heartbeats from piling up while there is no receiver.
        if out.pending() == 0 {
            self.quoting = self.session.quoting();
            out.copy(&quoted_string(self.quoting, b"\n"));
            out.end_frame(None);
        }
    }

    fn reports_shutdown_in_close(&self) -> bool {
        true
    }

    fn write_close(&mut self, close_info: CloseInfo, _: &mut OutputBuffer) {
        self.close_info = Some(CloseFrame { code: close_info.code, reason: close_info.reason });
        self.session.discard_input();
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut OutputBuffer) -> Poll<io::Result<usize>> {
        // This call only registers the waker of the task.
        let _ = self.session.poll_ready(cx);
        if let Some(progress) = self.poll_progress() {
            return progress;
        }
        let quoting = self.session.quoting();
        if quoting != self.quoting {
            if out.pending() > REQUOTED_BYTES_MAX {
                return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
            }
            self.requote(quoting, out);
        }
        let mut output_bytes = 0;
        let handed = self.session.poll_hand_over(cx, quoting, |format| {
            output_bytes = out.pending();
            let (head, end) = format.array.clone();
            let head_bytes = head.len();
            let mut pieces = Vec::with_capacity(4);
            pieces.push(head);
            pieces.extend(out.seal());
            // Removes the comma before the first string.
            pieces[1].advance(1);
            pieces.push(end);
            (ResponseChunk::new(pieces), head_bytes)
        });
        match handed {
            Poll::Ready(Ok(handed)) => {
                let is_unwatched =
                    output_bytes <= UNWATCHED_BYTES_MAX && !out.is_marked() && self.close_info.is_none();
                if is_unwatched {
                    self.in_flight =
                        Some(InFlightBatch { handed, output_bytes, reported_bytes: output_bytes });
                    return Poll::Ready(Ok(output_bytes));
                }
                handed.progress.enable_wakeups();
                self.in_flight = Some(InFlightBatch { handed, output_bytes, reported_bytes: 0 });
                // The batch may have completed before `enable_wakeups`, which does not report earlier events.
                self.poll_progress().unwrap_or(Poll::Pending)
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.close(self.close_info.unwrap_or(INTERRUPTED), Instant::now());
        Poll::Ready(Ok(()))
    }

    fn poll_discard(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for HttpWire {
    fn drop(&mut self) {
        if let Some(in_flight) = self.in_flight.as_ref().filter(|_| self.is_in_flight()) {
            // A client that does not take the batch would not take a close frame after it, either.
            in_flight.handed.http_connection.abort();
        }
        self.session.close(self.close_info.unwrap_or(INTERRUPTED), Instant::now());
    }
}
