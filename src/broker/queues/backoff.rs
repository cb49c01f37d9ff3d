//! The delay before a failed message is delivered again.

use crate::broker::options::Options;
use std::time::Duration;

/// Upper bound of the backoff: keeps the sum of a time and a backoff within the range of `Instant`.
const BACKOFF_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the backoff of a message that failed `failed` times, at the consumer that returned it: zero the first time.
pub(crate) fn backoff(options: &Options, failed: u32) -> Duration {
    let Some(doublings) = failed.checked_sub(2) else { return Duration::ZERO };
    let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
    options.redelivery_backoff.saturating_mul(factor).min(options.redelivery_backoff_max).min(BACKOFF_MAX)
}
