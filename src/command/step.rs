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

impl Step {
    /// Returns the number of recipients of the step. Each recipient takes an allocation.
    pub fn recipients(&self) -> usize {
        match self {
            Step::Publish(publish) => publish.audience.recipients(),
            Step::Settle(_) => 1,
        }
    }
}
