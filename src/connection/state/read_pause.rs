//! The reasons for which a connection does not read from its client.

use crate::broker::Congested;
use std::time::Instant;

/// The reasons that pause the reading of a connection.
#[derive(Debug, Default)]
pub(crate) struct ReadPause {
    /// Receivers of published messages that are behind.
    pub(crate) congested: Vec<Congested>,
    /// Set while the byte budget is nearly used up: the time at which the pause ends at the latest.
    pub(crate) budget_until: Option<Instant>,
}

impl ReadPause {
    /// Returns whether there is a reason to pause.
    pub(crate) fn is_active(&self) -> bool {
        !self.congested.is_empty() || self.budget_until.is_some()
    }
}
