//! The headers of a RECEIPT that report the numbers of receivers.

use crate::broker::ReceiverCounts;

/// Returns the headers of the RECEIPT that contain the counts.
pub(crate) fn receipt_headers(receivers: &ReceiverCounts) -> Vec<(&'static str, String)> {
    let sessions = receivers.sessions.map(|count| ("delivered-sessions", count.to_string()));
    let services = receivers.services.map(|count| ("delivered-services", count.to_string()));
    sessions.into_iter().chain(services).collect()
}
