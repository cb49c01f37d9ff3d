//! One line about requests that were refused, but not one for each: any page can make a browser ask.

use super::origin::Refused;
use crate::transport::LogLimit;
use std::net::IpAddr;
use std::time::Instant;

/// When a refusal was last logged.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    limit: LogLimit,
}

impl RefusalLog {
    /// Logs the refusal, unless another one was logged just before.
    pub(super) fn log(&self, refused: &Refused, address: IpAddr) {
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
