//! Counts of receivers, which a RECEIPT reports.

use crate::broker::Published;

/// The numbers of sessions and services that received a message, or all messages of a transaction.
#[derive(Debug, Default)]
pub(crate) struct ReceiverCounts {
    sessions: Option<usize>,
    services: Option<usize>,
}

impl ReceiverCounts {
    /// Adds the receivers of one message.
    pub(crate) fn add(&mut self, published: &Published) {
        self.sessions = add_counts(self.sessions, published.sessions);
        self.services = add_counts(self.services, published.services);
    }

    /// Returns the headers of the RECEIPT that contain the counts.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        let sessions = self.sessions.map(|count| ("delivered-sessions", count.to_string()));
        let services = self.services.map(|count| ("delivered-services", count.to_string()));
        sessions.into_iter().chain(services).collect()
    }
}

fn add_counts(left: Option<usize>, right: Option<usize>) -> Option<usize> {
    if left.is_none() { right } else { left.map(|left| left + right.unwrap_or(0)) }
}
