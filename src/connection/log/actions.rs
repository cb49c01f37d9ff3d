//! Log lines about ignored headers and denied requests.

use crate::connection::state::Connection;
use crate::rejection::Denial;
use crate::session::Action;
use crate::wire::Wire;
use std::time::Instant;

/// Maximum number of denied requests of one connection that are logged. All are counted.
const DENIED_LOGGED_MAX: u64 = 10;

impl<W: Wire> Connection<W> {
    /// Logs an ignored header, or a request that a rule denies.
    pub(crate) fn log_action(&mut self, action: &Action, now: Instant) {
        match action {
            &Action::IgnoredHeader { name, reason, can_be_rejected } => {
                self.log_ignored_header(name, reason, can_be_rejected, now);
            }
            Action::AccessDenied(denial) => self.log_denied(denial),
            _ => {}
        }
    }

    /// Logs that the session ignored a header. The session reports each header only once.
    fn log_ignored_header(
        &self,
        name: &'static str,
        reason: &'static str,
        can_be_rejected: bool,
        now: Instant,
    ) {
        let Some(connections) = self.context.ignored_headers.record(name, now) else { return };
        let remedy = if can_be_rejected { " Set strict-headers to reject such frames." } else { "" };
        tracing::warn!(
            header = name,
            reason,
            connections,
            user = self.session.user(),
            address = %self.peer.address,
            session = self.session.id(),
            "ignored a header of SEND. Stompbox does not support the requested feature.{remedy}"
        );
    }

    /// Counts a request that a rule denies, and logs the first [`DENIED_LOGGED_MAX`] of them. A client may keep its
    /// connection after a denied request. Without this limit, it could fill the log.
    fn log_denied(&mut self, denial: &Denial) {
        self.context.metrics.access_denied.inc();
        self.peer.requests_denied += 1;
        if self.peer.requests_denied <= DENIED_LOGGED_MAX {
            tracing::info!(
                verb = denial.verb,
                destination = &*denial.destination,
                rule = &*denial.rule,
                user = self.session.user(),
                address = %self.peer.address,
                session = self.session.id(),
                "access denied"
            );
        }
    }
}
