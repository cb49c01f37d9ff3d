//! The memory that a session holds.

use super::Session;
use super::transactions::Discarded;
use crate::work;

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
        self.transactions.bytes() + discarded.map(|one| one.bytes).sum::<usize>()
    }

    /// Discards the frames of a transaction that is not committed. [`Session::free_discarded`] frees them.
    pub(super) fn discard(&mut self, discarded: Discarded) {
        if !discarded.parked.is_empty() {
            self.rare.get_or_insert_default().discarded.push(discarded);
        }
    }

    /// Returns whether discarded frames wait to be freed. The caller must free them before it handles the next frame.
    pub fn has_discarded(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.discarded.is_empty())
    }

    /// Frees one discarded frame.
    pub fn free_discarded(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        let Some(last) = rare.discarded.last_mut() else { return };
        if let Some(parked) = last.parked.pop() {
            work::add(parked.recipients());
        }
        if last.parked.is_empty() {
            rare.discarded.pop();
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
