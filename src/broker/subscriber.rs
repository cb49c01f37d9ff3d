//! The receiver of a subscription.

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
