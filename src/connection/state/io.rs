//! The input and output of a connection: the wire, what it has read and not handled, what it has to write, and the
//! counters of both. It knows no session and no broker.

use crate::budget::Charge;
use crate::limits::input::Input;
use crate::outbound_queue::{Key, Tag};
use crate::wire::first_bytes::FirstBytes;
use crate::wire::output_buffer::{AwaitedWrite, OutputBuffer};
use crate::wire::{OutgoingFrame, ReadEnd, Tail, Wire};
use crate::work;
use bytes::Bytes;
use std::collections::HashSet;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use stompbox_frames::stomp::Decoder;

/// Maximum size in bytes of the answers (RECEIPT and ERROR, not MESSAGE) that the client has not read. From this size
/// on, the connection does not read from the client.
const UNREAD_BYTES_MAX: usize = 256 * 1024;
/// Time for which the connection waits for the end of the input after the output failed.
const LAST_INPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// The input and output of a connection.
///
/// `repr(C)` keeps the fields in this order. The fields that every poll of a receiver uses come first.
#[repr(C)]
pub(crate) struct Io<W> {
    /// Time at which the stall clock last restarted. It restarts when the socket accepts bytes, when nothing waits to
    /// be written, or when the wire is not writable.
    pub(crate) progress_at: Instant,
    pub(crate) frames_sent: u64,
    pub(crate) frames_received: u64,
    /// Number of bytes of answers (RECEIPT, ERROR) appended since the output was last empty.
    pub(crate) answers_bytes: usize,
    /// Time at which writing failed. Input that the client sent before is still handled. Then the connection ends.
    pub(crate) output_failed: Option<Instant>,
    /// The reason why the input ended. Input that arrived before is handled first.
    pub(crate) input_ended: Option<ReadEnd>,
    /// The charge for the output and for the lists that the session holds.
    pub(crate) held_charge: Charge,
    /// The charge for input that is not handled yet: the unfinished frame, and complete frames that wait.
    pub(crate) input: Input,
    pub(crate) out: OutputBuffer,
    pub(crate) decoder: Decoder,
    pub(crate) wire: W,
    /// Checks whether the input is STOMP until this is decided.
    pub(crate) first_bytes: FirstBytes,
    pub(crate) bytes_received: u64,
    /// Number of broadcasts that the wire could not carry.
    pub(crate) messages_skipped: u64,
}

/// What a write has done.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) bytes: usize,
    pub(crate) frames: u64,
    /// Deliveries of work queues that are settled because they are written.
    pub(crate) settled: Vec<(Key, Tag)>,
    /// Whether the socket has failed.
    pub(crate) has_failed: bool,
}

impl<W: Wire> Io<W> {
    /// Creates the input and output of a connection that has not begun. `held_charge` and `input` are empty charges.
    pub(crate) fn new(
        wire: W,
        decoder: Decoder,
        (held_charge, input): (Charge, Input),
        now: Instant,
    ) -> Io<W> {
        let mut io = Io {
            progress_at: now,
            frames_sent: 0,
            frames_received: 0,
            answers_bytes: 0,
            output_failed: None,
            input_ended: None,
            held_charge,
            input,
            out: OutputBuffer::default(),
            decoder,
            wire,
            first_bytes: FirstBytes::default(),
            bytes_received: 0,
            messages_skipped: 0,
        };
        io.wire.open(&mut io.out);
        io
    }

    /// Appends an answer of the session: a whole frame, which ends with NUL LF.
    pub(crate) fn write_answer(&mut self, frame: &Bytes) {
        self.answers_bytes += frame.len();
        let text = std::str::from_utf8(frame).is_ok();
        let content = frame.slice(..frame.len() - 1);
        let outgoing = OutgoingFrame { prefix: &[], tail: Tail::Own(&content), text, mark: None };
        self.wire.write_frame(outgoing, &mut self.out);
    }

    pub(crate) fn write_heartbeat(&mut self) {
        self.wire.write_heartbeat(&mut self.out);
    }

    /// Writes until the socket accepts no more bytes, fails, or everything is written.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Written {
        let mut written = Written::default();
        while self.out.pending() > 0 {
            work::add(work::SYSTEM_CALL);
            match self.wire.poll_write(cx, &mut self.out) {
                Poll::Pending => break,
                Poll::Ready(Ok(bytes)) if bytes > 0 => {
                    self.out.advance(bytes, |mark| {
                        if mark.settles {
                            written.settled.push((mark.key, mark.tag));
                        }
                    });
                    written.bytes += bytes;
                }
                Poll::Ready(_) => {
                    written.has_failed = true;
                    break;
                }
            }
        }
        if written.bytes > 0 {
            work::add_bytes(written.bytes);
            if self.out.pending() == 0 {
                self.answers_bytes = 0;
            }
            self.progress_at = now;
            written.frames = self.out.take_frames_written();
            self.frames_sent += written.frames;
        }
        written
    }

    /// Returns the number of bytes that have been read and not handled.
    pub(crate) fn input_bytes(&self) -> usize {
        self.decoder.buffered() + self.wire.held_bytes()
    }

    /// Returns whether the client has left so many answers unread that the connection does not read from it.
    pub(crate) fn leaves_answers_unread(&self) -> bool {
        self.answers_bytes >= UNREAD_BYTES_MAX
    }

    /// Returns whether the client sends nothing more. The remaining input is then finite, and throttling it would only
    /// delay the end of the connection.
    pub(crate) fn input_has_ended(&self) -> bool {
        self.input_ended.is_some() || self.output_failed.is_some() || self.wire.input_has_ended()
    }

    /// Returns the time at which the client counts as stalled if it reads nothing of the pending output until then.
    pub(crate) fn stalls_at(&self, stall_timeout: Duration) -> Option<Instant> {
        (self.out.pending() > 0).then(|| self.progress_at + stall_timeout)
    }

    /// Returns the time until which the connection reads after its output failed. A broken connection ends both output
    /// and input. The runtime may report the failed write before the input that has already arrived.
    pub(crate) fn last_input_deadline(&self) -> Option<Instant> {
        self.output_failed.map(|at| at + LAST_INPUT_TIMEOUT)
    }

    /// Returns the deliveries of work queues in the output that are not written.
    pub(crate) fn unwritten(&self) -> impl Iterator<Item = AwaitedWrite> + '_ {
        self.out.unwritten()
    }

    /// Returns the subscriptions with deliveries of work queues in the output.
    pub(crate) fn keys_in_output(&self) -> HashSet<Key> {
        work::add_visits(self.out.frames_unwritten());
        self.unwritten().map(|mark| mark.key).collect()
    }

    /// Drops the output except the frame in flight. Returns the dropped deliveries of work queues.
    pub(crate) fn cut_output(&mut self) -> Vec<(Key, Tag)> {
        let mut unsent = Vec::new();
        self.out.cut(|mark| unsent.push((mark.key, mark.tag)));
        unsent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::limits::input::InputShare;
    use crate::wire::tcp::TcpWire;
    use std::task::Waker;
    use stompbox_frames::stomp::Limits;
    use tokio::io::DuplexStream;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns the input and output of a connection whose client takes `bytes` bytes without reading, and the client.
    fn io(bytes: usize) -> (Io<TcpWire<DuplexStream>>, DuplexStream, Instant) {
        let (budget, now) = (Budget::new(1 << 20), Instant::now());
        let limits =
            Limits { frame_bytes_max: 100, header_count_max: 9, header_bytes_max: 99, to_bytes_max: 0 };
        let (socket, client) = tokio::io::duplex(bytes);
        let charges = (budget.charge(0), InputShare::new(budget.clone(), SECOND).input(0));
        (Io::new(TcpWire::new(socket, false), Decoder::new(limits), charges, now), client, now)
    }

    fn write(io: &mut Io<TcpWire<DuplexStream>>, now: Instant) -> Written {
        io.poll_write(&mut Context::from_waker(Waker::noop()), now)
    }

    fn answer(bytes: usize) -> Bytes {
        let mut frame = vec![b'x'; bytes - 2];
        frame.extend_from_slice(b"\0\n");
        frame.into()
    }

    #[test]
    fn client_stalls_only_while_output_waits_and_the_clock_restarts_with_each_write() {
        let (mut io, _client, start) = io(10);
        assert_eq!(io.stalls_at(SECOND), None);
        io.write_answer(&answer(16));
        assert_eq!(io.stalls_at(SECOND), Some(start + SECOND));
        let written = write(&mut io, start + SECOND / 2);
        assert_eq!((written.bytes, written.frames, written.has_failed), (10, 0, false));
        assert_eq!(io.stalls_at(SECOND), Some(start + SECOND / 2 + SECOND));
        assert_eq!(write(&mut io, start + SECOND).bytes, 0, "the client reads nothing");
        assert_eq!(io.stalls_at(SECOND), Some(start + SECOND / 2 + SECOND));
    }

    #[test]
    fn unread_answers_count_until_all_output_is_written() {
        let (mut io, _client, now) = io(UNREAD_BYTES_MAX + 10);
        io.write_answer(&answer(UNREAD_BYTES_MAX));
        assert!(io.leaves_answers_unread());
        let written = write(&mut io, now);
        assert_eq!(
            (written.bytes, written.frames),
            (UNREAD_BYTES_MAX - 1, 1),
            "the LF is sent with trailing-lf only"
        );
        assert!(!io.leaves_answers_unread());
    }

    #[test]
    fn failed_write_is_reported_and_limits_the_time_for_the_last_input() {
        let (mut io, client, now) = io(10);
        drop(client);
        io.write_answer(&answer(4));
        let written = write(&mut io, now);
        assert!(written.has_failed && written.bytes == 0);
        assert_eq!(io.last_input_deadline(), None);
        io.output_failed = Some(now);
        assert_eq!(io.last_input_deadline(), Some(now + LAST_INPUT_TIMEOUT));
        assert!(io.input_has_ended());
    }
}
