//! A rate-limited log of refused requests. It is limited because any page can make browsers send such requests.

use super::origin::OriginError;
use crate::transport::LogLimit;
use std::net::IpAddr;
use std::time::Instant;

/// The rate limit of the log lines.
#[derive(Debug, Default)]
pub(super) struct RejectionLog {
    limit: LogLimit,
}

impl RejectionLog {
    /// Logs a refusal, unless another one has just been logged.
    pub(super) fn log(&self, refused: &OriginError, address: IpAddr) {
        if let Some(others) = self.limit.due(Instant::now()) {
            tracing::warn!(
                refused = refused.what,
                option = refused.option,
                %address,
                others,
                "refused a request (403): if it should be answered, add it to the option"
            );
        }
    }
}
