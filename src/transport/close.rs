//! How a connection ends: its subscriptions are released, the last frame arrives, then the socket closes.
//!
//! ```text
//!  Flush --all written--> HalfClose --FIN sent--> Linger --client's FIN, or time is up--> Done
//!    |                                                                                     ^
//!    +-- socket failed, or time is up ------------------------------------------------------+
//! ```
//!
//! Releasing begins with the outbound queue: once that is closed, the broker gives this connection nothing more. The
//! rest of a COMMIT is applied next. The subscriptions and temporary queues follow one by one, in as many polls as they
//! need. A task that is dropped meanwhile releases the rest at once.
//!
//! How the connection ended decides what counts: a client that is lost has failed at the oldest delivery of each
//! subscription that it had been sent and had not settled. Everything else goes back to its queue uncounted.
//!
//! Flushing lasts as long as the client takes something now and then, at a shutdown until the drain time is over.
//! Closing a socket with unread input resets it and may destroy the last frame on its way, so input is read
//! and thrown away until the client closes too.

use super::connection::Connection;
use super::wire::{CloseInfo, Wire};
use crate::broker::Settlement;
use crate::outbound_queue::{Key, Tag};
use crate::session::Closing;
use crate::work;
use std::collections::HashSet;
use std::task::{Context, Poll};
use std::time::Instant;
use stompbox_frames::stomp::Decoder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Flush,
    HalfClose,
    Linger,
    Done,
}

/// A flush that makes progress may take so many times as long as one that makes none.
const FLUSH_LINGERS: u32 = 12;
/// Deliveries that are returned, or messages of a temporary queue that are dropped, between two looks at the share of the
/// poll.
const RELEASE_STEP: usize = 256;

/// A connection that is ending.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) closing: Closing,
    /// Whatever happens, the phase is over by then.
    until: Instant,
    phase: Phase,
    /// Deliveries of work queues that lay in the outbound queue, by subscription. They are returned before the
    /// subscriptions are dropped.
    unsent: std::vec::IntoIter<(Key, Tag)>,
}

impl<W: Wire> Connection<W> {
    /// Releases everything and starts to close; only the first call counts.
    pub(super) fn begin_ending(&mut self, closing: Closing, now: Instant) {
        if self.ending.is_some() {
            return;
        }
        self.finish_session(closing, now);
        // A subscription with messages on their way to the socket stays until they are written: the broker must not
        // give them to another client before.
        let on_their_way = self.keys_in_output();
        self.subscriptions.move_to(&mut self.ending_subscriptions, |key| on_their_way.contains(&key));
        let unsent = self.begin_release();
        self.wire.write_close(close_info_of(closing), &mut self.out);
        self.progress_at = now;
        let until = match self.context.drain_until() {
            Some(drained) => drained,
            None => now + self.context.options.linger * FLUSH_LINGERS,
        };
        self.ending = Some(Box::new(Ending { closing, until, phase: Phase::Flush, unsent }));
    }

    /// When the present phase is over at the latest.
    pub(super) fn ends_at(&self, ending: &Ending) -> Instant {
        match ending.phase {
            Phase::Flush if ending.closing != Closing::Shutdown => {
                ending.until.min(self.progress_at + self.context.options.linger)
            }
            _ => ending.until,
        }
    }

    /// Returns the reason of a connection that the client has closed or reset.
    pub(super) fn left(&self) -> Closing {
        if self.wire.is_raw_stream() && self.bytes_received == 0 {
            Closing::NoData
        } else {
            Closing::PeerLeft
        }
    }

    /// The socket is gone: nothing more can be said.
    pub(super) fn end_at_once(&mut self, now: Instant) {
        self.cut_output(now);
        if let Some(ending) = &mut self.ending {
            (ending.until, ending.phase) = (now, Phase::Done);
            return;
        }
        let closing = self.left();
        self.finish_session(closing, now);
        let unsent = self.begin_release();
        self.ending = Some(Box::new(Ending { closing, until: now, phase: Phase::Done, unsent }));
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

    /// Drops the output but the frame in flight, because the connection ends. What came from work queues goes back with
    /// its subscription, as unsent.
    pub(super) fn cut_output(&mut self, now: Instant) {
        let mut unsent: Vec<(Key, Tag)> = Vec::new();
        self.out.cut(|mark| unsent.push((mark.key, mark.tag)));
        self.return_unsent(unsent, now);
    }

    /// Closes the outbound queue and ends what takes little work. Returns the deliveries of work queues that lay there.
    fn begin_release(&mut self) -> std::vec::IntoIter<(Key, Tag)> {
        let deliveries = self.outbound_queue.close();
        work::add(deliveries.len());
        let mut unsent: Vec<(Key, Tag)> = deliveries
            .iter()
            .filter(|delivery| delivery.tag != 0)
            .map(|delivery| (delivery.key, delivery.tag))
            .collect();
        drop(deliveries);
        unsent.sort_by_key(|(key, _)| *key);
        self.held.resize(0);
        // The connection reads no more, so its input buffers are freed.
        self.decoder = Decoder::new(self.context.options.connect_limits);
        let input_bytes = self.input_bytes();
        self.input.charge_mut().resize(input_bytes);
        self.input.finish();
        self.opening = None;
        self.pending_authentication = None;
        self.entry = None;
        self.pause = Default::default();
        self.parked.resize(self.session.parked_bytes());
        self.count_transactions(0);
        unsent.into_iter()
    }

    /// Returns unsent deliveries, then finishes a COMMIT, then drops subscriptions, then temporary queues, until the
    /// share of this poll is used up. Returns whether all is released but the subscriptions whose messages are on their
    /// way.
    fn release(&mut self, now: Instant) -> bool {
        while !self.is_released() {
            if self.poll_budget.is_used_up() {
                return false;
            }
            let step = self.ending.iter_mut().flat_map(|ending| ending.unsent.by_ref().take(RELEASE_STEP));
            let unsent: Vec<(Key, Tag)> = step.collect();
            if !unsent.is_empty() {
                self.return_unsent(unsent, now);
            } else if self.has_deferred_work() {
                self.run_portion_while_ending(now);
            } else if let Some(subscription) = self.subscriptions.pop_first() {
                drop(subscription);
            } else if self.temps.last().is_none_or(|temp| temp.close_partly(RELEASE_STEP)) {
                self.temps.pop();
            }
            // The client is not to blame for this time.
            self.progress_at = now;
        }
        self.temps = Vec::new();
        self.subscribed.resize(0);
        self.subscription_bytes = 0;
        true
    }

    fn is_released(&self) -> bool {
        let is_returned = self.ending.as_ref().is_none_or(|ending| ending.unsent.as_slice().is_empty());
        is_returned && !self.has_deferred_work() && self.subscriptions.is_empty() && self.temps.is_empty()
    }

    /// Returns deliveries that were not sent, because the connection ends: with their subscriptions, which are dropped
    /// next. Those of a subscription that waits for messages on their way go back at once.
    pub(super) fn return_unsent(&self, mut deliveries: Vec<(Key, Tag)>, now: Instant) {
        deliveries.retain(|(_, tag)| *tag != 0);
        deliveries.sort_by_key(|(key, _)| *key);
        for run in deliveries.chunk_by(|left, right| left.0 == right.0) {
            match self.subscriptions.get(run[0].0) {
                Some(subscription) => {
                    subscription.mark_unwritten(&run.iter().map(|(_, tag)| *tag).collect::<Vec<_>>());
                }
                None => self.settle(run, Settlement::Unwritten, now),
            }
        }
    }

    /// Goes on closing; `Ready` when the connection is gone, `None` when the share of this poll is used up before that.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        loop {
            let now = Instant::now();
            if !self.release(now) {
                return None;
            }
            let Some(ending) = &self.ending else { return Some(Poll::Ready(())) };
            let phase = if now >= self.ends_at(ending) { Phase::Done } else { ending.phase };
            if phase != Phase::Flush {
                self.ending_subscriptions.move_to(&mut self.subscriptions, |_| true);
            }
            if phase == Phase::Done {
                self.cut_output(now);
                return self.release(now).then_some(Poll::Ready(()));
            }
            let done = match phase {
                Phase::Flush => {
                    self.write(cx, now);
                    self.out.pending() == 0
                }
                Phase::HalfClose => self.wire.poll_shutdown(cx).is_ready(),
                _ => self.wire.poll_discard(cx).is_ready(),
            };
            let Some(ending) = &mut self.ending else { return Some(Poll::Ready(())) };
            // A write that failed has ended it all already.
            if done && ending.phase != Phase::Done {
                ending.phase = phase.next();
                ending.until = ending.until.min(now + self.context.options.linger);
            } else if ending.phase != Phase::Done
                && self.is_released()
                && self.poll_timer(cx, now).is_pending()
            {
                return Some(Poll::Pending);
            }
        }
    }
}

/// The close code and reason for each end (RFC 6455 §7.4.1).
fn close_info_of(closing: Closing) -> CloseInfo {
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
    CloseInfo { code, reason }
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
