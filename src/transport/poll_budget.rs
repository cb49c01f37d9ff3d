//! The poll budget of a connection: how much one poll of its task may do, and how connections that want more take
//! turns.
//!
//! ```text
//!   poll ── within its budget ────────────────────────────> waits for an event
//!     │ budget used up
//!     v
//!   waits for one of the permits, first come first served ──> lets the runtime poll its sockets ─────> poll
//! ```
//!
//! A [`PollBudget`] bounds one poll by the work that was reported ([`crate::work`]), by pushes to subscribers and by
//! time. A connection whose poll has used it up waits for a permit ([`PollQueuePlace`]). There are as many permits as
//! worker threads, so that a connection with a few frames waits for at most that many long polls, regardless of the
//! number of clients that send without a pause.

use crate::work;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// Most work of one poll, in units of [`crate::work`]: about 200 µs.
pub(super) const WORK_MAX: u64 = 2048;
/// Most pushes to subscribers in one poll: sixteen messages to a thousand subscribers, so that each subscriber is
/// woken, and writes, once for all sixteen.
pub(super) const PUSHES_MAX: usize = 16384;
/// Longest time of one poll, in addition to [`PUSH_TIME`] for each push. It ends polls that cost more than was
/// estimated, and polls that share their core with other programs.
const TIME_MAX: Duration = Duration::from_micros(500);
/// Time allowed for each push to a subscriber, because pushes have a limit of their own.
const PUSH_TIME: Duration = Duration::from_nanos(150);
/// Work between two readings of the clock, in units of [`crate::work`].
const CLOCK_UNITS: u64 = 128;

/// The remaining budget of one poll.
#[derive(Debug)]
pub(super) struct PollBudget {
    /// The work counter of the thread at the start of the poll.
    began_with: u64,
    began_at: Instant,
    /// The value of the work counter at which the clock is read next.
    look_at: u64,
    pushes: usize,
    is_used_up: bool,
}

impl PollBudget {
    /// Creates the full budget of a poll that starts at `now`.
    pub(super) fn new(now: Instant) -> PollBudget {
        let began_with = work::done();
        PollBudget {
            began_with,
            began_at: now,
            look_at: began_with + CLOCK_UNITS,
            pushes: 0,
            is_used_up: false,
        }
    }

    /// Counts pushes to subscribers.
    pub(super) fn pushed(&mut self, pushes: usize) {
        self.pushes += pushes;
    }

    /// Returns whether the poll must end. Once `true`, it stays `true`.
    pub(super) fn is_used_up(&mut self) -> bool {
        if self.is_used_up {
            return true;
        }
        let done = work::done();
        self.is_used_up = self.pushes >= PUSHES_MAX || done.wrapping_sub(self.began_with) >= WORK_MAX;
        if done >= self.look_at {
            self.look_at = done + CLOCK_UNITS;
            let pushes = u32::try_from(self.pushes).unwrap_or(u32::MAX);
            self.is_used_up |= self.began_at.elapsed() >= TIME_MAX + PUSH_TIME * pushes;
        }
        self.is_used_up
    }
}

/// The place of a connection in the queue of those that used up their poll budget.
#[derive(Debug)]
pub(super) struct PollQueuePlace {
    permits: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
    /// The next step of yielding to other tasks since the permit was acquired.
    yields: Yields,
}

#[derive(Clone, Copy, Debug)]
enum Yields {
    /// Yields to the runtime, which polls its sockets.
    ToSockets,
    /// Yields to the tasks that events of the sockets have made ready. Without this, the runtime would run this task
    /// first.
    ToTasks,
    /// Yielding is complete.
    NoMore,
}

impl PollQueuePlace {
    /// Creates a place behind all connections that wait for one of `permits`.
    pub(super) fn new(permits: &Arc<Semaphore>) -> PollQueuePlace {
        PollQueuePlace {
            permits: PollSemaphore::new(permits.clone()),
            permit: None,
            yields: Yields::ToSockets,
        }
    }

    /// Passes the permit to the next connection in the queue, and queues again.
    pub(super) fn again(&mut self) {
        self.permit = None;
        self.yields = Yields::ToSockets;
    }

    /// Returns `Ready` when the connection may continue. Until then the task is woken when the next step is possible.
    /// The permit is kept until [`PollQueuePlace::again`] or the drop.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.permit.is_none() {
            // `None` would mean that the semaphore is closed, which never happens.
            self.permit = ready!(self.permits.poll_acquire(cx));
        }
        match self.yields {
            Yields::ToSockets => {
                self.yields = Yields::ToTasks;
                pin!(tokio::task::yield_now()).poll(cx)
            }
            Yields::ToTasks => {
                self.yields = Yields::NoMore;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Yields::NoMore => Poll::Ready(()),
        }
    }
}
