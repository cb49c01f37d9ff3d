//! The receiver of a subscription, and its options.

use crate::outbound_queue::{Key, OutboundQueue};
use std::sync::Arc;

/// The receiver of a subscription: the outbound queue of a connection, and the key of the subscription in this
/// connection.
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
    /// Number of unsettled bytes from which on the consumer gets no further message. The last message may exceed this
    /// number, so that one message of any size is always allowed.
    pub prefetch_bytes: usize,
    /// The consumer never gets a message whose body is not UTF-8. Such a message waits for another consumer. If a queue
    /// has only text-only consumers, the message moves to `/queue/dead.NAME` at once (`dead-reason:not-text`). A dead
    /// letter queue keeps the message instead, and a temporary queue drops and counts it. If a service is text only,
    /// such a message to `/app` goes to another service.
    pub text_only: bool,
    /// A watcher of presence gets the names of all users, regardless of their number.
    pub presence_names: bool,
}
