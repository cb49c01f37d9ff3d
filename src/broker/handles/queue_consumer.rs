//! The identity of a consumer of a queue, for the steps of a transaction.

use crate::broker::queues::consumer_id::ConsumerId;
use crate::broker::queues::queue::Queue;
use std::fmt;
use std::sync::Arc;

/// The identity of one consumer of a queue. It does not keep the subscription alive. Once the subscription has ended,
/// settling deliveries of this consumer has no effect.
#[derive(Clone)]
pub struct Consumer {
    pub(in crate::broker) queue: Arc<Queue>,
    pub(in crate::broker) id: ConsumerId,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Consumer").field(&self.id).finish()
    }
}
