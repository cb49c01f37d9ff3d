//! A log of rejected requests with a rate limit. Without the limit, any page could make browsers send such requests,
//! and so fill the log.

use super::policy::origin_error::OriginError;
use crate::limits::log_limit::LogLimit;
use std::net::IpAddr;
use std::time::Instant;

/// A log of rejected requests with a rate limit.
#[derive(Debug, Default)]
pub(super) struct RejectionLog {
    limit: LogLimit,
}

impl RejectionLog {
    /// Logs a rejection. Does nothing if another rejection has just been logged.
    pub(super) fn log(&self, rejected: &OriginError, address: IpAddr) {
        if let Some(others) = self.limit.due(Instant::now()) {
            tracing::warn!(
                refused = rejected.cause,
                option = rejected.option,
                %address,
                others,
                "rejected a request (403). To allow such requests, extend the option that this line names."
            );
        }
    }
}
