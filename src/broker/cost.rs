//! Upper bounds of the memory that a subscription or a transaction is going to add. They are used for admission.
//!
//! Once added, memory is charged by its owner at its real size. A subscription is admitted as if it shared nothing with
//! other subscriptions, and a transaction as if no receiver took a message in the meantime.

use super::presence::PresenceTracker;
use super::publication::Content;
use super::queues::consumer::Consumers;
use super::queues::queue_memory::QueueMemory;
use super::topics::patterns::Patterns;
use super::topics::subscriber_list::SubscriberList;
use super::topics::topic::Topic;
use super::topics::users;
use super::{BrokerState, TransactionStep};
use crate::budget::allocation;
use crate::destination::{Destination, DestinationKind, Selector};
use crate::outbound_queue::{Delivery, Message};
use crate::work;
use std::collections::{HashMap, HashSet};

/// Bytes of the texts of a presence snapshot, without the names in it.
const SNAPSHOT_BYTES: usize = 256;
/// Factor by which an outbound queue grows.
const GROWTH_FACTOR: usize = 2;
/// Work of estimating the bytes that one message adds, see [`crate::work`].
const ESTIMATE_WORK: usize = 2;

/// Returns the bytes of a subscription that is the only one to its destination.
pub(super) fn subscription_bytes(selector: &Selector) -> usize {
    let destination = match selector {
        Selector::Pattern(pattern) => return Patterns::bytes(pattern),
        Selector::Exact(destination) => destination,
    };
    match destination.kind() {
        DestinationKind::Topic | DestinationKind::User | DestinationKind::App => {
            Topic::bytes(destination) + SubscriberList::first_bytes()
        }
        DestinationKind::Queue => QueueMemory::bytes(destination) + Consumers::bytes(1),
        // A temporary queue itself is charged when it is opened.
        DestinationKind::TempQueue => Consumers::bytes(1),
        DestinationKind::Presence => {
            // The snapshot contains the name of the tracker's topic twice.
            let snapshot = Message::OVERHEAD_BYTES + 2 * destination.as_str().len() + SNAPSHOT_BYTES;
            Topic::bytes(destination)
                + PresenceTracker::bytes(destination)
                + SubscriberList::first_bytes()
                + allocation(snapshot)
        }
    }
}

/// Returns the bytes of a temporary queue.
pub(super) fn temp_queue_bytes(address: &Destination) -> usize {
    QueueMemory::bytes(address)
}

/// An estimate of the bytes that the steps of one transaction add: messages, queues for them, and entries of outbound
/// queues.
#[derive(Default)]
pub(super) struct Estimate {
    receivers_of: HashMap<Destination, usize>,
    new_queues: HashSet<Destination>,
}

impl Estimate {
    /// Returns the bytes that one more step adds.
    pub(super) fn add(&mut self, shared: &BrokerState, step: &TransactionStep<'_>) -> usize {
        let mut bytes = 0;
        let (content, receivers) = match step {
            TransactionStep::Settle { .. } => return 0,
            TransactionStep::Publish(publication) => {
                work::add(ESTIMATE_WORK);
                let destination = publication.destination;
                let stores_messages = destination.kind().stores_messages();
                if stores_messages
                    && !shared.queues.contains(destination)
                    && self.new_queues.insert(destination.clone())
                {
                    bytes += QueueMemory::bytes(destination);
                }
                let receivers = if stores_messages || destination.kind() == DestinationKind::App {
                    1
                } else {
                    *self
                        .receivers_of
                        .entry(destination.clone())
                        .or_insert_with(|| shared.family(destination.kind()).receivers(destination))
                };
                (publication.content(), receivers)
            }
            TransactionStep::PublishToUsers(multicast) => {
                work::add(multicast.owners.len() * users::OWNER_WORK);
                let users = multicast.owners.iter().filter_map(|owner| multicast.path.of(owner));
                (multicast.content(), users.map(|destination| shared.users.receivers(&destination)).sum())
            }
        };
        if receivers > 0 {
            bytes += message_bytes(content) + receivers * GROWTH_FACTOR * size_of::<Delivery>();
        }
        bytes
    }
}

fn message_bytes(content: Content<'_>) -> usize {
    let header_bytes = |name: &str, value: &str| name.len() + value.len() + 2;
    let headers = content.headers.iter().map(|(name, value)| header_bytes(&name, &value)).sum::<usize>();
    let extra = content.extra.iter().map(|(name, value)| header_bytes(name, value)).sum::<usize>();
    Message::OVERHEAD_BYTES + content.destination_header.len() + headers + extra + content.body.len()
}
