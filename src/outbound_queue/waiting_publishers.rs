//! The tasks that wait for an outbound queue to drain, each once.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::{Duration, Instant};

/// How often all are woken, so that those that have left are forgotten and those that have not say so.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct WaitingPublishers {
    waiting: BTreeMap<Identity, Waker>,
    /// Who began to wait before this has been woken since.
    swept_at: Instant,
}

/// Wakers that are the same in these wake the same task; a waker that is held keeps its task's from being used again.
type Identity = (usize, usize);

/// To be woken once no lock is held.
#[must_use]
#[derive(Debug, Default)]
pub(super) struct PendingWakes(BTreeMap<Identity, Waker>);

impl WaitingPublishers {
    pub(super) fn new(now: Instant) -> WaitingPublishers {
        WaitingPublishers { waiting: BTreeMap::new(), swept_at: now }
    }

    /// One more waits. Once a second the others are to be woken.
    pub(super) fn wait(&mut self, waker: &Waker, now: Instant) -> PendingWakes {
        let mut stale = PendingWakes::default();
        if now.saturating_duration_since(self.swept_at) >= SWEEP_INTERVAL {
            stale = self.take();
            self.swept_at = now;
        }
        let identity = (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize);
        self.waiting.entry(identity).or_insert_with(|| waker.clone());
        stale
    }

    /// There is nothing to wait for any more.
    pub(super) fn take(&mut self) -> PendingWakes {
        PendingWakes(std::mem::take(&mut self.waiting))
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl PendingWakes {
    pub(super) fn wake(self) {
        self.0.into_values().for_each(Waker::wake);
    }
}
