//! One step of a transaction.

use crate::broker::handles::queue_consumer::Consumer;
use crate::broker::publication::{Multicast, Publication};
use crate::broker::settlement::Settlement;
use crate::outbound_queue::Tag;

/// One step of a transaction.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum TransactionStep<'a> {
    Publish(Publication<'a>),
    PublishToUsers(Multicast<'a>),
    Settle { consumer: &'a Consumer, tags: &'a [Tag], settlement: Settlement },
}
