//! The command to subscribe.

use crate::destination::Selector;
use crate::outbound_queue::Key;

/// The command to subscribe.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The key that the session has given to the subscription. Each delivery of the subscription contains it.
    pub key: Key,
    /// The resolved destination or pattern.
    pub selector: Selector,
    /// The options of the subscription.
    pub options: ConsumerOptions,
}

/// Options of a subscription. Topics ignore the prefetch limits (`prefetch`, `prefetch_bytes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Maximum number of messages of a work queue that the consumer has not settled.
    pub prefetch: u32,
    /// Number of unsettled bytes at which the consumer gets no further message. The last message may exceed this
    /// number, so that one message of any size is always allowed.
    pub prefetch_bytes: usize,
    /// The consumer never gets a message whose body is not UTF-8. Such a message waits for another consumer. If a queue
    /// has only text-only consumers, the message moves to `/queue/dead.NAME` at once (`dead-reason:not-text`). A dead
    /// letter queue keeps the message instead, and a temporary queue drops and counts it. If a service is text only,
    /// such a message to `/app` goes to another service.
    pub text_only: bool,
    /// A watcher of presence gets the names of all users, however many there are.
    pub presence_names: bool,
}
