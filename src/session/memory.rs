//! The memory that a session holds.

use super::Session;

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

    /// Returns the memory of transactions: bytes of the parked frames, and the overhead of each.
    pub fn parked_bytes(&self) -> usize {
        self.transactions.bytes()
    }

    /// Open transactions.
    pub fn open_transactions(&self) -> usize {
        self.transactions.len()
    }
}
