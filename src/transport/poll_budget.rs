//! The share of a connection: how much one poll of its task may do, and how connections that want more take turns.
//!
//! ```text
//!   poll ── within its share ─────────────────────────────> waits for an event
//!     │ share used up
//!     v
//!   waits for one of the permits, first come first served ──> lets the runtime look at its sockets ──> poll
//! ```
//!
//! A [`PollBudget`] bounds one poll by the work that was reported ([`crate::work`]), by pushes to subscribers and by time.
//! A connection whose poll used all of it waits for a [`PollQueuePlace`]: there are as many permits as worker threads, so that
//! behind a connection with a few frames stand at most that many long polls, however many clients send without a pause.

use crate::work;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// Work of one poll, in units of [`crate::work`]: about 200 µs.
pub(super) const WORK_MAX: u64 = 2048;
/// Pushes to subscribers in one poll: sixteen messages to a thousand, so that each of these is woken, and writes, once
/// for all sixteen.
pub(super) const PUSHES_MAX: usize = 16384;
/// Longest time of one poll, in addition to [`PUSH_TIME`] for each push. It ends polls that cost more than was
/// estimated, and those that must share their core with other programs.
const TIME_MAX: Duration = Duration::from_micros(500);
/// Time allowed for a push to a subscriber; pushes have a bound of their own.
const PUSH_TIME: Duration = Duration::from_nanos(150);
/// Work between two readings of the clock.
const CLOCK_UNITS: u64 = 128;

/// The remaining share of one poll.
#[derive(Debug)]
pub(super) struct PollBudget {
    /// The account of the thread at the start of the poll.
    began_with: u64,
    began_at: Instant,
    /// The account at which the clock is read next.
    look_at: u64,
    pushes: usize,
    is_used_up: bool,
}

impl PollBudget {
    /// Creates a whole share that starts now.
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

/// The place of a connection among those whose polls use up their share.
#[derive(Debug)]
pub(super) struct PollQueuePlace {
    permits: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
    /// Step of yielding to other tasks since the permit was given.
    yields: Yields,
}

#[derive(Clone, Copy, Debug)]
enum Yields {
    /// Yields to the runtime, which polls its sockets.
    ToSockets,
    /// Yields to the tasks that these events have made ready: the runtime would run this one before them.
    ToTasks,
    /// Has yielded.
    NoMore,
}

impl PollQueuePlace {
    /// Queues behind all others that wait for one of `permits`.
    pub(super) fn new(permits: &Arc<Semaphore>) -> PollQueuePlace {
        PollQueuePlace {
            permits: PollSemaphore::new(permits.clone()),
            permit: None,
            yields: Yields::ToSockets,
        }
    }

    /// Gives the permit to the next one and waits again.
    pub(super) fn again(&mut self) {
        self.permit = None;
        self.yields = Yields::ToSockets;
    }

    /// `Ready` when the connection may go on; until then the task is woken when there is something to do. The permit
    /// is kept until [`PollQueuePlace::again`] or the drop.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.permit.is_none() {
            // `None` means a closed semaphore, and no code closes this one.
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
