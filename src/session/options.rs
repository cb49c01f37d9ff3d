//! The options of a session.

use crate::operations::TransactionLimits;
use crate::rejection::Rejection;
use std::time::Duration;
use stompbox_frames::stomp::HeartBeat;

/// Limits and defaults of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The broker's own heartbeat intervals in milliseconds (`heart-beat`, default 10000,10000). The session raises
    /// values from 1 to 499 to 500.
    pub heart_beat: HeartBeat,
    /// Longest time without a received byte before CONNECT is complete (`connect-silence`, default 10 s).
    pub connect_silence: Duration,
    /// Longest time from the start of the connection until CONNECT is complete (`connect-timeout`, default 60 s).
    pub connect_timeout: Duration,
    /// Largest number of subscriptions of a session (`subscriptions-max`, default 1000).
    pub subscriptions_max: usize,
    /// Largest memory of the subscriptions of a session in bytes (`subscription-bytes-max`, default 8 MiB). Unsettled
    /// deliveries count. The session checks the limit for deliveries. The connection task checks it for subscriptions.
    pub subscription_bytes_max: usize,
    /// Largest length in bytes of an identifier that a client chooses (`id-bytes-max`, default 1 KiB).
    pub id_bytes_max: usize,
    /// Largest number of open transactions of a session (`transactions-max`, default 100).
    pub transactions_max: usize,
    /// Largest number of frames in one open transaction (`transaction-frames-max`, default 10000).
    pub transaction_frames_max: usize,
    /// Largest size in bytes of the frames in all open transactions of a session (`transaction-bytes-max`, default 4
    /// MiB).
    pub transaction_bytes_max: usize,
    /// Largest number of unsettled deliveries of a subscription in a client mode (`unsettled-max`, default 10000). It
    /// also bounds the prefetch limit.
    pub unsettled_max: usize,
    /// Prefetch limit in messages if the SUBSCRIBE sets none (`prefetch-count`, default 250).
    pub prefetch_count: u32,
    /// Prefetch limit in bytes, unless the SUBSCRIBE sets a lower one (`prefetch-bytes`, default 1 MiB).
    pub prefetch_bytes: usize,
    /// Largest rate of frames per second (`frames-per-second-max`, default 0). 0 means no limit.
    pub frames_per_second_max: u32,
    /// Whether a SEND with headers that request unsupported features is rejected (`strict-headers`, default false).
    pub strict_headers: bool,
    /// Number of heartbeat intervals without input after which a client counts as lost (`heart-beat-tolerance`, default
    /// 2).
    pub heart_beat_tolerance: u32,
    /// The part of this broker's message IDs before the dash and the number. It changes at each start of the broker.
    pub boot_id: Box<str>,
    /// Value of the `server` header of CONNECTED, such as "stompbox/0.1.0".
    pub server: &'static str,
}

impl Options {
    /// Returns the limits of open transactions.
    pub fn transaction_limits(&self) -> TransactionLimits {
        TransactionLimits { frames_max: self.transaction_frames_max, bytes_max: self.transaction_bytes_max }
    }
}

impl Options {
    /// Checks that a client with `subscriptions` subscriptions may add one.
    ///
    /// # Errors
    /// The client has as many as `subscriptions-max` allows.
    pub(crate) fn check_subscriptions(&self, subscriptions: usize) -> Result<(), Rejection> {
        if subscriptions < self.subscriptions_max {
            return Ok(());
        }
        Err(Rejection::subscriptions(self.subscriptions_max))
    }

    /// Returns the number of unsettled messages that a consumer may have: `requested`, or `prefetch-count` if it is
    /// `None`. The result is at least 1 and at most `unsettled-max`.
    pub(crate) fn prefetch(&self, requested: Option<u32>) -> u32 {
        let max = u32::try_from(self.unsettled_max).unwrap_or(u32::MAX);
        requested.unwrap_or(self.prefetch_count).min(max).max(1)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            heart_beat: HeartBeat { can: 10_000, wants: 10_000 },
            connect_silence: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(60),
            subscriptions_max: 1000,
            subscription_bytes_max: 8 * 1024 * 1024,
            id_bytes_max: 1024,
            transactions_max: 100,
            transaction_frames_max: 10_000,
            transaction_bytes_max: 4 * 1024 * 1024,
            unsettled_max: 10_000,
            prefetch_count: 250,
            prefetch_bytes: 1024 * 1024,
            frames_per_second_max: 0,
            strict_headers: false,
            heart_beat_tolerance: 2,
            boot_id: Box::default(),
            server: concat!("stompbox/", env!("CARGO_PKG_VERSION")),
        }
    }
}
