//! One step of a transaction, with the consumer that it refers to.

use crate::broker::handles::queue_consumer::Consumer;
use crate::command::{Publish, Settlement};
use crate::outbound_queue::Tag;

/// One step of a transaction. It corresponds to a [`Step`], but names a consumer of a queue instead of the key of a
/// subscription. The broker knows no keys, and a COMMIT may take several polls. The consumer stays the same if the
/// subscription ends in that time.
///
/// [`Step`]: crate::command::Step
#[derive(Debug)]
pub enum TransactionStep {
    /// Route a message to its audience.
    Publish(Box<Publish>),
    /// Settle deliveries of one consumer.
    Settle {
        /// The consumer that the deliveries were sent to.
        consumer: Consumer,
        /// The tags of the deliveries.
        tags: Vec<Tag>,
        /// The outcome of the deliveries.
        settlement: Settlement,
    },
}

impl TransactionStep {
    /// Returns the number of recipients of the step. Each recipient takes an allocation.
    pub fn recipients(&self) -> usize {
        match self {
            TransactionStep::Publish(publish) => publish.audience.recipients(),
            TransactionStep::Settle { .. } => 1,
        }
    }
}
