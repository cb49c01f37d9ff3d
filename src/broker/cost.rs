//! What is about to be added to the broker's memory, before it is: an upper bound, for admission.
//!
//! What is there is charged by those who hold it, at what it really costs. A subscription is admitted as if it had
//! nothing in common with others, and a transaction as if no receiver took anything meanwhile.

use super::consumer::Consumers;
use super::patterns::Patterns;
use super::presence::Room;
use super::publication::Content;
use super::queue_memory::QueueMemory;
use super::roster::Roster;
use super::topic::Topic;
use super::{Shared, Step};
use crate::budget::allocation;
use crate::destination::{Destination, Kind, Selector};
use crate::outbox::{Message, Parcel};
use std::collections::{HashMap, HashSet};

/// Texts of a snapshot of presence beside the names in it.
const SNAPSHOT_BYTES: usize = 256;
/// An outbound queue that grows doubles.
const GROWTH: usize = 2;

/// What a subscription costs that is the only one to its destination.
pub(super) fn subscription(selector: &Selector) -> usize {
    let destination = match selector {
        Selector::Pattern(pattern) => return Patterns::bytes(pattern),
        Selector::Exact(destination) => destination,
    };
    match destination.kind() {
        Kind::Topic | Kind::User | Kind::App => Topic::bytes(destination) + Roster::first_bytes(),
        Kind::Queue => QueueMemory::bytes(destination) + Consumers::bytes(1),
        // The queue is opened by itself.
        Kind::TempQueue => Consumers::bytes(1),
        Kind::Presence => {
            // The snapshot names the room twice.
            let snapshot = Message::OVERHEAD_BYTES + 2 * destination.as_str().len() + SNAPSHOT_BYTES;
            Topic::bytes(destination)
                + Room::bytes(destination)
                + Roster::first_bytes()
                + allocation(snapshot)
        }
    }
}

/// What a temporary queue costs.
pub(super) fn temp_queue(address: &Destination) -> usize {
    QueueMemory::bytes(address)
}

/// What the steps of a transaction add: messages, queues for them, and places in outbound queues.
pub(super) fn transaction(shared: &Shared, steps: &[Step<'_>]) -> usize {
    let mut receivers_of: HashMap<&Destination, usize> = HashMap::new();
    let mut new_queues: HashSet<&Destination> = HashSet::new();
    let mut bytes = 0;
    for step in steps {
        let (content, receivers) = match step {
            Step::Settle { .. } => continue,
            Step::Publish(publication) => {
                let destination = publication.destination;
                let is_kept = destination.kind().is_kept();
                if is_kept && !shared.queues.is_there(destination) && new_queues.insert(destination) {
                    bytes += QueueMemory::bytes(destination);
                }
                let receivers = if is_kept || destination.kind() == Kind::App {
                    1
                } else {
                    *receivers_of
                        .entry(destination)
                        .or_insert_with(|| shared.family(destination.kind()).receivers(destination))
                };
                (publication.content(), receivers)
            }
            Step::PublishToUsers(circular) => {
                let users = circular.owners.iter().filter_map(|owner| circular.path.of(owner));
                (circular.content(), users.map(|destination| shared.users.receivers(&destination)).sum())
            }
        };
        if receivers > 0 {
            bytes += message(content) + receivers * GROWTH * size_of::<Parcel>();
        }
    }
    bytes
}

fn message(content: Content<'_>) -> usize {
    let line = |name: &str, value: &str| name.len() + value.len() + 2;
    let headers = content.headers.iter().map(|(name, value)| line(&name, &value)).sum::<usize>();
    let extra = content.extra.iter().map(|(name, value)| line(name, value)).sum::<usize>();
    Message::OVERHEAD_BYTES + content.shown.len() + headers + extra + content.body.len()
}
