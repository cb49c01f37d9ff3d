//! The memory that a session uses, and its long-running work, which it does in portions.

use crate::session::machine::Session;
use crate::session::transactions::{Discarded, Transactions};
use crate::work;
use stompbox_frames::stomp::Frame;

impl Session {
    /// Returns the memory in bytes of the records of unsettled deliveries, and of receipts that wait.
    pub fn held_bytes(&self) -> usize {
        self.subscriptions.unsettled_bytes() + self.receipts.bytes()
    }

    /// Returns whether so many receipts wait for the outcome of an earlier frame that the caller should handle no
    /// further frame.
    pub fn has_many_receipts(&self) -> bool {
        self.receipts.is_full()
    }

    /// Returns the number of deliveries of all subscriptions that wait for an ACK or NACK.
    pub fn unsettled(&self) -> usize {
        self.subscriptions.iter().map(|subscription| subscription.unsettled.len()).sum()
    }

    /// Returns the number of messages that wait for an ACK or NACK, without those from work queues.
    pub fn unsettled_broadcasts(&self) -> usize {
        work::add_visits(self.subscriptions.len());
        self.subscriptions.iter().map(|subscription| subscription.unsettled.broadcasts()).sum()
    }

    /// Returns the memory in bytes that the session itself uses for subscriptions and temporary queues. The broker uses
    /// additional memory for them.
    pub fn subscription_bytes(&self) -> usize {
        self.subscriptions.bytes() + self.client.temp_queues_bytes()
    }

    /// Returns the memory in bytes of open transactions, without their parked frames.
    pub fn transaction_bytes(&self) -> usize {
        self.transactions.open_bytes()
    }

    /// Returns the memory in bytes that a BEGIN adds to [`Session::transaction_bytes`].
    pub fn begin_bytes(begin: &Frame) -> usize {
        begin.header("transaction").map_or(0, |id| Transactions::bytes_of(&id))
    }

    /// Returns the memory in bytes of parked frames, including the overhead of each frame. Discarded frames count until
    /// they are freed.
    pub fn parked_bytes(&self) -> usize {
        let discarded = self.rare.iter().flat_map(|rare| &rare.discarded);
        self.transactions.held_bytes() + discarded.map(|one| one.bytes).sum::<usize>()
    }

    /// Discards the frames of a transaction that is not committed. [`Session::run_deferred_step`] frees them later.
    pub(super) fn discard(&mut self, discarded: Discarded) {
        if !discarded.parked.is_empty() {
            self.rare.get_or_insert_default().discarded.push(discarded);
        }
    }

    fn has_discarded(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.discarded.is_empty())
    }

    /// Returns whether parked frames must be checked against new rules, or discarded frames must be freed. If so, the
    /// caller must call [`Session::run_deferred_step`] before it handles the next frame. It must repeat the call until
    /// this function returns `false`.
    pub fn has_deferred_work(&self) -> bool {
        self.transactions.has_unchecked() || self.has_discarded()
    }

    /// Checks one parked frame against the new rules, or frees one discarded frame.
    pub fn run_deferred_step(&mut self) {
        if self.transactions.has_unchecked() { self.check_next_parked() } else { self.free_discarded() }
    }

    fn free_discarded(&mut self) {
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

    /// Returns the number of open transactions.
    pub fn open_transactions(&self) -> usize {
        self.transactions.len()
    }
}
