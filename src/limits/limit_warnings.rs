//! Log lines about clients that are rejected because of a limit.

use super::log_limit::LogLimit;
use crate::rejection::Limit;
use std::net::IpAddr;
use std::time::Instant;

/// Logs that the client at `address` is rejected because `limit` is reached. Does nothing if `log` allows
/// no line now.
pub(crate) fn log_limit_reached(log: &LogLimit, limit: Limit, address: IpAddr) {
    if let Some(others) = log.due(Instant::now()) {
        tracing::warn!(
            limit = limit.option(),
            %address,
            others,
            "rejected a client: {limit} is reached. Raise {limit}, or find the clients that use so many {}.",
            limited_items(limit)
        );
    }
}

/// Returns the plural noun for the items that are limited.
pub(crate) fn limited_items(limit: Limit) -> &'static str {
    match limit {
        Limit::SockjsSessions | Limit::SockjsSessionsPerAddress => "SockJS sessions",
        _ => "connections",
    }
}

/// A limiter of log lines about rejected input: unfinished frames, bodies and request heads.
#[derive(Debug, Default)]
pub(crate) struct InputRejections(LogLimit);

impl InputRejections {
    /// Logs that unfinished input of the client at `address` is rejected because `limit` is reached.
    /// Writes at most one line a second.
    pub(crate) fn log(&self, limit: Limit, address: IpAddr) {
        if let Some(others) = self.0.due(Instant::now()) {
            tracing::warn!(
                limit = limit.option(),
                %address,
                others,
                "rejected the unfinished input of a client: {limit} is reached. Raise {limit}, or find the clients \
                 that send unfinished frames or requests."
            );
        }
    }
}
