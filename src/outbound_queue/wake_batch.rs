//! Receivers are woken once for all that a turn of a publisher has for them.
//!
//! PendingWakes at the first of many messages, a receiver that another thread runs at once would write each by itself, and
//! the lock of its outbound queue would go back and forth. So while a [`WakeBatch`] lives, whom this thread would wake is only
//! noted down.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::task::Waker;

/// So many are woken at once at most: where a message has more receivers, the first shall not wait for the last.
const WAKERS_MAX: usize = 4096;

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static WAKERS: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, receivers that this thread would wake wait for its end.
#[must_use]
#[derive(Debug)]
pub struct WakeBatch {
    /// Of this thread.
    _here: PhantomData<*const ()>,
}

/// Begins to note down who is to be woken.
pub fn batch_wakes() -> WakeBatch {
    debug_assert!(!IS_ON.get(), "a turn within a turn");
    IS_ON.set(true);
    WakeBatch { _here: PhantomData }
}

impl Drop for WakeBatch {
    fn drop(&mut self) {
        IS_ON.set(false);
        wake_deferred();
    }
}

/// Wakes a receiver, now or when the turn ends.
pub(super) fn wake(receiver: Waker) {
    if !IS_ON.get() {
        return receiver.wake();
    }
    let is_full = WAKERS.with_borrow_mut(|wakers| {
        wakers.push(receiver);
        wakers.len() >= WAKERS_MAX
    });
    if is_full {
        wake_deferred();
    }
}

/// Wakes all receivers whose wake was deferred, before the end of the poll.
pub(super) fn wake_deferred() {
    // Not borrowed meanwhile, for a waker may do as it likes. The list keeps its room for the next turn.
    let mut wakers = WAKERS.take();
    wakers.drain(..).for_each(Waker::wake);
    WAKERS.with_borrow_mut(|later| {
        if later.is_empty() {
            *later = wakers;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// A waker that wakes another one, as a task does that is run on the spot.
    struct Chain(Waker);

    impl Wake for Chain {
        fn wake(self: Arc<Self>) {
            wake(self.0.clone());
        }
    }

    fn counter() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    #[test]
    fn whoever_is_woken_in_a_turn_is_woken_at_its_end() {
        let (count, waker) = counter();
        wake(waker.clone());
        assert_eq!(count.0.load(Relaxed), 1, "at once outside a turn");
        let turn = batch_wakes();
        wake(waker.clone());
        wake(waker.clone());
        assert_eq!(count.0.load(Relaxed), 1);
        drop(turn);
        assert_eq!(count.0.load(Relaxed), 3);
        wake(waker);
        assert_eq!(count.0.load(Relaxed), 4);
    }

    #[test]
    fn the_first_of_very_many_do_not_wait_for_the_last() {
        let (count, waker) = counter();
        let turn = batch_wakes();
        (0..WAKERS_MAX + 1).for_each(|_| wake(waker.clone()));
        assert_eq!(count.0.load(Relaxed), WAKERS_MAX);
        drop(turn);
        assert_eq!(count.0.load(Relaxed), WAKERS_MAX + 1);
    }

    #[test]
    fn a_turn_that_ends_by_a_panic_wakes_them_too() {
        let (count, waker) = counter();
        let turn = std::panic::catch_unwind(|| {
            let _turn = batch_wakes();
            wake(waker.clone());
            panic!("as a test wants it");
        });
        assert!(turn.is_err());
        assert_eq!(count.0.load(Relaxed), 1);
        wake(waker);
        assert_eq!(count.0.load(Relaxed), 2, "the turn is over");
    }

    #[test]
    fn a_waker_may_wake_others() {
        let (count, waker) = counter();
        let chain = Waker::from(Arc::new(Chain(waker)));
        let turn = batch_wakes();
        wake(chain.clone());
        wake(chain);
        drop(turn);
        assert_eq!(count.0.load(Relaxed), 2);
    }
}
