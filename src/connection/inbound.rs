//! The reading side of a connection. It decodes bytes into frames, executes the actions that follow, and handles the
//! end of the input.

use super::executor::action_error::ActionError;
use super::state::Connection;
use super::state::io::Io;
use crate::limits::input::{Growth, HELD_BYTES_MIN};
use crate::rejection::{Limit, Rejection};
use crate::session::{Closing, ErrorReply, RejectedAction, Session};
use crate::wire::{ReadEnd, Wire};
use crate::work;
use std::task::{Context, Poll};
use std::time::Instant;
use stompbox_frames::stomp::{Command, Frame};

/// Maximum number of bytes to read from a client during its authentication. The connection reads them to detect that
/// the client has left.
const READ_AHEAD_BYTES_MAX: usize = 16 * 1024;

impl<W: Wire> Connection<W> {
    /// Handles buffered frames. Then reads once if reading is not paused. Returns whether there was any progress.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let before = self.io.frames_received;
        let mut progressed = self.handle_frames(cx, now);
        if self.io.output_failed.is_some() && self.io.leaves_answers_unread() && self.ending.is_none() {
            self.end_at_once(now);
            return true;
        }
        if self.io.input_ended.is_none() && (self.may_read(cx, now) || self.reads_ahead()) {
            let Io { wire, out, decoder, bytes_received, first_bytes, .. } = &mut self.io;
            let is_raw_stream = wire.is_raw_stream();
            let mut bytes_read = 0;
            let read = wire.poll_read(cx, out, &mut |bytes| {
                bytes_read += bytes.len() as u64;
                first_bytes.feed(is_raw_stream, bytes, |bytes| decoder.feed(bytes));
            });
            *bytes_received += bytes_read;
            work::add(work::SYSTEM_CALL);
            work::add_bytes(bytes_read as usize);
            self.context.metrics.bytes_received.inc_by(bytes_read);
            if let Some(found) = self.io.first_bytes.not_stomp() {
                self.reject_first_bytes(found, now);
                return true;
            }
            match read {
                Poll::Pending if self.io.last_input_deadline().is_some_and(|until| now >= until) => {
                    self.end_at_once(now);
                    progressed = true;
                }
                Poll::Pending => {}
                Poll::Ready(Ok(message_bytes)) => {
                    self.io.input.receive(message_bytes);
                    self.session.note_input(now);
                    self.handle_frames(cx, now);
                    progressed = true;
                }
                Poll::Ready(Err(end)) => {
                    self.io.input_ended = Some(end);
                    self.notify_input_ended();
                    self.handle_frames(cx, now);
                    progressed = true;
                }
            }
        }
        if (self.may_read(cx, now) || self.has_left_during_login())
            && !self.awaits_last_outcomes()
            && let Some(end) = self.io.input_ended.take()
        {
            self.end_of_input(end, now);
            progressed = true;
        }
        self.context.metrics.frames_received.inc_by(self.io.frames_received - before);
        progressed
    }

    /// Returns whether the connection reads only to detect that the client has left. Authentication may take long. A
    /// client that has left meanwhile must not keep its connection permit.
    fn reads_ahead(&self) -> bool {
        self.login.is_pending() && self.ending.is_none() && self.io.decoder.buffered() < READ_AHEAD_BYTES_MAX
    }

    /// Returns whether the client has left during its authentication. If it has closed the connection, all frames that
    /// it sent before are handled first. A client that has closed only its sending side may still wait for the answer.
    /// [`Connection::notify_input_ended`] limits that wait.
    fn has_left_during_login(&self) -> bool {
        let has_gone = match &self.io.input_ended {
            Some(ReadEnd::Failed) => true,
            Some(ReadEnd::Closed) => self.io.decoder.buffered() == 0 && !self.io.wire.supports_half_close(),
            _ => false,
        };
        has_gone && self.login.is_pending() && self.ending.is_none()
    }

    /// Returns whether the client has closed only its sending side, and waits for the outcome of its last requests.
    fn awaits_last_outcomes(&self) -> bool {
        matches!(self.io.input_ended, Some(ReadEnd::Closed))
            && self.io.wire.supports_half_close()
            && !self.executor.outcomes.is_empty()
    }

    fn handle_frames(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progressed = self.run_deferred_steps(cx, now);
        while self.may_read(cx, now) {
            let mut actions = Vec::new();
            match self.io.decoder.next() {
                Ok(None) => {
                    self.admit_input(cx, now);
                    break;
                }
                Ok(Some(frame)) => {
                    self.io.input.finish();
                    self.io.frames_received += 1;
                    work::add(work::FRAME);
                    match self.check_memory(&frame) {
                        Ok(()) => self.session.handle(frame, now, &mut actions),
                        Err(error) => self.reject(error, &mut actions),
                    }
                }
                Err(_) if self.ending.is_some() => break,
                Err(error) => self.session.malformed(&error, &mut actions),
            }
            progressed = true;
            self.execute(actions, now);
            self.run_deferred_steps(cx, now);
        }
        progressed
    }

    /// Charges the unfinished frame that is buffered. If there is no memory for it, ends the connection. If other input
    /// may be dropped later to make room for it, the connection does not read until then ([`Growth::RetryAt`]).
    fn admit_input(&mut self, cx: &mut Context<'_>, now: Instant) {
        if self.io.input.grow(self.io.input_bytes(), now) == Growth::Rejected {
            return self.end_out_of_memory(now);
        }
        // Register the waker. If the input has just been dropped, the next poll handles that.
        if self.io.input.poll_dropped(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Checks that the byte budget has free memory for a SEND or BEGIN of an authenticated client. Memory for other
    /// frames is checked when they are handled.
    ///
    /// # Errors
    /// Returns an error if there is not enough memory.
    fn check_memory(&mut self, frame: &Frame) -> Result<(), ActionError> {
        let (rejected_action, rejection) = match frame.command {
            Command::Send if self.login.established && self.has_no_memory() => {
                (RejectedAction::Publish, Rejection::no_memory(&self.context.budget))
            }
            Command::Begin if self.login.established => {
                match self.context.broker.check_begin(Session::begin_bytes(frame)) {
                    Ok(()) => return Ok(()),
                    Err(rejection) => (RejectedAction::Other, rejection),
                }
            }
            _ => return Ok(()),
        };
        Err(ActionError {
            rejected_action,
            receipt: frame.header("receipt").map(|receipt| receipt.into()),
            rejection,
        })
    }

    /// Returns whether the byte budget is used up. The frame to be handled has left the decoder, but may still be
    /// charged as input. Updates the charges of this connection first, so that the frame does not count twice.
    fn has_no_memory(&mut self) -> bool {
        if self.context.budget.is_exhausted() {
            self.charge_held_memory();
        }
        self.context.budget.is_exhausted()
    }

    fn end_of_input(&mut self, end: ReadEnd, now: Instant) {
        match end {
            // After a failed write nothing can be sent. The system may then report a reset as an ordinary end of the
            // input.
            ReadEnd::Closed if self.io.output_failed.is_none() => {
                self.begin_ending(self.disconnect_reason(), now)
            }
            ReadEnd::Closed | ReadEnd::Failed => self.end_at_once(now),
            ReadEnd::ProtocolError(reason) => {
                tracing::debug!(address = %self.peer.address, reason, "the client violated the protocol of its transport");
                self.begin_ending(Closing::Rejected, now);
            }
            ReadEnd::Limit(limit) => {
                let detail = format!(
                    "The message exceeds the limit {limit}. Send smaller messages, or raise {limit}."
                );
                let reply = ErrorReply { summary: "message too large", detail: &detail };
                self.end_with(reply, Closing::Limit(limit), now);
            }
        }
    }

    /// Closes a connection whose unfinished input exceeds the memory for input.
    pub(super) fn end_out_of_memory(&mut self, now: Instant) {
        let detail = if !self.login.established {
            "The memory for unauthenticated clients is full (a sixteenth of memory-bytes-max). Send CONNECT without \
             delay, reconnect later, or raise memory-bytes-max."
                .to_owned()
        } else if self.context.budget.is_exhausted() {
            Rejection::no_memory(&self.context.budget).detail
        } else {
            format!(
                "The memory for the input of all clients is full ({} bytes, a quarter of memory-bytes-max). This \
                 client has sent {} bytes of a frame. Send the frame again later, send smaller frames, or raise \
                 memory-bytes-max.",
                self.context.input.budget().bytes_max(),
                self.io.input_bytes()
            )
        };
        self.end_input(Limit::MemoryBytes, &detail, now);
    }

    /// Closes a connection whose unfinished input was dropped to free memory for other clients.
    pub(super) fn end_for_dropped_input(&mut self, now: Instant) {
        let detail = format!(
            "The frame stalled after {} bytes, and other clients needed the memory (a quarter of memory-bytes-max). \
             Send frames without pauses, or raise memory-bytes-max.",
            self.io.input_bytes()
        );
        self.end_input(Limit::MemoryBytes, &detail, now);
    }

    /// Closes a connection whose unfinished input has stalled for too long.
    pub(super) fn end_for_stalled_input(&mut self, now: Instant) {
        let detail = format!(
            "The frame stalled after {} bytes. Fewer than {HELD_BYTES_MIN} bytes arrived in the last {} seconds \
             (stall-timeout). Send frames without pauses, or raise stall-timeout.",
            self.io.input_bytes(),
            self.context.options.stall_timeout.as_secs_f64()
        );
        self.end_input(Limit::StallTimeout, &detail, now);
    }

    /// Logs that the unfinished input is rejected because of `limit`, and closes the connection with an
    /// ERROR.
    fn end_input(&mut self, limit: Limit, detail: &str, now: Instant) {
        let summary = if limit == Limit::StallTimeout { "unfinished frame" } else { "memory limit reached" };
        self.context.input_rejections.log(limit, self.peer.address);
        self.end_with(ErrorReply { summary, detail }, Closing::Limit(limit), now);
    }
}
