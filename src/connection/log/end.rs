//! Logs and counts a connection that has ended.

use crate::connection::state::Connection;
use crate::rejection::Limit;
use crate::session::Closing;
use crate::wire::Wire;

/// Maximum number of frames of a health check that signs in, for each way in which it ends. It sends CONNECT and
/// DISCONNECT, or CONNECT only.
const CHECK_FRAMES: [(Closing, u64); 2] = [(Closing::Disconnected, 2), (Closing::PeerLeft, 1)];

/// Logs that the connection is closed, at the given level. This is a macro, because `tracing` needs a constant level.
macro_rules! log_closed {
    ($level:ident, $connection:expr, $closing:expr) => {
        tracing::$level!(
            reason = $closing.as_str(),
            limit = $closing.limit().map(Limit::option),
            error = $connection.session.error_summary(),
            user = $connection.session.user(),
            address = %$connection.peer.address,
            transport = $connection.io.wire.name(),
            session = $connection.session.id(),
            seconds = $connection.seconds(),
            frames_received = $connection.io.frames_received,
            bytes_received = $connection.io.bytes_received,
            frames_sent = $connection.io.frames_sent,
            bytes_sent = $connection.io.out.written(),
            skipped = $connection.io.messages_skipped,
            "connection closed"
        )
    };
}

impl<W: Wire> Connection<W> {
    /// Counts and logs the end of the connection.
    pub(crate) fn report(&mut self) {
        let closing = self.ending.as_ref().map_or(Closing::PeerLeft, |ending| ending.closing);
        self.context.unregister(&self.outbound_queue);
        self.context.metrics.closed(self.io.wire.name(), closing.as_str());
        match self.is_routine(closing) {
            true => log_closed!(debug, self, closing),
            false => log_closed!(info, self, closing),
        }
    }

    /// Returns whether the end of the connection is logged at debug. This applies to:
    ///
    /// - a connection that sent no byte
    /// - a health check from an address in `health-check-from` that only signed in and left
    /// - a wrong protocol
    /// - a failed login that the log does not show individually
    fn is_routine(&self, closing: Closing) -> bool {
        let frames_max = CHECK_FRAMES.iter().find(|(end, _)| *end == closing).map(|(_, frames)| *frames);
        let is_check = frames_max.is_some_and(|frames_max| self.io.frames_received <= frames_max);
        // When the broker detected a wrong protocol, it logged a line with the remedy.
        let is_logged_elsewhere =
            self.login.failure_suppressed || matches!(closing, Closing::NoData | Closing::WrongProtocol);
        is_logged_elsewhere || is_check && self.context.is_health_check(self.peer.address)
    }

    /// Returns the duration of the connection, in seconds to the millisecond.
    fn seconds(&self) -> f64 {
        (self.peer.began_at.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }
}
