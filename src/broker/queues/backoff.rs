//! The delay before a failed message is delivered again.

use crate::broker::options::Options;
use std::time::Duration;

/// Upper bound of the backoff, so that adding it to an `Instant` cannot overflow.
const BACKOFF_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the delay before a message that failed `failed` times is delivered again to the consumer that returned it.
/// After the first failure, the delay is zero.
pub(crate) fn backoff(options: &Options, failed: u32) -> Duration {
    let Some(doublings) = failed.checked_sub(2) else { return Duration::ZERO };
    let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
    options.redelivery_backoff.saturating_mul(factor).min(options.redelivery_backoff_max).min(BACKOFF_MAX)
}
