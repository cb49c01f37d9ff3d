//! State shared by all topics and queues.

use super::clock::Clock;
use super::dead_letter_log::DeadLetterLog;
use super::ids::Ids;
use super::presence::PresenceTracker;
use super::publication::Content;
use super::queue::Queue;
use super::timer_queue::TimerQueue;
use super::{BrokerError, Options};
use crate::budget::{Budget, Reservation};
use crate::metrics::Metrics;
use crate::outbound_queue::Message;
use std::sync::Arc;
use stompbox_frames::message::Parts;

/// The option that sets the byte budget.
const MEMORY: &str = "memory-bytes-max";

/// State shared by all topics and queues of one broker.
#[derive(Debug)]
pub(super) struct BrokerContext {
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) budget: Arc<Budget>,
    /// The share of the budget to which subscriptions are charged.
    pub(super) share: Arc<Budget>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) timers: TimerQueue<Queue>,
    pub(super) presence_timers: TimerQueue<PresenceTracker>,
    pub(super) dead_letter_log: DeadLetterLog,
}

impl BrokerContext {
    /// Checks that the byte budget admits new messages.
    pub(super) fn check_budget(&self) -> Result<(), BrokerError> {
        if !self.budget.is_exhausted() {
            return Ok(());
        }
        let what = format!("the broker holds {} bytes for all its clients", self.budget.used());
        Err(BrokerError::full(MEMORY, self.budget.bytes_max(), &what))
    }

    /// Checks that the share for subscriptions has room for `bytes` more bytes. `what` says in the ERROR what needs
    /// them: a subscription, a temporary queue or a transaction.
    pub(super) fn check_share(&self, what: &str, bytes: usize) -> Result<(), BrokerError> {
        if self.share.admits(bytes) {
            return Ok(());
        }
        let detail = format!(
            "A {what} that needs {bytes} bytes has no room: all clients together hold {} bytes, {} of them for \
             subscriptions and names of transactions. {MEMORY} allows {}, of which a quarter is for these. Subscribe \
             to less, end transactions, try again later, or ask the operator to raise {MEMORY}.",
            self.budget.used(),
            self.share.used(),
            self.budget.bytes_max()
        );
        Err(BrokerError { summary: "memory limit reached", detail, limit: Some(MEMORY) })
    }

    /// Reserves `bytes` that a transaction is about to add. Refuses more than half of the free memory.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, BrokerError> {
        self.budget.reserve(bytes).ok_or_else(|| {
            let detail = format!(
                "COMMIT would make the broker hold {bytes} bytes more. It holds {} bytes for all its clients, \
                 {MEMORY} allows {}, and one transaction may take half of what is left. Nothing of the transaction \
                 was done. Commit less at a time, try again later, or ask the operator to raise {MEMORY}.",
                self.budget.used(),
                self.budget.bytes_max()
            );
            BrokerError { summary: "memory limit reached", detail, limit: Some(MEMORY) }
        })
    }

    /// Creates a message with a new id. It is encoded once, and its memory is charged to the budget.
    pub(super) fn message(&self, content: Content<'_>) -> Message {
        self.message_charged_to(&self.budget, content)
    }

    /// Creates a message that is kept for later subscribers. Its memory is charged to the share of subscriptions.
    pub(super) fn kept_message(&self, content: Content<'_>) -> Message {
        self.message_charged_to(&self.share, content)
    }

    fn message_charged_to(&self, budget: &Arc<Budget>, content: Content<'_>) -> Message {
        let Content { shown, headers, extra, body } = content;
        let parts = Parts { id: &self.ids.next(), destination: shown, headers, extra, body };
        Message::new(parts, |bytes| budget.charge(bytes))
    }
}
