//! The receiver of a subscription, and its options.

use crate::outbound_queue::{Key, OutboundQueue};
use std::sync::Arc;

/// The receiver of a subscription: a connection's outbound queue and its key for the subscription.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Subscriber {
    pub outbound_queue: Arc<OutboundQueue>,
    pub key: Key,
}

/// Options of a subscription. Topics ignore the credit (`prefetch`, `prefetch_bytes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Maximum number of messages of a work queue that the consumer has not settled.
    pub prefetch: u32,
    /// Number of unsettled bytes from which the consumer gets no further message. The message that exceeds it is still
    /// delivered, so that one message is always allowed.
    pub prefetch_bytes: usize,
    /// The consumer never gets a message whose body is not UTF-8. Such a message waits for another consumer. If all
    /// consumers of the queue are text only, and there is at least one, the message moves to `/queue/dead.NAME` at once
    /// (`dead-reason:not-text`). It stays if it is in a dead letter queue already, and is dropped and counted if it is
    /// in a temporary queue. A text-only service is skipped for such a message.
    pub text_only: bool,
    /// The watcher of presence gets names, however many there are.
    pub presence_names: bool,
}
