//! Receivers are woken once for all that a turn of a publisher has for them.
//!
//! Woken at the first of many messages, a receiver that another thread runs at once would write each by itself, and
//! the lock of its outbox would go back and forth. So while a [`Deferral`] lives, whom this thread would wake is only
//! noted down.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::task::Waker;

/// So many are woken at once at most: where a message has more receivers, the first shall not wait for the last.
const WAKERS_MAX: usize = 4096;

thread_local! {
    static DEFERRED: RefCell<Deferred> = const { RefCell::new(Deferred { on: false, wakers: Vec::new() }) };
}

struct Deferred {
    on: bool,
    wakers: Vec<Waker>,
}

/// While it lives, receivers that this thread would wake wait for its end.
#[must_use]
#[derive(Debug)]
pub struct Deferral {
    /// Of this thread.
    _here: PhantomData<*const ()>,
}

/// Begins to note down who is to be woken.
pub fn defer_wakes() -> Deferral {
    DEFERRED.with_borrow_mut(|deferred| deferred.on = true);
    Deferral { _here: PhantomData }
}

impl Drop for Deferral {
    fn drop(&mut self) {
        DEFERRED.with_borrow_mut(|deferred| deferred.on = false);
        wake_deferred();
    }
}

/// Wakes a receiver, now or when the turn ends.
pub(super) fn wake(receiver: Waker) {
    let (now, is_full) = DEFERRED.with_borrow_mut(|deferred| {
        if !deferred.on {
            return (Some(receiver), false);
        }
        deferred.wakers.push(receiver);
        (None, deferred.wakers.len() >= WAKERS_MAX)
    });
    if let Some(receiver) = now {
        receiver.wake();
    }
    if is_full {
        wake_deferred();
    }
}

/// Wakes all that are noted down: somebody must not wait any longer.
pub(super) fn wake_deferred() {
    // The list keeps its room for the next turn; wakers may run what they like, so it is not borrowed meanwhile.
    let mut wakers = DEFERRED.with_borrow_mut(|deferred| std::mem::take(&mut deferred.wakers));
    wakers.drain(..).for_each(Waker::wake);
    DEFERRED.with_borrow_mut(|deferred| {
        if deferred.wakers.is_empty() {
            deferred.wakers = wakers;
        }
    });
}
