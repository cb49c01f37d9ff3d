//! Log lines about clients that are refused because of a limit.

use super::log_limit::LogLimit;
use std::net::IpAddr;
use std::time::Instant;

/// Logs that the client at `address` is refused because the limit of `option` is reached, as often as `log` allows.
pub(super) fn log_full(log: &LogLimit, option: &'static str, address: IpAddr) {
    if let Some(others) = log.due(Instant::now()) {
        tracing::warn!(
            limit = option,
            %address,
            others,
            "refused a client: {option} is reached; raise it, or find out who holds so many {}",
            held(option)
        );
    }
}

/// Returns a plural noun for the things that `option` limits.
pub(super) fn held(option: &str) -> &'static str {
    if option.starts_with("sockjs-sessions") { "SockJS sessions" } else { "connections" }
}

/// Limits the log lines about unfinished frames, bodies and request heads that are refused.
#[derive(Debug, Default)]
pub(super) struct InputRejections(LogLimit);

impl InputRejections {
    /// Logs that unfinished input of the client at `address` is refused because the limit of `option` is reached, at
    /// most once a second.
    pub(super) fn log(&self, option: &'static str, address: IpAddr) {
        if let Some(others) = self.0.due(Instant::now()) {
            tracing::warn!(
                limit = option,
                %address,
                others,
                "refused the unfinished input of a client: {option} is reached; raise it, or find out which \
                 clients send unfinished frames or requests"
            );
        }
    }
}
