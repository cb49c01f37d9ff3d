//! The log line about clients that are refused because of a connection limit.

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

/// Returns what `option` limits.
pub(super) fn held(option: &str) -> &'static str {
    if option.starts_with("sockjs-sessions") { "SockJS sessions" } else { "connections" }
}
