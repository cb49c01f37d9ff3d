//! The limits of outbound queues.

use std::time::Duration;

/// Limits of an outbound queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Maximum number of bytes waiting for one receiver. Up to four times as many may wait during the grace period.
    pub outbound_queue_bytes_max: usize,
    /// The grace period: how long publishers wait for a receiver whose queue is above one half of the limit.
    pub slow_consumer_grace: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { outbound_queue_bytes_max: 4 * 1024 * 1024, slow_consumer_grace: Duration::from_secs(1) }
    }
}
