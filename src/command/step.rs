//! One step of a transaction.

use super::publish::Publish;
use super::settle::Settle;

/// One step of a transaction. The broker applies all steps of a transaction or none.
#[derive(Clone, Debug)]
pub enum Step {
    /// Route a message to its audience.
    Publish(Box<Publish>),
    /// Settle deliveries of a work queue.
    Settle(Settle),
}
