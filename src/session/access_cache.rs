//! A cache of the last allowed destination of SEND.

use crate::destination::{Destination, DestinationKind};

/// A cache of the last destination that a SEND of the session was allowed to use.
#[derive(Debug, Default)]
pub(super) struct AccessCache {
    last: Option<Destination>,
}

impl AccessCache {
    /// Returns the cached destination if its text is `text`.
    pub(super) fn last(&self, text: &str) -> Option<Destination> {
        self.last.as_ref().filter(|last| last.as_str() == text).cloned()
    }

    /// Caches a destination after a successful permission check. Temporary queues, and destinations whose text was
    /// changed while they were resolved, are not cached.
    pub(super) fn remember(&mut self, text: &str, destination: &Destination) {
        if destination.kind() != DestinationKind::TempQueue && destination.as_str() == text {
            self.last = Some(destination.clone());
        }
    }

    /// Clears the cache after a change of the rules or of the principal.
    pub(super) fn clear(&mut self) {
        self.last = None;
    }
}
