//! The wire of a SockJS session over HTTP.
//!
//! The output of the connection holds the strings of an array frame, each behind a comma; a batch is handed over as
//! one frame, and settled when the socket has taken the whole of it.

use super::receiver_slot::HandedBatch;
use super::response_chunk::ResponseChunk;
use super::session::{CloseFrame, INTERRUPTED};
use super::shared_session::SharedSession;
use crate::transport::output_buffer::OutputBuffer;
use crate::transport::wire::{CloseInfo, OutgoingFrame, ReadEnd, Wire};
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use stompbox_frames::sockjs::{Quoting, quote, unquote};

/// A batch up to this for which nobody waits counts as written when the response has it, which saves the task a turn
/// for each; should it be lost, the session is over.
const QUIET_BYTES_MAX: usize = 4096;

/// A session whose client changes to a transport with another quoting while more than this waits for it is over: what
/// is quoted anew is a copy of its own. sockjs-client never changes.
const REQUOTED_BYTES_MAX: usize = 64 * 1024;

/// See the module.
pub(super) struct HttpWire {
    link: Arc<SharedSession>,
    /// The transport with which the session began.
    name: &'static str,
    /// How the strings in the output are quoted.
    quoting: Quoting,
    in_flight: Option<InFlightBatch>,
    close_info: Option<CloseFrame>,
}

/// The batch that is on its way.
struct InFlightBatch {
    handed: HandedBatch,
    /// Bytes of the output in it, and those that were told to be taken.
    octets: usize,
    told: usize,
}

impl InFlightBatch {
    /// Whether the response ended without having taken all of it.
    fn is_lost(&self) -> bool {
        self.handed.progress.is_complete() && self.handed.progress.taken() < self.handed.total
    }
}

impl HttpWire {
    pub(super) fn new(link: Arc<SharedSession>) -> HttpWire {
        let (name, quoting) = (link.transport(), link.quoting());
        HttpWire { link, name, quoting, in_flight: None, close_info: None }
    }

    /// Whether a batch is on its way.
    fn is_in_flight(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| !in_flight.handed.progress.is_complete())
    }

    /// What of the batch in flight was taken since the last call; `None` if there is none any more.
    fn poll_landing(&mut self) -> Option<Poll<io::Result<usize>>> {
        let in_flight = self.in_flight.as_mut()?;
        let HandedBatch { progress, head, .. } = &in_flight.handed;
        progress.expect();
        // In this order: what lands between the two is seen next time.
        let completed = progress.is_complete();
        let taken = progress.taken();
        if in_flight.is_lost() {
            return Some(Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())));
        }
        let seen =
            if completed { in_flight.octets } else { taken.saturating_sub(*head).min(in_flight.octets - 1) };
        let news = seen.saturating_sub(in_flight.told);
        in_flight.told += news;
        if completed {
            self.in_flight = None;
            self.link.delay(Instant::now());
        }
        match (news, completed) {
            (0, true) => None,
            (0, false) => Some(Poll::Pending),
            _ => Some(Poll::Ready(Ok(news))),
        }
    }

    /// The output in another quoting, for a receiver of another kind than the last.
    fn requote(&mut self, quoting: Quoting, out: &mut OutputBuffer) {
        let (from, mark) = (self.quoting, self.quoting.mark().len());
        out.rewrite(|element| {
            let quoted = &element[1 + mark..element.len() - mark];
            let text = unquote(from, quoted).expect("it was quoted here");
            string(quoting, text.as_bytes())
        });
        self.quoting = quoting;
    }
}

/// A string of an array, behind a comma.
fn string(quoting: Quoting, text: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.extend_from_slice(b",");
    out.extend_from_slice(quoting.mark());
    quote(quoting, text, &mut out);
    out.extend_from_slice(quoting.mark());
    out.freeze()
}

impl Wire for HttpWire {
    fn name(&self) -> &'static str {
        self.name
    }

    fn carries_binary(&self) -> bool {
        false
    }

    fn trust(&mut self, beats: Option<Duration>) {
        self.link.trust(beats);
    }

    fn input_has_ended(&self) -> bool {
        self.link.is_over()
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What is on its way is being written, whether or not its response is still the receiver.
        if self.link.poll_ready(cx).is_ready() || self.is_in_flight() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.link.deadline()
    }

    fn expire(&mut self, now: Instant, _: &mut OutputBuffer) {
        if self.is_in_flight() {
            self.link.delay(now);
        }
        self.link.expire(now);
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        _: &mut OutputBuffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>> {
        match self.link.poll_take(cx) {
            Poll::Ready(Ok(sent)) => {
                sent.payload.iter().for_each(&mut *sink);
                Poll::Ready(Ok(sent.payload.bytes()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(ReadEnd::Closed)),
            // A client that missed something must not go on as if it had not.
            Poll::Pending if self.in_flight.as_ref().is_some_and(InFlightBatch::is_lost) => {
                Poll::Ready(Err(ReadEnd::Failed(io::ErrorKind::BrokenPipe.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn wrap(&mut self, piece: OutgoingFrame<'_>, out: &mut OutputBuffer) {
        if out.pending() == 0 {
            self.quoting = self.link.quoting();
        }
        let quoting = self.quoting;
        out.encode(|out| {
            out.extend_from_slice(b",");
            out.extend_from_slice(quoting.mark());
            quote(quoting, piece.prefix, out);
        });
        let tail = piece.tail.quoted(quoting);
        out.chain(&tail.bytes, tail.guard);
        out.copy(quoting.mark());
        out.end_frame(piece.mark);
    }

    fn heart_beat(&mut self, out: &mut OutputBuffer) {
        // What waits is as good a sign of life, and without a receiver heart-beats would only queue.
        if out.pending() == 0 {
            self.quoting = self.link.quoting();
            out.copy(&string(self.quoting, b"\n"));
            out.end_frame(None);
        }
    }

    fn reports_shutdown_in_close(&self) -> bool {
        true
    }

    fn write_close(&mut self, close_info: CloseInfo, _: &mut OutputBuffer) {
        self.close_info = Some(CloseFrame { code: close_info.code, reason: close_info.reason });
        self.link.discard_input();
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut OutputBuffer) -> Poll<io::Result<usize>> {
        // Registers the task, too.
        let _ = self.link.poll_ready(cx);
        if let Some(landing) = self.poll_landing() {
            return landing;
        }
        let quoting = self.link.quoting();
        if quoting != self.quoting {
            if out.pending() > REQUOTED_BYTES_MAX {
                return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
            }
            self.requote(quoting, out);
        }
        let mut octets = 0;
        let handed = self.link.poll_hand_over(cx, quoting, |way| {
            octets = out.pending();
            let (head, end) = way.array.clone();
            let head_octets = head.len();
            let mut pieces = Vec::with_capacity(4);
            pieces.push(head);
            pieces.extend(out.seal());
            // The first string needs no comma.
            pieces[1].advance(1);
            pieces.push(end);
            (ResponseChunk::new(pieces), head_octets)
        });
        match handed {
            Poll::Ready(Ok(handed)) => {
                let is_quiet = octets <= QUIET_BYTES_MAX && !out.is_marked() && self.close_info.is_none();
                if is_quiet {
                    self.in_flight = Some(InFlightBatch { handed, octets, told: octets });
                    return Poll::Ready(Ok(octets));
                }
                handed.progress.expect();
                self.in_flight = Some(InFlightBatch { handed, octets, told: 0 });
                // It may have landed before that.
                self.poll_landing().unwrap_or(Poll::Pending)
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.close(self.close_info.unwrap_or(INTERRUPTED), Instant::now());
        Poll::Ready(Ok(()))
    }

    fn poll_discard(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for HttpWire {
    fn drop(&mut self) {
        if let Some(in_flight) = self.in_flight.as_ref().filter(|_| self.is_in_flight()) {
            // Whoever does not take a batch would not take a close frame behind it either.
            in_flight.handed.line.cut();
        }
        self.link.close(self.close_info.unwrap_or(INTERRUPTED), Instant::now());
    }
}
