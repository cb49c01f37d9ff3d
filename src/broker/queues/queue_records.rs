//! The records that a queue writes to the journal.

use super::item::Item;
use super::queue::Queue;
use super::queue_state::QueueState;
use crate::broker::journal::{Record, Ticket};
use crate::command::Settlement;
use crate::outbound_queue::{Message, Tag};

impl Queue {
    /// Adds a message to the backlog, and records it.
    pub(super) fn append(&self, state: &mut QueueState, message: &Message) -> Option<Ticket> {
        let position = state.append(message.clone(), &self.context.metrics);
        self.context.record(|| Record::Enqueued { queue: &self.destination, position, message })
    }

    /// Counts and records a message that was removed without being accepted.
    pub(super) fn remove(&self, state: &mut QueueState, item: &Item) {
        state.count_removed(item, &self.context.metrics);
        self.context.record(|| Record::Dropped { queue: &self.destination, position: item.position });
    }

    /// Records the settlement of deliveries.
    pub(super) fn record_settled(&self, positions: &[Tag], settlement: Settlement) -> Option<Ticket> {
        self.context.record(|| Record::Settled { queue: &self.destination, positions, settlement })
    }
}
