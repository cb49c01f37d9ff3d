//! What this session may do, as far as it was found out already.

use crate::destination::{Destination, Kind};

/// The last destination that was sent to and may be.
#[derive(Debug, Default)]
pub(super) struct AccessCache {
    last: Option<Destination>,
}

impl AccessCache {
    /// The destination of this text, if it was the last one.
    pub(super) fn last(&self, text: &str) -> Option<Destination> {
        self.last.as_ref().filter(|last| last.as_str() == text).cloned()
    }

    /// It was granted.
    pub(super) fn remember(&mut self, text: &str, destination: &Destination) {
        if destination.kind() != Kind::TempQueue && destination.as_str() == text {
            self.last = Some(destination.clone());
        }
    }

    /// The rules or the principal have changed.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }
}
