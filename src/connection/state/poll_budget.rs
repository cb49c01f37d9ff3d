//! The poll budget of a connection, which limits how much one poll of its task does. Connections that need more polls
//! wait in a queue, so that they share the threads fairly.
//!
//! ```text
//!   poll ── within its budget ────────────────────────────> waits for an event
//!     │ budget used up
//!     v
//!   waits for one of the permits, first come first served ──> lets the runtime poll its sockets ─────> poll
//! ```
//!
//! A [`PollBudget`] limits the reported work of one poll ([`crate::work`]), its pushes to subscribers, and its
//! duration. A connection that has used up a poll budget waits for a permit before it is polled again
//! ([`PollQueuePosition`]). There are as many permits as worker threads. A connection that needs only a short poll
//! therefore waits for at most that many long polls. The number of clients that send without a pause does not matter.

use crate::work;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// Maximum work of one poll, in units of [`crate::work`]. This is about 200 µs.
pub(crate) const WORK_MAX: u64 = 2048;
/// Maximum number of pushes to subscribers in one poll. This allows sixteen messages to a thousand subscribers. Each of
/// these subscribers is then woken once, and writes once, for all sixteen messages.
pub(crate) const PUSHES_MAX: usize = 16384;
/// Maximum duration of one poll, without [`PUSH_TIME`] for each push. This limit ends polls that cost more than the
/// estimate. It also ends polls of a thread that shares its core with other programs.
const TIME_MAX: Duration = Duration::from_micros(500);
/// Time by which each push to a subscriber extends [`TIME_MAX`]. [`PUSHES_MAX`] limits the number of pushes.
const PUSH_TIME: Duration = Duration::from_nanos(150);
/// Work after which the clock is read again, in units of [`crate::work`].
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

/// The position of a connection in the queue of connections that have used up their poll budget.
#[derive(Debug)]
pub(crate) struct PollQueuePosition {
    permits: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
    /// The next step of yielding to other tasks. Yielding begins again with each permit.
    next_yield: Yield,
}

#[derive(Clone, Copy, Debug)]
enum Yield {
    /// Yields to the runtime, which then polls its sockets.
    ToSockets,
    /// Yields to the tasks that became ready when the runtime polled its sockets. Without this step, the runtime would
    /// run this task before them.
    ToTasks,
    /// Yielding is complete.
    Done,
}

impl PollQueuePosition {
    /// Creates a position behind all connections that already wait for one of `permits`.
    pub(crate) fn new(permits: &Arc<Semaphore>) -> PollQueuePosition {
        PollQueuePosition {
            permits: PollSemaphore::new(permits.clone()),
            permit: None,
            next_yield: Yield::ToSockets,
        }
    }

    /// Passes the permit to the next connection in the queue, and returns to the end of the queue.
    pub(crate) fn requeue(&mut self) {
        self.permit = None;
        self.next_yield = Yield::ToSockets;
    }

    /// Returns `Ready` when the connection may be polled. Until then, the task is woken for each next step. The permit
    /// is kept until [`PollQueuePosition::requeue`] is called or the position is dropped.
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
