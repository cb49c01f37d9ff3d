//! A cache for the permission check of SEND.

use crate::destination::{Destination, DestinationKind};
use stompbox_frames::stomp::Headers;

/// The last destination to which the client was allowed to send. The next SEND to it is not checked again.
#[derive(Debug, Default)]
pub(super) struct AccessCache {
    last: Option<Destination>,
}

impl AccessCache {
    /// Returns the cached destination if its text is `text`.
    pub(super) fn last(&self, text: &str) -> Option<Destination> {
        self.last.as_ref().filter(|last| last.as_str() == text).cloned()
    }

    /// Returns the cached destination if it is the header `destination` in `headers`.
    pub(super) fn last_of(&self, headers: &Headers) -> Option<Destination> {
        self.last.as_ref().filter(|last| headers.has("destination", last.as_str())).cloned()
    }

    /// Caches `destination` after a successful permission check. `text` is the destination as the client sent it. Does
    /// not cache temporary queues and destinations that the broker resolved from another text.
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
