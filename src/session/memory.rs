//! The memory that a session holds.

use super::transactions::texts_bytes;
use super::{Publish, Session, Target};
use crate::work;

/// A discarded frame with more recipients than this is freed in a step of its own: each recipient is an allocation.
const RECIPIENTS_FREED_MAX: usize = 256;

impl Session {
    /// Returns the memory of the records of unsettled deliveries.
    pub fn held_bytes(&self) -> usize {
        self.subscriptions.unsettled_bytes()
    }

    /// Returns the number of deliveries that wait for an ACK or NACK, of all subscriptions.
    pub fn unsettled(&self) -> usize {
        self.subscriptions.iter().map(|subscription| subscription.unsettled.len()).sum()
    }

    /// Returns the memory of subscriptions and temporary queues, without the broker's part.
    pub fn subscription_bytes(&self) -> usize {
        self.subscriptions.bytes() + self.temps.bytes()
    }

    /// Returns the memory of transactions: the bytes of the parked frames, and the overhead of each. Discarded frames
    /// count until they are freed.
    pub fn parked_bytes(&self) -> usize {
        let discarded = self.rare.iter().flat_map(|rare| &rare.discarded);
        self.transactions.bytes() + discarded.map(texts_bytes).sum::<usize>()
    }

    /// Discards a frame of a transaction that is not sent. A frame with many recipients is kept until
    /// [`Session::free_discarded`] frees it; others are freed at once.
    pub fn discard(&mut self, publish: Box<Publish>) {
        if recipients(&publish) > RECIPIENTS_FREED_MAX {
            self.rare.get_or_insert_default().discarded.push(*publish);
        }
    }

    /// Returns whether discarded frames wait to be freed. The caller must free them before it handles the next frame.
    pub fn has_discarded(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.discarded.is_empty())
    }

    /// Frees one discarded frame.
    pub fn free_discarded(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        if let Some(publish) = rare.discarded.pop() {
            work::add(recipients(&publish));
        }
        if rare.discarded.is_empty() {
            rare.discarded = Vec::new();
        }
    }

    /// Open transactions.
    pub fn open_transactions(&self) -> usize {
        self.transactions.len()
    }
}

fn recipients(publish: &Publish) -> usize {
    match &publish.to {
        Target::Users(owners, _) => owners.len(),
        Target::One(_) => 1,
    }
}
