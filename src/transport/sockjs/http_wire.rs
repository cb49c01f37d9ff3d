//! The wire of a SockJS session over HTTP.
//!
//! The output of the connection holds the strings of an array frame, each behind a comma; a batch is handed over as
//! one frame, and settled when the socket has taken the whole of it.

use super::link::Link;
use super::segments::Segments;
use super::session::{Close, INTERRUPTED};
use super::slot::Handed;
use crate::transport::coalesce::Coalesce;
use crate::transport::wire::{Farewell, Piece, ReadEnd, Wire};
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
    link: Arc<Link>,
    /// The transport with which the session began.
    name: &'static str,
    /// How the strings in the output are quoted.
    quoting: Quoting,
    aloft: Option<Aloft>,
    farewell: Option<Close>,
}

/// The batch that is on its way.
struct Aloft {
    handed: Handed,
    /// Octets of the output in it, and those that were told to be taken.
    octets: usize,
    told: usize,
}

impl Aloft {
    /// Whether the response ended without having taken all of it.
    fn is_lost(&self) -> bool {
        self.handed.flight.has_landed() && self.handed.flight.taken() < self.handed.total
    }
}

impl HttpWire {
    pub(super) fn new(link: Arc<Link>) -> HttpWire {
        let (name, quoting) = (link.transport(), link.quoting());
        HttpWire { link, name, quoting, aloft: None, farewell: None }
    }

    /// Whether a batch is on its way.
    fn is_aloft(&self) -> bool {
        self.aloft.as_ref().is_some_and(|aloft| !aloft.handed.flight.has_landed())
    }

    /// What of the batch in flight was taken since the last call; `None` if there is none any more.
    fn poll_landing(&mut self) -> Option<Poll<io::Result<usize>>> {
        let aloft = self.aloft.as_mut()?;
        let Handed { flight, head, .. } = &aloft.handed;
        flight.expect();
        // In this order: what lands between the two is seen next time.
        let landed = flight.has_landed();
        let taken = flight.taken();
        if aloft.is_lost() {
            return Some(Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())));
        }
        let seen = if landed { aloft.octets } else { taken.saturating_sub(*head).min(aloft.octets - 1) };
        let news = seen.saturating_sub(aloft.told);
        aloft.told += news;
        if landed {
            self.aloft = None;
            self.link.delay(Instant::now());
        }
        match (news, landed) {
            (0, true) => None,
            (0, false) => Some(Poll::Pending),
            _ => Some(Poll::Ready(Ok(news))),
        }
    }

    /// The output in another quoting, for a receiver of another kind than the last.
    fn requote(&mut self, quoting: Quoting, out: &mut Coalesce) {
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
        if self.link.poll_ready(cx).is_ready() || self.is_aloft() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn deadline(&self) -> Option<Instant> {
        self.link.deadline()
    }

    fn expire(&mut self, now: Instant, _: &mut Coalesce) {
        if self.is_aloft() {
            self.link.delay(now);
        }
        self.link.expire(now);
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        _: &mut Coalesce,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadEnd>> {
        match self.link.poll_take(cx) {
            Poll::Ready(Ok(sent)) => {
                sent.payload.iter().for_each(&mut *sink);
                Poll::Ready(Ok(sent.payload.bytes()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(ReadEnd::Closed)),
            // A client that missed something must not go on as if it had not.
            Poll::Pending if self.aloft.as_ref().is_some_and(Aloft::is_lost) => {
                Poll::Ready(Err(ReadEnd::Failed(io::ErrorKind::BrokenPipe.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn wrap(&mut self, piece: Piece<'_>, out: &mut Coalesce) {
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
        out.chain(&tail.bytes, tail.keeper);
        out.copy(quoting.mark());
        out.end_frame(piece.mark);
    }

    fn heart_beat(&mut self, out: &mut Coalesce) {
        // What waits is as good a sign of life, and without a receiver heart-beats would only queue.
        if out.pending() == 0 {
            self.quoting = self.link.quoting();
            out.copy(&string(self.quoting, b"\n"));
            out.end_frame(None);
        }
    }

    fn tells_shutdown(&self) -> bool {
        true
    }

    fn farewell(&mut self, farewell: Farewell, _: &mut Coalesce) {
        self.farewell = Some(Close { code: farewell.code, reason: farewell.reason });
        self.link.turn_away();
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Coalesce) -> Poll<io::Result<usize>> {
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
            (Segments::new(pieces), head_octets)
        });
        match handed {
            Poll::Ready(Ok(handed)) => {
                let is_quiet = octets <= QUIET_BYTES_MAX && !out.is_marked() && self.farewell.is_none();
                if is_quiet {
                    self.aloft = Some(Aloft { handed, octets, told: octets });
                    return Poll::Ready(Ok(octets));
                }
                handed.flight.expect();
                self.aloft = Some(Aloft { handed, octets, told: 0 });
                // It may have landed before that.
                self.poll_landing().unwrap_or(Poll::Pending)
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.close(self.farewell.unwrap_or(INTERRUPTED), Instant::now());
        Poll::Ready(Ok(()))
    }

    fn poll_discard(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for HttpWire {
    fn drop(&mut self) {
        if let Some(aloft) = self.aloft.as_ref().filter(|_| self.is_aloft()) {
            // Whoever does not take a batch would not take a close frame behind it either.
            aloft.handed.line.cut();
        }
        self.link.close(self.farewell.unwrap_or(INTERRUPTED), Instant::now());
    }
}
