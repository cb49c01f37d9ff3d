//! How a connection ends: its subscriptions are released at once, the last frame arrives, then the socket
//! closes.
//!
//! ```text
//!  Flush --all written--> HalfClose --FIN sent--> Linger --client's FIN, or time is up--> Done
//!    |                                                                                     ^
//!    +-- socket failed, or time is up ------------------------------------------------------+
//! ```
//!
//! How the connection ended decides what counts: a client that is lost has failed at the oldest delivery of each
//! subscription that it had been sent and had not settled. Everything else goes back to its queue uncounted.
//!
//! Flushing lasts as long as the client takes something now and then, at a shutdown until the drain time is over.
//! Closing a socket with unread input resets it and may destroy the last frame on its way, so input is read
//! and thrown away until the client closes too.

use super::drive::Connection;
use super::wire::{Farewell, Wire};
use crate::broker::Settlement;
use crate::outbox::{Key, Tag};
use crate::session::Closing;
use std::collections::HashSet;
use std::task::{Context, Poll};
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Flush,
    HalfClose,
    Linger,
    Done,
}

/// A flush that makes progress may take so many times as long as one that makes none.
const FLUSH_LINGERS: u32 = 12;

/// A connection that is ending.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) closing: Closing,
    /// Whatever happens, the phase is over by then.
    until: Instant,
    phase: Phase,
}

impl<W: Wire> Connection<W> {
    /// Releases everything and starts to close; only the first call counts.
    pub(super) fn begin_ending(&mut self, closing: Closing, now: Instant) {
        if self.ending.is_some() {
            return;
        }
        self.finish_session(closing, now);
        self.release(now);
        self.wire.farewell(farewell(closing), &mut self.out);
        self.progress_at = now;
        let until = match self.hub.drain_until() {
            Some(drained) => drained,
            None => now + self.hub.options.linger * FLUSH_LINGERS,
        };
        self.ending = Some(Ending { closing, until, phase: Phase::Flush });
    }

    /// When the present phase is over at the latest.
    pub(super) fn ends_at(&self, ending: &Ending) -> Instant {
        match ending.phase {
            Phase::Flush if ending.closing != Closing::Shutdown => {
                ending.until.min(self.progress_at + self.hub.options.linger)
            }
            _ => ending.until,
        }
    }

    /// Returns the reason of a connection that the client has closed or reset.
    pub(super) fn left(&self) -> Closing {
        if self.wire.is_bare() && self.bytes_received == 0 { Closing::NoData } else { Closing::PeerLeft }
    }

    /// The socket is gone: nothing more can be said.
    pub(super) fn end_at_once(&mut self, now: Instant) {
        let closing = self.ending.as_ref().map_or_else(|| self.left(), |ending| ending.closing);
        self.drop_unsent(now);
        self.finish_session(closing, now);
        self.release(now);
        self.ending = Some(Ending { closing, until: now, phase: Phase::Done });
    }

    /// Ends the session if that has not been done yet: the connection ends.
    fn finish_session(&mut self, closing: Closing, now: Instant) {
        let lost = self.session.finish(closing);
        self.count_lost(&lost, now);
    }

    /// The client was working on these deliveries when it was lost, unless they were not written yet. They go back and
    /// count as failed.
    pub(super) fn count_lost(&mut self, deliveries: &[(Key, Tag)], now: Instant) {
        if deliveries.is_empty() {
            return;
        }
        let unwritten: HashSet<(Key, Tag)> = self.out.unwritten().map(|mark| (mark.key, mark.tag)).collect();
        let written = deliveries.iter().copied().filter(|delivery| !unwritten.contains(delivery));
        self.settle(&written.collect::<Vec<_>>(), Settlement::Lost, now);
    }

    /// Drops everything but the frame in flight; what came from work queues goes back, uncounted.
    pub(super) fn drop_unsent(&mut self, now: Instant) {
        let mut unsent: Vec<(Key, Tag)> = Vec::new();
        self.out.cut(|mark| unsent.push((mark.key, mark.tag)));
        unsent.extend(self.outbox.close().iter().map(|parcel| (parcel.key, parcel.tag)));
        self.settle_unwritten(unsent, now);
    }

    /// Ends subscriptions, temporary queues and transactions. Only a subscription whose messages are on
    /// their way to the socket stays until they are written: they are not given to anybody else before.
    fn release(&mut self, now: Instant) {
        let unsent = self.outbox.close().iter().map(|parcel| (parcel.key, parcel.tag)).collect();
        self.settle_unwritten(unsent, now);
        let on_their_way = self.keys_on_their_way();
        self.subscriptions.retain(|key| on_their_way.contains(&key));
        self.held.resize(0);
        self.temps = Vec::new();
        self.opening = None;
        self.subscribed.resize(0);
        self.subscription_bytes = 0;
        self.question = None;
        self.entry = None;
        self.pause = Default::default();
        self.parked.resize(0);
        self.count_transactions(0);
    }

    /// Nothing is on its way any more.
    fn release_written(&mut self) {
        self.subscriptions.clear();
        self.leaving.clear();
    }

    pub(super) fn settle_unwritten(&self, mut deliveries: Vec<(Key, Tag)>, now: Instant) {
        deliveries.retain(|(_, tag)| *tag != 0);
        deliveries.sort_by_key(|(key, _)| *key);
        self.settle(&deliveries, Settlement::Unwritten, now);
    }

    /// Goes on closing; `Ready` when the connection is gone.
    pub(super) fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let Some(ending) = &self.ending else { return Poll::Ready(()) };
            let phase = if now >= self.ends_at(ending) { Phase::Done } else { ending.phase };
            if phase == Phase::Done {
                self.drop_unsent(now);
                self.release_written();
                return Poll::Ready(());
            }
            let done = match phase {
                Phase::Flush => {
                    self.write(cx, now);
                    self.out.pending() == 0
                }
                Phase::HalfClose => {
                    self.release_written();
                    self.wire.poll_shutdown(cx).is_ready()
                }
                _ => self.wire.poll_discard(cx).is_ready(),
            };
            let Some(ending) = &mut self.ending else { return Poll::Ready(()) };
            // A write that failed has ended it all already.
            if done && ending.phase != Phase::Done {
                ending.phase = phase.next();
                ending.until = ending.until.min(now + self.hub.options.linger);
            } else if ending.phase != Phase::Done && self.poll_timer(cx, now).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// The close code and reason for each end (RFC 6455 §7.4.1).
fn farewell(closing: Closing) -> Farewell {
    let (code, reason) = match closing {
        Closing::Disconnected | Closing::PeerLeft | Closing::NoData => (1000, ""),
        Closing::Shutdown => (1001, "shutting down"),
        Closing::Limit("frame-bytes-max" | "connect-frame-bytes-max" | "ws-message-bytes-max") => {
            (1009, "too big")
        }
        Closing::SlowConsumer(_) => (1008, "slow consumer"),
        Closing::HeartbeatLost => (1002, "heart-beat lost"),
        Closing::ConnectTimeout => (1002, "no CONNECT in time"),
        Closing::Unauthenticated => (1002, "not authenticated"),
        Closing::Expired => (1008, "access has ended"),
        Closing::Denied => (1008, "access denied"),
        Closing::Limit(_) => (1002, "limit exceeded"),
        Closing::Rejected | Closing::NotSettled | Closing::WrongProtocol => (1002, "protocol error"),
    };
    Farewell { code, reason }
}

impl Phase {
    fn next(self) -> Phase {
        match self {
            Phase::Flush => Phase::HalfClose,
            Phase::HalfClose => Phase::Linger,
            Phase::Linger | Phase::Done => Phase::Done,
        }
    }
}
