//! A rate-limited log of rejected requests. Without the limit, any page could fill the log by making browsers send such
//! requests.

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
    /// Logs a rejection, unless another rejection has just been logged.
    pub(super) fn log(&self, rejected: &OriginError, address: IpAddr) {
        if let Some(others) = self.limit.due(Instant::now()) {
            tracing::warn!(
                refused = rejected.cause,
                option = rejected.option,
                %address,
                others,
                "rejected a request (403); to allow such requests, extend the option named in this line"
            );
        }
    }
}
