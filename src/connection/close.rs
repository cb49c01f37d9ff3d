//! Closing a connection: releases what it holds, delivers the last frame, and closes the socket.
//!
//! ```text
//!  Flush --all written--> HalfClose --FIN sent--> Linger --client's FIN, or time is up--> Done
//!    |                                                                                     ^
//!    +-- socket failed, or time is up ------------------------------------------------------+
//! ```
//!
//! The outbound queue is closed first, so that the broker gives this connection no more deliveries. Next, unsent
//! deliveries are requeued, and the remaining steps of a COMMIT are applied. Last, subscriptions and temporary queues
//! are dropped one by one. The steps may take several polls. If the task is dropped in the meantime, the drop releases
//! the remaining values at once.
//!
//! Deliveries that the client has not settled return to their work queues. If the client was lost, one delivery of each
//! subscription counts as failed. It is the oldest one that was sent to the client and not settled. The others do not
//! count as failed.
//!
//! Flushing ends when the client has read nothing for `linger`. It ends after [`FLUSH_LINGERS`] times `linger` at the
//! latest. If the broker is stopping, flushing ends when the drain time is over.
//!
//! A socket that is closed with unread input resets the connection. The last frame could then be lost on its way.
//! Therefore the connection reads and discards input until the client closes its side, too.

use super::state::Connection;
use super::state::ending::{ClosePhase, Ending};
use super::state::pending_outcomes::PendingOutcomes;
use crate::command::Settlement;
use crate::outbound_queue::{Key, Tag};
use crate::session::Closing;
use crate::wire::{CloseInfo, Wire};
use crate::work;
use std::collections::HashSet;
use std::task::{Context, Poll};
use std::time::Instant;
use stompbox_frames::stomp::Decoder;

/// Maximum duration of a flush that makes progress, as a multiple of `linger`.
const FLUSH_LINGERS: u32 = 12;
/// Number of deliveries to requeue between two checks of the poll budget. Also the number of messages of a temporary
/// queue to drop.
const RELEASE_STEP: usize = 256;

impl<W: Wire> Connection<W> {
    /// Starts to release everything and to close the connection. Calls after the first one have no effect.
    pub(super) fn begin_ending(&mut self, closing: Closing, now: Instant) {
        if self.ending.is_some() {
            return;
        }
        self.finish_session(closing, now);
        // Keep each subscription that has messages in the output until these are written. Until then, the broker must
        // not give the messages to another client.
        let keys_in_output = self.io.keys_in_output();
        self.executor
            .subscriptions
            .move_to(&mut self.executor.ending_subscriptions, |key| keys_in_output.contains(&key));
        let unsent = self.begin_release();
        self.io.wire.write_close(close_info_of(closing), &mut self.io.out);
        self.io.progress_at = now;
        let until = match self.context.drain_until() {
            Some(drained) => drained,
            None => now + self.context.options.linger * FLUSH_LINGERS,
        };
        self.ending = Some(Box::new(Ending { closing, until, phase: ClosePhase::Flush, unsent }));
    }

    /// Returns the time at which the current phase ends at the latest.
    pub(super) fn ends_at(&self, ending: &Ending) -> Instant {
        match ending.phase {
            ClosePhase::Flush if ending.closing != Closing::Shutdown => {
                ending.until.min(self.io.progress_at + self.context.options.linger)
            }
            _ => ending.until,
        }
    }

    /// Returns the reason for closing a connection that the client has closed or reset.
    pub(super) fn disconnect_reason(&self) -> Closing {
        if self.io.wire.is_raw_stream() && self.io.bytes_received == 0 {
            Closing::NoData
        } else {
            Closing::PeerLeft
        }
    }

    /// Ends a connection whose socket is closed or has failed. Drops the output and releases everything, without
    /// flushing.
    pub(super) fn end_at_once(&mut self, now: Instant) {
        self.cut_output(now);
        if let Some(ending) = &mut self.ending {
            (ending.until, ending.phase) = (now, ClosePhase::Done);
            return;
        }
        let closing = self.disconnect_reason();
        self.finish_session(closing, now);
        let unsent = self.begin_release();
        self.ending = Some(Box::new(Ending { closing, until: now, phase: ClosePhase::Done, unsent }));
    }

    /// Ends the session if it has not ended yet. Settles the deliveries that the client was working on as lost.
    fn finish_session(&mut self, closing: Closing, now: Instant) {
        let lost = self.session.finish(closing);
        self.count_lost(&lost, now);
    }

    /// Settles the deliveries that the client was working on as lost: they are requeued and count as failed. Leaves out
    /// unwritten deliveries, because the client has not received them.
    pub(super) fn count_lost(&mut self, deliveries: &[(Key, Tag)], now: Instant) {
        if deliveries.is_empty() {
            return;
        }
        let unwritten: HashSet<(Key, Tag)> =
            self.io.out.unwritten().map(|mark| (mark.key, mark.tag)).collect();
        let written = deliveries.iter().copied().filter(|delivery| !unwritten.contains(delivery));
        self.executor.settle(&written.collect::<Vec<_>>(), Settlement::Lost, now);
    }

    /// Drops the output except the frame in flight, because the connection ends. Requeues the dropped deliveries of
    /// work queues as unsent.
    pub(super) fn cut_output(&mut self, now: Instant) {
        let unsent = self.io.cut_output();
        self.executor.return_unsent(unsent, now);
    }

    /// Closes the outbound queue, and releases everything that can be released with little work. Returns the deliveries
    /// of work queues that were in the outbound queue, ordered by subscription.
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
        self.io.held_charge.resize(0);
        // Replacing the decoder frees its buffer. The connection handles no further input.
        self.io.decoder = Decoder::new(self.context.options.connect_limits);
        let input_bytes = self.io.input_bytes();
        self.io.input.charge_mut().resize(input_bytes);
        self.io.input.finish();
        self.executor.next_temp_queue = None;
        self.login.cancel();
        self.executor.outcomes = PendingOutcomes::default();
        self.executor.registration = None;
        self.executor.pause = Default::default();
        self.executor.parked_charge.resize(self.session.parked_bytes());
        self.executor.count_transactions(0, &self.context.metrics);
        unsent.into_iter()
    }

    /// Requeues unsent deliveries, finishes a COMMIT, drops subscriptions, and drops temporary queues, in this order.
    /// Returns `false` if the poll budget is used up before all is done. Subscriptions in `ending_subscriptions` stay,
    /// because their messages are on their way to the socket.
    fn release(&mut self, now: Instant) -> bool {
        while !self.is_released() {
            if self.schedule.poll_budget.is_used_up() {
                return false;
            }
            let step = self.ending.iter_mut().flat_map(|ending| ending.unsent.by_ref().take(RELEASE_STEP));
            let unsent: Vec<(Key, Tag)> = step.collect();
            if !unsent.is_empty() {
                self.executor.return_unsent(unsent, now);
            } else if self.has_deferred_work() {
                self.run_deferred_step_while_ending(now);
            } else if let Some(subscription) = self.executor.subscriptions.pop_first() {
                drop(subscription);
            } else if self.executor.temp_queues.last().is_none_or(|temp| temp.close_partly(RELEASE_STEP)) {
                self.executor.temp_queues.pop();
            }
            // The client is not stalled while the broker releases.
            self.io.progress_at = now;
        }
        self.executor.temp_queues = Vec::new();
        self.executor.subscription_charge.resize(0);
        self.executor.subscription_bytes = 0;
        true
    }

    fn is_released(&self) -> bool {
        let is_returned = self.ending.as_ref().is_none_or(|ending| ending.unsent.as_slice().is_empty());
        is_returned
            && !self.has_deferred_work()
            && self.executor.subscriptions.is_empty()
            && self.executor.temp_queues.is_empty()
    }

    /// Continues closing. Returns `Ready` when the connection is closed, and `None` if the poll budget is used up
    /// first.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        loop {
            let now = Instant::now();
            if !self.release(now) {
                return None;
            }
            let Some(ending) = &self.ending else { return Some(Poll::Ready(())) };
            let phase = if now >= self.ends_at(ending) { ClosePhase::Done } else { ending.phase };
            if phase != ClosePhase::Flush {
                self.executor.ending_subscriptions.move_to(&mut self.executor.subscriptions, |_| true);
            }
            if phase == ClosePhase::Done {
                self.cut_output(now);
                return self.release(now).then_some(Poll::Ready(()));
            }
            let done = match phase {
                ClosePhase::Flush => {
                    self.write(cx, now);
                    self.io.out.pending() == 0
                }
                ClosePhase::HalfClose => self.io.wire.poll_shutdown(cx).is_ready(),
                _ => self.io.wire.poll_discard(cx).is_ready(),
            };
            let Some(ending) = &mut self.ending else { return Some(Poll::Ready(())) };
            // If writing has failed, `write` has already set the phase to `Done`.
            if done && ending.phase != ClosePhase::Done {
                ending.phase = phase.next();
                ending.until = ending.until.min(now + self.context.options.linger);
            } else if ending.phase != ClosePhase::Done
                && self.is_released()
                && self.poll_timer(cx, now).is_pending()
            {
                return Some(Poll::Pending);
            }
        }
    }
}

/// Returns the close code and the reason to send for `closing` (RFC 6455 §7.4.1).
fn close_info_of(closing: Closing) -> CloseInfo {
    let (code, reason) = match closing {
        Closing::Disconnected | Closing::PeerLeft | Closing::NoData => (1000, ""),
        Closing::Shutdown => (1001, "shutting down"),
        Closing::Limit(limit) if limit.is_size_of_message() => (1009, "too big"),
        Closing::SlowConsumer(_) => (1008, "slow consumer"),
        Closing::HeartbeatLost => (1002, "heartbeat lost"),
        Closing::ConnectTimeout => (1002, "no CONNECT in time"),
        Closing::Unauthenticated => (1002, "not authenticated"),
        Closing::Expired => (1008, "access has ended"),
        Closing::AccessDenied => (1008, "access denied"),
        Closing::Limit(_) => (1002, "limit exceeded"),
        Closing::Rejected | Closing::NotSettled | Closing::WrongProtocol => (1002, "protocol error"),
        Closing::Unavailable => (1011, "internal error"),
    };
    CloseInfo { code, reason }
}
