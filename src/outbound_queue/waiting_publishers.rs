//! The set of tasks that wait for an outbound queue to drain.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::{Duration, Instant};

/// Interval at which all waiting tasks are woken. Tasks that still wait register again. Only the wakers of tasks that
/// have gone are released.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The wakers of the waiting tasks, one for each task.
#[derive(Debug)]
pub(super) struct WaitingPublishers {
    waiting: BTreeMap<Identity, Waker>,
    /// The time of the last sweep, which has woken every task that waited then.
    swept_at: Instant,
}

/// The data pointer and the vtable address of a waker. Wakers with equal identities wake the same task. While a waker
/// is held, the memory of its task is not reused for another task.
type Identity = (usize, usize);

/// Wakers to call once no lock is held.
#[must_use]
#[derive(Debug, Default)]
pub(super) struct PendingWakes(Option<BTreeMap<Identity, Waker>>);

impl WaitingPublishers {
    pub(super) fn new(now: Instant) -> WaitingPublishers {
        WaitingPublishers { waiting: BTreeMap::new(), swept_at: now }
    }

    /// Registers a waiting task. Once per [`SWEEP_INTERVAL`], removes and returns all wakers that were registered
    /// before.
    pub(super) fn register(&mut self, waker: &Waker, now: Instant) -> PendingWakes {
        let mut stale = PendingWakes::default();
        if now.saturating_duration_since(self.swept_at) >= SWEEP_INTERVAL {
            stale = self.take();
            self.swept_at = now;
        }
        let identity = (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize);
        self.waiting.entry(identity).or_insert_with(|| waker.clone());
        stale
    }

    /// Removes and returns all wakers.
    pub(super) fn take(&mut self) -> PendingWakes {
        // Few messages have waiting publishers, and dropping a map is costly even if the map is empty.
        PendingWakes((!self.waiting.is_empty()).then(|| std::mem::take(&mut self.waiting)))
    }

    /// Returns the number of waiting tasks.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl PendingWakes {
    pub(super) fn wake(self) {
        if let Some(wakers) = self.0 {
            wakers.into_values().for_each(Waker::wake);
        }
    }
}
