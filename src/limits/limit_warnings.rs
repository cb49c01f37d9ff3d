//! Log lines about clients that are rejected because of a limit.

use super::log_limit::LogLimit;
use std::net::IpAddr;
use std::time::Instant;

/// Logs that the client at `address` is rejected because the limit of `option` is reached. Does nothing if `log` allows
/// no line now.
pub(crate) fn log_limit_reached(log: &LogLimit, option: &'static str, address: IpAddr) {
    if let Some(others) = log.due(Instant::now()) {
        tracing::warn!(
            limit = option,
            %address,
            others,
            "rejected a client: {option} is reached. Raise {option}, or find the clients that use so many {}.",
            limited_items(option)
        );
    }
}

/// Returns the plural noun for the items that `option` limits.
pub(crate) fn limited_items(option: &str) -> &'static str {
    if option.starts_with("sockjs-sessions") { "SockJS sessions" } else { "connections" }
}

/// A limiter of log lines about rejected input: unfinished frames, bodies and request heads.
#[derive(Debug, Default)]
pub(crate) struct InputRejections(LogLimit);

impl InputRejections {
    /// Logs that unfinished input of the client at `address` is rejected because the limit of `option` is reached.
    /// Writes at most one line a second.
    pub(crate) fn log(&self, option: &'static str, address: IpAddr) {
        if let Some(others) = self.0.due(Instant::now()) {
            tracing::warn!(
                limit = option,
                %address,
                others,
                "rejected the unfinished input of a client: {option} is reached. Raise {option}, or find the clients \
                 that send unfinished frames or requests."
            );
        }
    }
}
