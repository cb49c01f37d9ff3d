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
//! time. A connection whose poll has used it up waits for a permit ([`PollQueuePosition`]). There are as many permits as
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
pub(crate) const WORK_MAX: u64 = 2048;
/// Most pushes to subscribers in one poll: sixteen messages to a thousand subscribers, so that each subscriber is
/// woken, and writes, once for all sixteen.
pub(crate) const PUSHES_MAX: usize = 16384;
/// Longest time of one poll, in addition to [`PUSH_TIME`] for each push. It ends polls that cost more than was
/// estimated, and polls that share their core with other programs.
const TIME_MAX: Duration = Duration::from_micros(500);
/// Time allowed for each push to a subscriber, because pushes have a limit of their own.
const PUSH_TIME: Duration = Duration::from_nanos(150);
/// Work between two readings of the clock, in units of [`crate::work`].
const CLOCK_UNITS: u64 = 128;

/// The remaining budget of one poll.
#[derive(Debug)]
pub(crate) struct PollBudget {
    /// The work counter of the thread at the start of the poll.
    work_at_start: u64,
    began_at: Instant,
    /// The value of the work counter at which the clock is read next.
    clock_check_at: u64,
    pushes: usize,
    is_used_up: bool,
}

impl PollBudget {
    /// Creates the full budget of a poll that starts at `now`.
    pub(crate) fn new(now: Instant) -> PollBudget {
        let work_at_start = work::done();
        PollBudget {
            work_at_start,
            began_at: now,
            clock_check_at: work_at_start + CLOCK_UNITS,
            pushes: 0,
            is_used_up: false,
        }
    }

    /// Counts pushes to subscribers.
    pub(crate) fn add_pushes(&mut self, pushes: usize) {
        self.pushes += pushes;
    }

    /// Returns whether the poll must end. Once `true`, it stays `true`.
    pub(crate) fn is_used_up(&mut self) -> bool {
        if self.is_used_up {
            return true;
        }
        let done = work::done();
        self.is_used_up = self.pushes >= PUSHES_MAX || done.wrapping_sub(self.work_at_start) >= WORK_MAX;
        if done >= self.clock_check_at {
            self.clock_check_at = done + CLOCK_UNITS;
            let pushes = u32::try_from(self.pushes).unwrap_or(u32::MAX);
            self.is_used_up |= self.began_at.elapsed() >= TIME_MAX + PUSH_TIME * pushes;
        }
        self.is_used_up
    }
}

/// The position of a connection in the queue of those that used up their poll budget.
#[derive(Debug)]
pub(crate) struct PollQueuePosition {
    permits: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
    /// The next step of yielding to other tasks since the permit was acquired.
    next_yield: Yield,
}

#[derive(Clone, Copy, Debug)]
enum Yield {
    /// Yields to the runtime, which polls its sockets.
    ToSockets,
    /// Yields to the tasks that events of the sockets have made ready. Without this, the runtime would run this task
    /// first.
    ToTasks,
    /// Yielding is complete.
    Done,
}

impl PollQueuePosition {
    /// Creates a position behind all connections that wait for one of `permits`.
    pub(crate) fn new(permits: &Arc<Semaphore>) -> PollQueuePosition {
        PollQueuePosition {
            permits: PollSemaphore::new(permits.clone()),
            permit: None,
            next_yield: Yield::ToSockets,
        }
    }

    /// Passes the permit to the next connection in the queue, and queues again.
    pub(crate) fn requeue(&mut self) {
        self.permit = None;
        self.next_yield = Yield::ToSockets;
    }

    /// Returns `Ready` when the connection may continue. Until then the task is woken when the next step is possible.
    /// The permit is kept until [`PollQueuePosition::requeue`] or the drop.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.permit.is_none() {
            // `None` would mean that the semaphore is closed, which never happens.
            self.permit = ready!(self.permits.poll_acquire(cx));
        }
        match self.next_yield {
            Yield::ToSockets => {
                self.next_yield = Yield::ToTasks;
                pin!(tokio::task::yield_now()).poll(cx)
            }
            Yield::ToTasks => {
                self.next_yield = Yield::Done;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Yield::Done => Poll::Ready(()),
        }
    }
}
