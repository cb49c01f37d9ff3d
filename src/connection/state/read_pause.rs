//! The reasons why a connection does not read from its client for a while.

use crate::broker::Congested;
use std::time::Instant;

/// The reasons why reading is paused.
#[derive(Debug, Default)]
pub(crate) struct ReadPause {
    /// Receivers that are too slow for the messages that this connection has published.
    pub(crate) congested: Vec<Congested>,
    /// The time at which the pause because of the byte budget ends at the latest. `None` if there is no such pause.
    pub(crate) budget_until: Option<Instant>,
}

impl ReadPause {
    /// Returns whether there is a reason to pause.
    pub(crate) fn is_active(&self) -> bool {
        !self.congested.is_empty() || self.budget_until.is_some()
    }
}
