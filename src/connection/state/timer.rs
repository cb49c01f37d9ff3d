//! The only timer of a connection. It is reset as rarely as possible.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::task::coop;
use tokio::time::Sleep;

/// A timer that wakes its task at a deadline or earlier. To wake the task too early costs less than to reset the timer
/// at every frame. The timer is therefore reset only to an earlier time, or after it has fired.
#[derive(Debug)]
pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// Time at which the timer wakes the task. `None` if it is not certain to wake the task.
    wakes_at: Option<Instant>,
}

impl Timer {
    /// Creates a timer that is not set.
    pub(crate) fn new(now: Instant) -> Timer {
        Timer { sleep: Box::pin(tokio::time::sleep_until(now.into())), wakes_at: None }
    }

    /// Returns `Ready` if the deadline has passed. Otherwise the task is woken at the deadline at the latest. Only the
    /// task that owns the connection may call this function.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> Poll<()> {
        if deadline <= now {
            return Poll::Ready(());
        }
        if self.wakes_at.is_some_and(|at| now < at && at <= deadline) {
            return Poll::Pending;
        }
        loop {
            // Without a cooperative budget (`tokio::task::coop`), `Sleep` does not register the waker. It has the task
            // polled again instead, and the next poll must reset the timer.
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

    /// Waits until the deadline in the way that a connection does: polls the timer only when the task is woken. With
    /// `exhausts_budget`, uses up the cooperative budget of the task before the first poll.
    async fn wait(exhausts_budget: bool) {
        let now = Instant::now();
        let (mut timer, deadline) = (Timer::new(now), now + Duration::from_millis(30));
        let mut is_first = true;
        poll_fn(|cx| {
            if std::mem::take(&mut is_first) && exhausts_budget {
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
    async fn timer_fires_for_a_task_that_exhausted_its_cooperative_budget() {
        for exhausts_budget in [false, true] {
            // In a separate task, because anything that wakes the task of this test would poll the timer as well.
            let waiting = tokio::spawn(wait(exhausts_budget));
            let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
            waited
                .unwrap_or_else(|_| panic!("budget exhausted: {exhausts_budget}: the task was not woken"))
                .expect("the task does not panic");
        }
    }

    #[tokio::test]
    async fn timer_is_reset_to_an_earlier_deadline_and_not_to_a_later_one() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut timer = Timer::new(now);
        poll_fn(|cx| {
            for (deadline, wakes_at) in [(50, 50), (60, 50), (40, 40), (50, 40)] {
                assert!(timer.poll(cx, now, at(deadline)).is_pending());
                assert_eq!(timer.wakes_at, Some(at(wakes_at)));
            }
            assert!(timer.poll(cx, at(41), at(60)).is_pending(), "the timer fired before the new deadline");
            assert_eq!(timer.wakes_at, Some(at(60)));
            assert!(timer.poll(cx, at(61), at(61)).is_ready());
            Poll::Ready(())
        })
        .await;
    }
}
