//! The SockJS sessions over HTTP of one service. The keys are the session IDs, which clients choose.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Maximum number of closed sessions that are kept to answer late requests with their close frame. A closed session
/// holds no connection permit.
const CLOSING_MAX: usize = 8192;

/// The operations of a session that the registry needs.
pub(crate) trait Registered {
    /// Returns the session ID.
    fn id(&self) -> &str;

    /// Returns the time at which [`Registered::expire`] must be called.
    fn deadline(&self) -> Option<Instant>;

    /// Handles a deadline that has passed.
    fn expire(&self, now: Instant);
}

/// The sessions of a service that requests can reach.
pub(crate) struct Registry<S> {
    sessions: DashMap<Box<str>, Arc<S>>,
    closing: Mutex<Closing<S>>,
}

impl<S> Default for Registry<S> {
    fn default() -> Registry<S> {
        let closing = Closing { due: BTreeMap::new(), next: 0 };
        Registry { sessions: DashMap::new(), closing: Mutex::new(closing) }
    }
}

/// Sessions that the application has closed, ordered by the time at which to check whether they can be removed.
struct Closing<S> {
    due: BTreeMap<(Instant, u64), Arc<S>>,
    next: u64,
}

impl<S: Registered> Registry<S> {
    /// Returns the session with this ID.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<S>> {
        self.sessions.get(id).map(|session| session.clone())
    }

    /// Returns the session with this ID. If it does not exist, adds the session that `make` returns, and returns that.
    pub(crate) fn find_or_insert<E>(
        &self,
        id: &str,
        make: impl FnOnce() -> Result<Arc<S>, E>,
    ) -> Result<Arc<S>, E> {
        match self.sessions.entry(id.into()) {
            Entry::Occupied(entry) => Ok(entry.get().clone()),
            Entry::Vacant(entry) => {
                let session = make()?;
                entry.insert(session.clone());
                Ok(session)
            }
        }
    }

    /// Removes the session. Requests can then no longer reach it.
    pub(crate) fn remove(&self, session: &S) {
        self.sessions.remove_if(session.id(), |_, found| std::ptr::eq(&**found, session));
    }

    /// Keeps a session that the application has closed, so that it can answer late requests. It is removed when no
    /// request has arrived for some time, or when too many other sessions have been closed.
    pub(crate) fn close(&self, session: &Arc<S>) {
        let Some(deadline) = session.deadline() else { return };
        let oldest = self.closing.lock().insert(deadline, session.clone());
        if let Some(oldest) = oldest {
            self.remove(&oldest);
        }
    }

    /// Removes the closed sessions whose time is over at `now`.
    pub(crate) fn expire(&self, now: Instant) {
        loop {
            let due = self.closing.lock().take_due(now);
            let Some(session) = due else { return };
            session.expire(now);
            self.close(&session);
        }
    }

    /// Returns the number of sessions that requests can reach.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Returns a reference that does not keep the registry alive.
    pub(crate) fn weak(self: &Arc<Registry<S>>) -> Weak<Registry<S>> {
        Arc::downgrade(self)
    }
}

impl<S> Closing<S> {
    /// Adds a session. If there are too many, removes and returns the session that is due first.
    fn insert(&mut self, at: Instant, session: Arc<S>) -> Option<Arc<S>> {
        self.next += 1;
        self.due.insert((at, self.next), session);
        if self.due.len() > CLOSING_MAX { self.due.pop_first().map(|(_, session)| session) } else { None }
    }

    fn take_due(&mut self, now: Instant) -> Option<Arc<S>> {
        let entry = self.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}
