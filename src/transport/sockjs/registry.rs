//! The SockJS sessions over HTTP of one service, by the ids that their clients chose.

use super::shared_session::SharedSession;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Sessions that are over and still say so, at most: they hold no permit.
const CLOSING_MAX: usize = 8192;

/// The sessions that can be reached.
#[derive(Default)]
pub(super) struct Registry {
    sessions: DashMap<Box<str>, Arc<SharedSession>>,
    closing: Mutex<Closing>,
}

/// Those that the application has ended, and when to look whether they can be forgotten.
#[derive(Default)]
struct Closing {
    due: BTreeMap<(Instant, u64), Arc<SharedSession>>,
    next: u64,
}

impl Registry {
    /// The session with this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<SharedSession>> {
        self.sessions.get(id).map(|link| link.clone())
    }

    /// The session with this id; `make` makes it if there is none.
    pub(super) fn find_or_make<E>(
        &self,
        id: &str,
        make: impl FnOnce() -> Result<Arc<SharedSession>, E>,
    ) -> Result<Arc<SharedSession>, E> {
        match self.sessions.entry(id.into()) {
            Entry::Occupied(entry) => Ok(entry.get().clone()),
            Entry::Vacant(entry) => {
                let link = make()?;
                entry.insert(link.clone());
                Ok(link)
            }
        }
    }

    /// Nobody reaches the session any more.
    pub(super) fn forget(&self, link: &SharedSession) {
        self.sessions.remove_if(link.id(), |_, found| std::ptr::eq(&**found, link));
    }

    /// The session was ended by its application; it is forgotten when nobody has asked for a while, or when too many
    /// others have ended since.
    pub(super) fn close(&self, link: &Arc<SharedSession>) {
        let Some(deadline) = link.deadline() else { return };
        let oldest = self.closing.lock().insert(deadline, link.clone());
        if let Some(oldest) = oldest {
            self.forget(&oldest);
        }
    }

    /// Forgets what is over by `now`.
    pub(super) fn expire(&self, now: Instant) {
        loop {
            let due = self.closing.lock().take_due(now);
            let Some(link) = due else { return };
            link.expire(now);
            self.close(&link);
        }
    }

    /// Sessions that can be reached.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// A reference that does not keep it.
    pub(super) fn weak(self: &Arc<Registry>) -> Weak<Registry> {
        Arc::downgrade(self)
    }
}

impl Closing {
    /// Returns one that there is no room for any more.
    fn insert(&mut self, at: Instant, link: Arc<SharedSession>) -> Option<Arc<SharedSession>> {
        self.next += 1;
        self.due.insert((at, self.next), link);
        if self.due.len() > CLOSING_MAX { self.due.pop_first().map(|(_, link)| link) } else { None }
    }

    fn take_due(&mut self, now: Instant) -> Option<Arc<SharedSession>> {
        let entry = self.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}
