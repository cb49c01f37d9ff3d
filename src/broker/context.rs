//! State shared by all topics and queues.

use super::clock::Clock;
use super::ids::{Ids, QueueIds};
use super::journal::{Journal, Record, Ticket};
use super::options::Options;
use super::timer_queue::TimerQueue;
use crate::budget::{Budget, Reservation};
use crate::command::Publish;
use crate::metrics::Metrics;
use crate::outbound_queue::{Message, NodeId};
use crate::rejection::{Limit, Rejection};
use std::sync::Arc;
use stompbox_frames::message::MessageParts;
use stompbox_frames::stomp::Headers;

/// State shared by all topics and queues of one broker.
#[derive(Debug)]
pub(crate) struct BrokerContext {
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) queue_ids: QueueIds,
    pub(super) budget: Arc<Budget>,
    /// The share of the budget to which subscriptions are charged.
    pub(super) share: Arc<Budget>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) journal: Option<Arc<dyn Journal>>,
    pub(super) clock: Clock,
    /// The timers of queues, for redelivery after a backoff.
    pub(super) queue_timers: TimerQueue,
    /// The timers of presence trackers, for the next report.
    pub(super) presence_timers: TimerQueue,
}

impl Rejection {
    /// Creates the rejection of a request for which `budget` has no memory.
    pub(crate) fn no_memory(budget: &Budget) -> Rejection {
        let detail = format!(
            "The broker uses {} bytes of memory for its clients. memory-bytes-max allows {}. Send again later, or ask \
             the operator to raise memory-bytes-max.",
            budget.used(),
            budget.bytes_max()
        );
        Rejection::by_limit(Limit::MemoryBytes, "memory limit reached", detail)
    }
}

impl BrokerContext {
    /// Creates the state of a broker whose message ids begin with `node`.
    pub(super) fn new(
        options: Options,
        node: NodeId,
        budget: Arc<Budget>,
        metrics: Arc<Metrics>,
        journal: Option<Arc<dyn Journal>>,
    ) -> BrokerContext {
        BrokerContext {
            options,
            ids: Ids::new(node),
            queue_ids: QueueIds::new(node),
            share: budget.share(),
            budget,
            metrics,
            journal,
            clock: Clock::new(),
            queue_timers: TimerQueue::default(),
            presence_timers: TimerQueue::default(),
        }
    }

    /// Records an event, if there is a journal. Returns the ticket that the request waits for.
    #[inline]
    pub(super) fn record<'a>(&self, record: impl FnOnce() -> Record<'a>) -> Option<Ticket> {
        self.journal.as_ref()?.record(record())
    }

    /// Checks that the byte budget admits new messages.
    pub(super) fn check_budget(&self) -> Result<(), Rejection> {
        if !self.budget.is_exhausted() {
            return Ok(());
        }
        Err(Rejection::no_memory(&self.budget))
    }

    /// Checks that the share for subscriptions admits `bytes` more bytes. The text of the ERROR names the `purpose`,
    /// such as "subscription".
    pub(super) fn check_share(&self, purpose: &str, bytes: usize) -> Result<(), Rejection> {
        if self.share.admits(bytes) {
            return Ok(());
        }
        let detail = format!(
            "The broker has no memory for the {purpose}, which needs {bytes} bytes. The broker uses {} bytes for its \
             clients, {} of them for subscriptions and open transactions. memory-bytes-max allows {} bytes in total. A \
             quarter of them is for subscriptions and open transactions. Remove subscriptions or end transactions, \
             try again later, or ask the operator to raise memory-bytes-max.",
            self.budget.used(),
            self.share.used(),
            self.budget.bytes_max()
        );
        Err(Rejection::by_limit(Limit::MemoryBytes, "memory limit reached", detail))
    }

    /// Reserves `bytes` for the memory that a transaction is about to add. Rejects a transaction that would add more
    /// than half of the free memory.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, Rejection> {
        self.budget.reserve(bytes).ok_or_else(|| {
            let detail = format!(
                "The broker has no memory for the COMMIT, which needs {bytes} bytes. The broker uses {} bytes for its \
                 clients, and memory-bytes-max allows {} bytes. One transaction may use half of the free memory. The \
                 broker applied no step of the transaction. Send fewer messages in a transaction, try again later, or \
                 ask the operator to raise memory-bytes-max.",
                self.budget.used(),
                self.budget.bytes_max()
            );
            Rejection::by_limit(Limit::MemoryBytes, "memory limit reached", detail)
        })
    }

    /// Creates a message with a new id. The message is encoded once, and its memory is charged to the budget.
    pub(super) fn message(&self, publish: &Publish) -> Message {
        let extra: Vec<_> = publish.extra.iter().map(|(name, value)| (*name, &**value)).collect();
        let Publish { destination_header: destination, headers, body, .. } = publish;
        Message::new(
            MessageParts { id: &self.ids.next(), destination, headers, extra: &extra, body },
            |bytes| self.budget.charge(bytes),
        )
    }

    /// Creates a message of the broker itself, which has a new id and is charged to `budget`.
    pub(super) fn report(
        &self,
        budget: &Arc<Budget>,
        destination: &str,
        headers: &[(&str, &str)],
        text: &str,
    ) -> Message {
        let (id, none) = (self.ids.next(), Headers::default());
        let parts =
            MessageParts { id: &id, destination, headers: &none, extra: headers, body: text.as_bytes() };
        Message::new(parts, |bytes| budget.charge(bytes))
    }
}
