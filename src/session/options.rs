//! Limits and habits.

use std::time::Duration;
use stompbox_frames::stomp::HeartBeat;

/// Limits and habits of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The broker's own heart-beat, milliseconds (`heart-beat`, default 10000,10000); a value between 0 and
    /// 500 counts as 500.
    pub heart_beat: HeartBeat,
    /// `connect-silence` (10 s): from the start or the last byte, until CONNECT is complete.
    pub connect_silence: Duration,
    /// `connect-timeout` (60 s): in all until CONNECT is complete.
    pub connect_timeout: Duration,
    /// `destination-bytes-max` (1024).
    pub destination_bytes_max: usize,
    /// `subscriptions-max` (1000).
    pub subscriptions_max: usize,
    /// `subscription-bytes-max` (8 MiB), which includes unsettled deliveries. The connection checks the rest.
    pub subscription_bytes_max: usize,
    /// `id-bytes-max` (1 KiB): names that a client chooses.
    pub id_bytes_max: usize,
    /// `transactions-max` (100).
    pub transactions_max: usize,
    /// `transaction-frames-max` (10000): frames in one open transaction.
    pub transaction_frames_max: usize,
    /// `transaction-bytes-max` (4 MiB): bytes parked in all open transactions of a connection.
    pub transaction_bytes_max: usize,
    /// `temp-queues-max` (100).
    pub temp_queues_max: usize,
    /// `unsettled-max` (10000): unsettled deliveries of a subscription in a client mode. No prefetch is
    /// greater.
    pub unsettled_max: usize,
    /// `prefetch-count` (250) unless the SUBSCRIBE says otherwise.
    pub prefetch_count: u32,
    /// `frames-per-second-max` (0: off).
    pub frames_per_second_max: u32,
    /// `header-bytes-max` (16 KiB): bytes of a header line; frames come with no longer one but `to`.
    pub header_bytes_max: usize,
    /// `to-bytes-max` (256 KiB): bytes of the header `to` of a SEND to `/users/`.
    pub to_bytes_max: usize,
    /// `to-names-max` (10000): names in it.
    pub to_names_max: usize,
    /// `show-sender` (false): MESSAGEs of topics and queues say in `user-name` who sent them, too.
    pub show_sender: bool,
    /// `strict-headers` (false): a SEND whose headers ask for missing features is refused.
    pub strict_headers: bool,
    /// `heart-beat-tolerance` (2): number of silent intervals after which a client is lost.
    pub heart_beat_tolerance: u32,
    /// DeliveryHeaders of this broker's message-ids, before the dash and the number. It changes at each start.
    pub boot_id: Box<str>,
    /// `server` header of CONNECTED, "stompbox/0.1.0".
    pub server: &'static str,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            heart_beat: HeartBeat { can: 10_000, wants: 10_000 },
            connect_silence: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(60),
            destination_bytes_max: 1024,
            subscriptions_max: 1000,
            subscription_bytes_max: 8 * 1024 * 1024,
            id_bytes_max: 1024,
            transactions_max: 100,
            transaction_frames_max: 10_000,
            transaction_bytes_max: 4 * 1024 * 1024,
            temp_queues_max: 100,
            unsettled_max: 10_000,
            prefetch_count: 250,
            frames_per_second_max: 0,
            header_bytes_max: 16 * 1024,
            to_bytes_max: 256 * 1024,
            to_names_max: 10_000,
            show_sender: false,
            strict_headers: false,
            heart_beat_tolerance: 2,
            boot_id: Box::default(),
            server: concat!("stompbox/", env!("CARGO_PKG_VERSION")),
        }
    }
}
