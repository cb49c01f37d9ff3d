//! The records that a queue writes to the journal.

use super::dead_letter::PushedDeadLetter;
use super::item::Item;
use super::queue::{Queue, QueueClosed};
use super::queue_state::QueueState;
use crate::broker::journal::{Journal, Record, RecordedQueue, Ticket};
use crate::outbound_queue::{Message, Tag};

impl Queue {
    /// Returns the journal, or `None` if there is none or the queue is closed: no record of a queue follows
    /// [`Record::Closed`].
    pub(super) fn journal(&self, state: &QueueState) -> Option<&dyn Journal> {
        self.context.journal.as_deref().filter(|_| !state.is_closed)
    }

    /// Returns the queue as records refer to it.
    pub(super) fn recorded(&self) -> RecordedQueue<'_> {
        RecordedQueue { destination: &self.destination, id: self.id }
    }

    /// Adds a message to the backlog, and records it.
    pub(super) fn append(&self, state: &mut QueueState, message: &Message) -> Option<Ticket> {
        let position = state.append(message.clone(), &self.context.metrics);
        self.context.record(|| Record::Enqueued { queue: self.recorded(), position, message })
    }

    /// Adds a dead letter, which takes the place of the message at `position` of `origin`. Drops the oldest messages
    /// that are not outstanding until there is space. Does not add the dead letter if this does not make enough space.
    ///
    /// The message has already left `origin`, and the queue `origin` is not locked. One record describes the whole move:
    /// for a store, the message stays in `origin` until then.
    pub(crate) fn push_dead_letter(
        &self,
        dead_letter: &Message,
        origin: &Queue,
        position: Tag,
    ) -> Result<PushedDeadLetter, QueueClosed> {
        self.if_open(|state| {
            let mut pushed = PushedDeadLetter::default();
            while self.check_capacity(state, dead_letter.size()).is_err() {
                let Some(oldest) = state.backlog.oldest() else { return pushed };
                let oldest = state.backlog.take(oldest);
                state.count_removed(&oldest, &self.context.metrics);
                self.record_dropped_in(state, oldest.position);
                pushed.dropped += 1;
            }
            let to_position = state.append(dead_letter.clone(), &self.context.metrics);
            pushed.is_accepted = true;
            pushed.ticket = self.context.record(|| Record::Moved {
                queue: origin.recorded(),
                position,
                to: self.recorded(),
                to_position,
                message: dead_letter,
            });
            self.deliver(state, None);
            pushed
        })
    }

    /// Records that a message, which has already left the queue, was dropped.
    pub(crate) fn record_dropped(&self, position: Tag) -> Option<Ticket> {
        self.context.journal.as_ref()?;
        self.record_dropped_in(&self.state.lock(), position)
    }

    fn record_dropped_in(&self, state: &QueueState, position: Tag) -> Option<Ticket> {
        self.journal(state)?.record(Record::Dropped { queue: self.recorded(), position })
    }

    /// Records that deliveries were given back without a settlement, because their consumer has left.
    pub(super) fn record_requeued(&self, state: &QueueState, items: &[Item]) {
        if let Some(journal) = self.journal(state)
            && !items.is_empty()
        {
            let deliveries: Vec<(Tag, u32)> = items.iter().map(|item| (item.position, item.sent)).collect();
            journal.record(Record::Requeued { queue: self.recorded(), deliveries: &deliveries });
        }
    }

    /// Records that the queue and all of its messages are about to be removed.
    pub(super) fn record_closed(&self, state: &QueueState) {
        if let Some(journal) = self.journal(state) {
            journal.record(Record::Closed { queue: self.recorded() });
        }
    }
}
