//! Dead letters: messages that failed too often, that a consumer rejected, or that no consumer of the queue can take.
//!
//! A message of `/queue/NAME` moves to `/queue/dead.NAME`. Its headers then contain the reason, the original queue and
//! the number of deliveries. A message that is already in a dead letter queue stays there. A message of a temporary
//! queue is dropped, because no client could find a dead letter queue for it.

use super::item::Item;
use crate::broker::context::BrokerContext;
use crate::broker::journal::Ticket;
use crate::broker::options::Options;
use crate::command::Settlement;
use crate::destination::{Destination, DestinationKind};
use crate::outbound_queue::Message;

/// The beginning of the name of a dead letter queue.
const DEAD_PREFIX: &str = "dead.";

/// A message that was removed from its queue, and the reason for this.
#[derive(Debug)]
pub(crate) struct Undeliverable {
    pub(crate) item: Item,
    pub(crate) reason: DeadLetterReason,
}

/// The result of adding a dead letter to its queue.
#[derive(Debug, Default)]
pub(crate) struct PushedDeadLetter {
    /// Number of older messages that were dropped to make space.
    pub(crate) dropped: u64,
    /// Whether the dead letter was added. If not, it is dropped, too.
    pub(crate) is_accepted: bool,
    /// The outcome of recording the move.
    pub(crate) ticket: Option<Ticket>,
}

/// The reason why a message cannot stay in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeadLetterReason {
    /// Too many deliveries of the message failed.
    MaxDeliveries,
    /// A consumer rejected the message (NACK with `requeue:false`).
    Rejected,
    /// The body is not UTF-8, and all consumers are text only.
    NotText,
}

impl DeadLetterReason {
    /// Returns why a message becomes a dead letter after a failed delivery, or `None` if it stays in `queue`.
    pub(crate) fn of(
        queue: &Destination,
        item: &Item,
        settlement: Settlement,
        options: &Options,
    ) -> Option<DeadLetterReason> {
        if is_dead_letter_queue(queue) {
            None
        } else if settlement == Settlement::Rejected {
            Some(DeadLetterReason::Rejected)
        } else {
            (item.failed >= options.max_deliveries).then_some(DeadLetterReason::MaxDeliveries)
        }
    }

    /// Returns the value of the header `dead-reason`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            DeadLetterReason::MaxDeliveries => "max-deliveries",
            DeadLetterReason::Rejected => "rejected",
            DeadLetterReason::NotText => "not-text",
        }
    }
}

/// Returns whether `queue` is a dead letter queue. Its messages stay in it, regardless of how often they fail, and even
/// if no consumer can take them.
pub(crate) fn is_dead_letter_queue(queue: &Destination) -> bool {
    queue.kind() == DestinationKind::Queue && queue.name().starts_with(DEAD_PREFIX)
}

/// Returns the dead letter queue of `queue`, or `None` if it has none.
pub(crate) fn dead_letter_queue(queue: &Destination) -> Option<Destination> {
    if queue.kind() != DestinationKind::Queue {
        return None;
    }
    let text = format!("{}{DEAD_PREFIX}{}", DestinationKind::Queue.prefix(), queue.name());
    Some(Destination::parse(&text, usize::MAX).expect("a queue name with a prefix is a valid name"))
}

/// Creates a copy of an undeliverable message of `origin` that is addressed to the dead letter queue `to`.
pub(crate) fn dead_letter(
    context: &BrokerContext,
    Undeliverable { item, reason }: &Undeliverable,
    origin: &Destination,
    to: &Destination,
) -> Message {
    let deliveries = item.sent.to_string();
    let extra = [
        ("dead-reason", reason.as_str()),
        ("dead-origin", origin.as_str()),
        ("dead-deliveries", &deliveries),
    ];
    item.message.readdressed(&context.ids.next(), to.as_str(), &extra, |bytes| context.budget.charge(bytes))
}
