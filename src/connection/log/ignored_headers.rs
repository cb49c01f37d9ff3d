//! Log lines about ignored headers of SEND: one a minute for each header, regardless of the number of clients.

use crate::connection::task::Connection;
use crate::limits::log_limit::Events;
use crate::session::Action;
use crate::wire::Wire;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time between two lines about one header.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The headers that have been logged. Their number is bounded, because their names come from the table of extension
/// headers.
#[derive(Debug, Default)]
pub(crate) struct IgnoredHeaders {
    by_name: Mutex<BTreeMap<&'static str, Events>>,
}

impl IgnoredHeaders {
    /// Counts a connection that sends this header. Returns the number of connections to report in a log line, or `None`
    /// if a line about this header was written less than a minute ago.
    fn record(&self, name: &'static str, now: Instant) -> Option<u64> {
        let others = self.by_name.lock().entry(name).or_default().due(LOG_INTERVAL, now)?;
        Some(others + 1)
    }
}

impl<W: Wire> Connection<W> {
    /// Logs an ignored header, or a frame that a rule forbids.
    pub(crate) fn log_action(&mut self, action: &Action, now: Instant) {
        match *action {
            Action::IgnoredHeader { name, reason, can_be_rejected } => {
                self.log_ignored_header(name, reason, can_be_rejected, now);
            }
            _ => self.log_denied(action),
        }
    }

    /// Logs a header that the session ignored for the first time.
    fn log_ignored_header(
        &self,
        name: &'static str,
        reason: &'static str,
        can_be_rejected: bool,
        now: Instant,
    ) {
        let Some(connections) = self.context.ignored_headers.record(name, now) else { return };
        let remedy = if can_be_rejected { "; set strict-headers to reject such frames" } else { "" };
        tracing::warn!(
            header = name,
            reason,
            connections,
            user = self.session.user(),
            address = %self.address,
            session = self.session.id(),
            "ignored a header of SEND: Stompbox does not support the requested feature{remedy}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_header_is_logged_once_a_minute_with_the_number_of_connections() {
        let (headers, start) = (IgnoredHeaders::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(headers.record("priority", after(0)), Some(1));
        assert_eq!(headers.record("expires", after(1)), Some(1));
        for second in 2..60 {
            assert_eq!(headers.record("priority", after(second)), None);
        }
        assert_eq!(headers.record("priority", after(60)), Some(59));
        assert_eq!(headers.record("priority", after(61)), None);
        assert_eq!(headers.record("expires", after(62)), Some(1));
    }
}
