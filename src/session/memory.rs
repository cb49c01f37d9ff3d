//! What a session holds.

use super::Session;

impl Session {
    /// Memory of what is remembered of unsettled deliveries.
    pub fn held_bytes(&self) -> usize {
        self.subscriptions.unsettled_bytes()
    }

    /// Memory of subscriptions and temporary queues, beside the broker's.
    pub fn subscription_bytes(&self) -> usize {
        self.subscriptions.bytes() + self.temps.bytes()
    }

    /// Memory that transactions hold: bytes parked, and what each parked frame costs beside them.
    pub fn parked_bytes(&self) -> usize {
        self.transactions.bytes()
    }

    /// Open transactions.
    pub fn open_transactions(&self) -> usize {
        self.transactions.len()
    }
}
