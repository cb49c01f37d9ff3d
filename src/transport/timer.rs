//! The one timer of a connection, touched as seldom as can be.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::task::coop;
use tokio::time::Sleep;

/// Wakes its task at a deadline or before it. One that fires too early costs less than one that is moved at every frame,
/// so it is moved only to an earlier moment, and set anew when it has fired.
#[derive(Debug)]
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// When it will wake the task; `None`: nobody can rely on it.
    wakes_at: Option<Instant>,
}

impl Timer {
    /// Not yet set.
    pub(super) fn new(now: Instant) -> Timer {
        Timer { sleep: Box::pin(tokio::time::sleep_until(now.into())), wakes_at: None }
    }

    /// `Ready` when the deadline has come; else the task is woken by then. Always polled by the same task, which owns
    /// the connection.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> Poll<()> {
        if deadline <= now {
            return Poll::Ready(());
        }
        if self.wakes_at.is_some_and(|at| now < at && at <= deadline) {
            return Poll::Pending;
        }
        loop {
            // Where the task has used up its turn, `Sleep` does not even look at the waker, and has the task come back.
            self.wakes_at = coop::has_budget_remaining().then_some(deadline);
            self.sleep.as_mut().reset(deadline.into());
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::ready;
    use std::time::Duration;

    /// Until the deadline, as a connection waits: looked at only when the task is woken. `spends`: the turn is used up
    /// before the first look.
    async fn wait(spends: bool) {
        let now = Instant::now();
        let (mut timer, deadline) = (Timer::new(now), now + Duration::from_millis(30));
        let mut is_first = true;
        poll_fn(|cx| {
            if std::mem::take(&mut is_first) && spends {
                while coop::has_budget_remaining() {
                    ready!(coop::poll_proceed(cx)).made_progress();
                }
            }
            timer.poll(cx, Instant::now(), deadline)
        })
        .await;
        assert!(Instant::now() >= deadline);
    }

    #[tokio::test]
    async fn a_deadline_comes_also_for_a_task_that_had_used_up_its_turn() {
        for spends in [false, true] {
            // Watched by another task, for what wakes this one would have it look at the deadline as well.
            let waiting = tokio::spawn(wait(spends));
            let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
            waited.unwrap_or_else(|_| panic!("spends {spends}: the task was not woken")).expect("no panic");
        }
    }

    #[tokio::test]
    async fn a_timer_is_moved_to_an_earlier_moment_and_not_to_a_later_one() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut timer = Timer::new(now);
        poll_fn(|cx| {
            for (deadline, wakes_at) in [(50, 50), (60, 50), (40, 40), (50, 40)] {
                assert!(timer.poll(cx, now, at(deadline)).is_pending());
                assert_eq!(timer.wakes_at, Some(at(wakes_at)));
            }
            assert!(timer.poll(cx, at(41), at(60)).is_pending(), "it has fired");
            assert_eq!(timer.wakes_at, Some(at(60)));
            assert!(timer.poll(cx, at(61), at(61)).is_ready());
            Poll::Ready(())
        })
        .await;
    }
}
