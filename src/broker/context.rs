//! State shared by all topics and queues.

use super::clock::Clock;
use super::error::BrokerError;
use super::ids::Ids;
use super::options::Options;
use super::publication::Content;
use super::timer_queue::TimerQueue;
use crate::budget::{Budget, Reservation};
use crate::metrics::Metrics;
use crate::outbound_queue::Message;
use std::sync::Arc;
use stompbox_frames::message::MessageParts;

/// The option that sets the byte budget.
const MEMORY_OPTION: &str = "memory-bytes-max";

/// State shared by all topics and queues of one broker.
#[derive(Debug)]
pub(crate) struct BrokerContext {
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) budget: Arc<Budget>,
    /// The share of the budget to which subscriptions are charged.
    pub(super) share: Arc<Budget>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    /// The timers of queues, for redelivery after a backoff.
    pub(super) queue_timers: TimerQueue,
    /// The timers of presence trackers, for the next report.
    pub(super) presence_timers: TimerQueue,
}

impl BrokerContext {
    /// Creates the state of a broker whose message ids begin with `node`.
    pub(super) fn new(
        options: Options,
        node: &str,
        budget: Arc<Budget>,
        metrics: Arc<Metrics>,
    ) -> BrokerContext {
        BrokerContext {
            options,
            ids: Ids::new(node),
            share: budget.share(),
            budget,
            metrics,
            clock: Clock::new(),
            queue_timers: TimerQueue::default(),
            presence_timers: TimerQueue::default(),
        }
    }

    /// Checks that the byte budget admits new messages.
    pub(super) fn check_budget(&self) -> Result<(), BrokerError> {
        if !self.budget.is_exhausted() {
            return Ok(());
        }
        let usage = format!("The broker uses {} bytes of memory for its clients", self.budget.used());
        Err(BrokerError::full(MEMORY_OPTION, self.budget.bytes_max(), &usage))
    }

    /// Checks that the share for subscriptions admits `bytes` more bytes. The text of the ERROR names the `purpose`,
    /// such as "subscription".
    pub(super) fn check_share(&self, purpose: &str, bytes: usize) -> Result<(), BrokerError> {
        if self.share.admits(bytes) {
            return Ok(());
        }
        let detail = format!(
            "The broker has no memory for the {purpose}, which needs {bytes} bytes. The broker uses {} bytes for its \
             clients, {} of them for subscriptions and open transactions. {MEMORY_OPTION} allows {} bytes in total. A \
             quarter of them is for subscriptions and open transactions. Remove subscriptions or end transactions, \
             try again later, or ask the operator to raise {MEMORY_OPTION}.",
            self.budget.used(),
            self.share.used(),
            self.budget.bytes_max()
        );
        Err(BrokerError { summary: "memory limit reached", detail, limit: Some(MEMORY_OPTION) })
    }

    /// Reserves `bytes` for the memory that a transaction is about to add. Rejects a transaction that would add more
    /// than half of the free memory.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, BrokerError> {
        self.budget.reserve(bytes).ok_or_else(|| {
            let detail = format!(
                "The broker has no memory for the COMMIT, which needs {bytes} bytes. The broker uses {} bytes for its \
                 clients, and {MEMORY_OPTION} allows {} bytes. One transaction may use half of the free memory. The \
                 broker applied no step of the transaction. Send fewer messages in a transaction, try again later, or \
                 ask the operator to raise {MEMORY_OPTION}.",
                self.budget.used(),
                self.budget.bytes_max()
            );
            BrokerError { summary: "memory limit reached", detail, limit: Some(MEMORY_OPTION) }
        })
    }

    /// Creates a message with a new id. The message is encoded once, and its memory is charged to the budget.
    pub(super) fn message(&self, content: Content<'_>) -> Message {
        self.message_charged_to(&self.budget, content)
    }

    /// Creates a message that is retained for later subscribers. Its memory is charged to the share of subscriptions.
    pub(super) fn retained_message(&self, content: Content<'_>) -> Message {
        self.message_charged_to(&self.share, content)
    }

    fn message_charged_to(&self, budget: &Arc<Budget>, content: Content<'_>) -> Message {
        let Content { destination_header, headers, extra, body } = content;
        let parts =
            MessageParts { id: &self.ids.next(), destination: destination_header, headers, extra, body };
        Message::new(parts, |bytes| budget.charge(bytes))
    }
}
