//! Settling deliveries.

use super::client::Client;
use crate::command::{Settle, Settlement};
use crate::outbound_queue::{Key, Tag};

impl Client {
    /// Returns the command to settle deliveries of the subscription `key`, or `None` if none of them comes from a work
    /// queue: the broker does not track deliveries of topics, whose tag is 0.
    pub fn settle(&self, key: Key, mut tags: Vec<Tag>, settlement: Settlement) -> Option<Settle> {
        tags.retain(|tag| *tag != 0);
        (!tags.is_empty()).then_some(Settle { key, tags, settlement })
    }
}
