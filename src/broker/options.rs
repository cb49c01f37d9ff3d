//! The options of the broker.

use std::time::Duration;

/// Limits of queues and of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Maximum number of work queues, including dead letter queues but not temporary queues (`queues-max`).
    pub queues_max: usize,
    /// Maximum number of messages in one queue, including unsettled deliveries (`queue-messages-max`).
    pub queue_messages_max: usize,
    /// Maximum number of bytes of the messages in one queue, including unsettled deliveries (`queue-bytes-max`).
    pub queue_bytes_max: usize,
    /// Number of failed deliveries after which a message moves to `/queue/dead.NAME` (`max-deliveries`).
    pub max_deliveries: u32,
    /// Delay before a message is redelivered to the consumer that returned it (`redelivery-backoff`). The first
    /// redelivery is immediate. The second one is delayed by this time, and the delay doubles with each further one.
    pub redelivery_backoff: Duration,
    /// Upper limit of the redelivery delay (`redelivery-backoff-max`).
    pub redelivery_backoff_max: Duration,
    /// Maximum number of present users for which watchers get names (`presence-names-max`). If there are more, only
    /// watchers that ask for names get them. The others get numbers.
    pub presence_names_max: usize,
    /// Delay before watchers are told that a user has left (`presence-grace`). A user that comes back within this time
    /// is not reported.
    pub presence_grace: Duration,
    /// Minimum time between two reports to watchers (`presence-interval`).
    pub presence_interval: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            queues_max: 100_000,
            queue_messages_max: 1_000_000,
            queue_bytes_max: 256 * 1024 * 1024,
            max_deliveries: 20,
            redelivery_backoff: Duration::from_millis(10),
            redelivery_backoff_max: Duration::from_millis(250),
            presence_names_max: 1_000,
            presence_grace: Duration::from_secs(3),
            presence_interval: Duration::from_millis(100),
        }
    }
}
