//! The connection task, which owns one socket and one STOMP session. It is the same for every transport ([`Wire`]).
//!
//! ```text
//!                   +------------------ one poll iteration ------------------+
//! outbound queue -> | receive: deliveries to frames -> write: once per batch | -> socket
//!         socket -> | read: bytes to frames -> session -> execute actions    | -> broker
//!                   +--------------------------------------------------------+
//! ```
//!
//! Reading pauses (backpressure):
//! - while an authentication is pending, except to detect that the client has left
//! - while a COMMIT is in progress, or parked frames are checked against new rules
//! - while the connection waits for slow receivers of messages that it published (`slow-consumer-grace`)
//! - while the byte budget is nearly used up
//! - while the client does not read its answers
//! - while many requests wait for a store, or many receipts wait for such a request
//! - while the broker stops
//!
//! Writing never waits for reading.

use super::context::ConnectionContext;
use super::peer::Peer;
use super::state::Connection;
use super::state::poll_budget::{PollBudget, PollQueuePosition};
use crate::budget::Charge;
use crate::limits::connection_limiter::ConnectionPermit;
use crate::limits::input::{HELD_BYTES_MIN, TIMEOUT_CONFIRMATION};
use crate::outbound_queue::batch_wakes;
use crate::session::{Closing, ErrorReply, Slowness};
use crate::wire::Wire;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// Maximum size of deliveries, in bytes, that are encoded as frames and wait for the socket.
const BATCH_BYTES: usize = 128 * 1024;
/// Maximum number of iterations in one poll, even if they do little work.
const ITERATIONS_MAX: usize = 16;

/// Creates the task that serves one client for the whole connection.
pub fn serve<W: Wire>(context: Arc<ConnectionContext>, wire: W, peer: Peer) -> ConnectionTask<W> {
    context.metrics.opened(wire.name());
    let Peer { permit, handshake } = peer;
    let connection = Connection::new(context, wire, permit.address(), handshake);
    ConnectionTask { connection, permit: Some(permit) }
}

/// The task that serves one client. It is not an `async fn`. The future of an `async fn` would store the arguments in
/// addition to the connection.
pub struct ConnectionTask<W> {
    connection: Connection<W>,
    permit: Option<ConnectionPermit>,
}

impl<W: Wire> Future for ConnectionTask<W> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.connection.poll(cx));
        // Release the permit before the log line is written: a client that waits for this line may reconnect at once.
        drop(self.permit.take());
        self.connection.report();
        Poll::Ready(())
    }
}

impl<W: Wire> Connection<W> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(position) = &mut self.schedule.queue_position {
            ready!(position.poll(cx));
        }
        let Some(polled) = self.poll_within_budget(cx) else {
            if self.ending.is_none() && !self.charge_held_memory() {
                self.end_out_of_memory(Instant::now());
            }
            let position = self
                .schedule
                .queue_position
                .get_or_insert_with(|| Box::new(PollQueuePosition::new(&self.context.poll_permits)));
            position.requeue();
            // This call does not return `Ready`: even if it gets a permit, it first lets the runtime poll its sockets.
            ready!(position.poll(cx));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        self.schedule.queue_position = None;
        polled
    }

    /// Does all work that is ready. Returns `None` if the poll budget or the iterations are used up before all work is
    /// done.
    fn poll_within_budget(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        for iteration in 0..ITERATIONS_MAX {
            let _wake_batch = batch_wakes();
            let now = Instant::now();
            if iteration == 0 {
                self.schedule.poll_budget = PollBudget::new(now);
            }
            if self.ending.is_none() && self.context.is_stopping() && !self.waits_for_outcomes(now) {
                self.shut_down(cx, now);
            }
            if self.ending.is_none() && self.io.input.poll_dropped(cx).is_ready() {
                self.end_for_dropped_input(now);
            }
            if self.ending.is_some() {
                return self.poll_end(cx);
            }
            self.recheck_access(now);
            let writable = self.io.output_failed.is_none() && self.io.wire.poll_ready(cx).is_ready();
            if self.io.out.pending() == 0 || !writable {
                // Without pending output, or with a wire that is not writable, the client is not stalled. The stall
                // clock restarts.
                self.io.progress_at = now;
            }
            let batch_bytes = if writable { BATCH_BYTES.saturating_sub(self.io.out.pending()) } else { 0 };
            let mut progressed = self.receive(cx, batch_bytes, now);
            // Writing makes room for deliveries. That counts as progress only if `receive` had no room for any.
            // Otherwise `receive` has already reported whether there are more.
            progressed |= self.write(cx, now) && batch_bytes == 0;
            progressed |= self.poll_authentication(cx, now);
            progressed |= self.poll_outcomes(cx, now);
            progressed |= self.read(cx, now);
            // Check timeouts after reading. If the process was suspended, input may have arrived in the meantime. It
            // must be handled before the connection concludes that the client was silent.
            let pending = self.io.out.pending();
            self.handle_timeouts(now);
            if self.ending.is_some() {
                continue;
            }
            progressed |= self.io.out.pending() != pending;
            if self.schedule.poll_budget.is_used_up() {
                return None;
            }
            let must_stop = self.context.is_stopping() && !self.waits_for_outcomes(now);
            if !progressed && !must_stop && self.poll_timer(cx, now).is_pending() {
                if self.charge_held_memory() {
                    return Some(Poll::Pending);
                }
                self.end_out_of_memory(now);
            }
        }
        None
    }

    /// Charges the memory that the connection holds outside the outbound queue, if it is more than a few small frames.
    /// Returns `false` if an unauthenticated client holds charged memory while the memory for unauthenticated clients
    /// is full.
    pub(super) fn charge_held_memory(&mut self) -> bool {
        adjust(&mut self.io.held_charge, self.io.out.held_bytes() + self.session.held_bytes());
        let input_bytes = self.io.input_bytes();
        // While reading is paused, complete frames wait. They are charged and never rejected. Other input is charged
        // before it grows, so that its charge can only shrink here.
        if self.ignores_input() {
            self.io.input.finish();
            adjust(self.io.input.charge_mut(), input_bytes);
        } else if input_bytes < self.io.input.bytes() {
            adjust(self.io.input.charge_mut(), input_bytes);
        }
        let holds_nothing = self.io.held_charge.bytes() + self.io.input.bytes() == 0;
        holds_nothing || self.login.established || !self.context.unauthenticated.is_exhausted()
    }

    /// Sends heartbeats that are due, and handles timeouts.
    fn handle_timeouts(&mut self, now: Instant) {
        if self.io.wire.deadline().is_some_and(|at| now >= at) {
            self.io.wire.expire(now, &mut self.io.out);
        }
        let output_stalled =
            self.io.stalls_at(self.context.options.stall_timeout).is_some_and(|at| now >= at);
        let input_stalled = self.io.input.stalls_at().is_some_and(|at| now >= at);
        let due = output_stalled || input_stalled || self.session.deadline().is_some_and(|at| now >= at);
        if self.ending.is_some() || !due {
            self.schedule.timeout_confirmed_at = None;
            return;
        }
        // Act on a timeout only if it still applies after `TIMEOUT_CONFIRMATION`. A process that was suspended notices
        // the elapsed time before it reads the input that arrived in the meantime.
        match self.schedule.timeout_confirmed_at {
            None => return self.schedule.timeout_confirmed_at = Some(now + TIMEOUT_CONFIRMATION),
            Some(at) if now < at => return,
            Some(_) => self.schedule.timeout_confirmed_at = None,
        }
        if output_stalled {
            return self.end_slow_consumer(Slowness::Stalled, now);
        }
        if input_stalled {
            return self.end_for_stalled_input(now);
        }
        if self.ignores_input() {
            // The connection did not read, so missing input does not mean that the client was silent.
            self.session.note_input(now);
        }
        let mut actions = Vec::new();
        self.session.expire(now, &mut actions);
        self.execute(actions, now);
    }

    /// Ends the connection with an ERROR that is not a reply to a frame of the client.
    pub(super) fn end_with(&mut self, reply: ErrorReply<'_>, closing: Closing, now: Instant) {
        let mut actions = Vec::new();
        self.session.close_with_error(None, reply, closing, &mut actions);
        self.execute(actions, now);
        // A session that is already closed requests no actions. The connection must end nevertheless.
        self.begin_ending(closing, now);
    }

    fn shut_down(&mut self, cx: &mut Context<'_>, now: Instant) {
        // Send the deliveries that wait. Their size is limited, and the time for sending them is limited, too.
        self.receive(cx, usize::MAX, now);
        if self.ending.is_some() {
            return;
        }
        // Clients that reconnect automatically give up after an ERROR, because they take it for their own error.
        if self.io.wire.reports_shutdown_in_close() || !self.context.options.shutdown_error {
            return self.begin_ending(Closing::Shutdown, now);
        }
        let reply =
            ErrorReply { summary: "shutting down", detail: "The broker is shutting down. Reconnect later." };
        self.end_with(reply, Closing::Shutdown, now);
    }
}

/// Changes a charge to `bytes` if the difference is at least [`HELD_BYTES_MIN`]. Fewer bytes in total are not charged.
fn adjust(charge: &mut Charge, bytes: usize) {
    let bytes = if bytes < HELD_BYTES_MIN { 0 } else { bytes };
    if bytes.abs_diff(charge.bytes()) >= HELD_BYTES_MIN || bytes == 0 {
        charge.resize(bytes);
    }
}
