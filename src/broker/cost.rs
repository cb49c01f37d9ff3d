//! Upper bounds of the memory that a new subscription or temporary queue needs. The broker uses them for admission.
//!
//! The admission of a subscription assumes that it shares no memory with other subscriptions. Once it exists, each part
//! of its memory is charged at its real size by the object that owns it.

use super::presence::tracker::PresenceTracker;
use super::queues::consumer::Consumers;
use super::queues::queue::Queue;
use super::topics::patterns::Patterns;
use super::topics::subscriber_list::SubscriberList;
use super::topics::topic::Topic;
use crate::budget::allocation;
use crate::destination::{Destination, DestinationKind, Routing, Selector};
use crate::outbound_queue::Message;

/// Bytes of the texts of a presence snapshot, without names.
const SNAPSHOT_BYTES: usize = 256;

/// Returns the bytes of a subscription that is the only one to its destination.
pub(super) fn subscription_bytes(selector: &Selector) -> usize {
    let destination = match selector {
        Selector::Pattern(pattern) => return Patterns::bytes(pattern),
        Selector::Exact(destination) => destination,
    };
    match destination.kind().routing() {
        Routing::Broadcast | Routing::User | Routing::Service => {
            Topic::bytes(destination) + SubscriberList::first_bytes()
        }
        // A temporary queue itself is charged when it is opened.
        Routing::Queue if destination.kind() == DestinationKind::TempQueue => Consumers::bytes(1),
        Routing::Queue => Queue::bytes(destination) + Consumers::bytes(1),
        Routing::Report => {
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
    Queue::bytes(address)
}
