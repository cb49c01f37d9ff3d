//! The options of the broker.

use std::time::Duration;

/// Limits of queues and of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Maximum number of work queues, dead letter queues included (`queues-max`). Temporary queues do not count.
    pub queues_max: usize,
    /// Maximum number of messages in one queue, unsettled deliveries included (`queue-messages-max`).
    pub queue_messages_max: usize,
    /// Maximum number of bytes of the messages in one queue, unsettled deliveries included (`queue-bytes-max`).
    pub queue_bytes_max: usize,
    /// Number of failed deliveries after which a message moves to `/queue/dead.NAME` (`max-deliveries`).
    pub max_deliveries: u32,
    /// Delay before a message is redelivered to the consumer that returned it (`redelivery-backoff`). The first
    /// redelivery is immediate, the second waits this long, and each further one waits twice as long as the one before.
    pub redelivery_backoff: Duration,
    /// Upper limit of the redelivery delay (`redelivery-backoff-max`).
    pub redelivery_backoff_max: Duration,
    /// Largest number of present users for which watchers get names. Above it they get numbers, unless they ask for
    /// names (`presence-names-max`).
    pub presence_names_max: usize,
    /// Time within which a user can come back without being reported as having left (`presence-grace`).
    pub presence_grace: Duration,
    /// Shortest time between two reports to watchers (`presence-interval`).
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
