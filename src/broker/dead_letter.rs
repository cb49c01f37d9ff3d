//! Dead letters: messages that failed too often, that a consumer rejected, or that no consumer of the queue can take.
//!
//! A message of `/queue/NAME` goes to `/queue/dead.NAME`, with the reason, its origin and the number of deliveries
//! in its headers. One of a dead letter queue stays where it is. One of a session's own queue is dropped: nobody
//! could find its dead letter queue.

use super::backlog::Item;
use super::context::BrokerContext;
use crate::destination::{Destination, Kind};
use crate::outbound_queue::Message;

/// What the name of a dead letter queue starts with.
const DEAD: &str = "dead.";

/// A message that is out of its queue, and why.
#[derive(Debug)]
pub(super) struct Undeliverable {
    pub(super) item: Item,
    pub(super) reason: Reason,
}

/// Why a message cannot stay in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Its deliveries failed too often.
    MaxDeliveries,
    /// A consumer rejected it (NACK with `requeue:false`).
    Rejected,
    /// Its body is not UTF-8, and all consumers are text only.
    NotText,
}

impl Reason {
    /// For the header `dead-reason`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Reason::MaxDeliveries => "max-deliveries",
            Reason::Rejected => "rejected",
            Reason::NotText => "not-text",
        }
    }
}

/// Whether messages stay here however often they come back, and whoever may not have them.
pub(super) fn is_dead_letter_queue(queue: &Destination) -> bool {
    queue.kind() == Kind::Queue && queue.name().starts_with(DEAD)
}

/// Where the dead letters of `queue` go; `None`: nowhere.
pub(super) fn dead_letter_queue(queue: &Destination) -> Option<Destination> {
    if queue.kind() != Kind::Queue {
        return None;
    }
    let text = format!("{}{DEAD}{}", Kind::Queue.prefix(), queue.name());
    Some(Destination::parse(&text, usize::MAX).expect("a name behind another segment is a name"))
}

/// The message as a dead letter for `to`.
pub(super) fn dead_letter(
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
