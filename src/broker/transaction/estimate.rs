//! An upper bound of the memory that a transaction adds, for its admission. It assumes that no receiver takes a message
//! before all steps are applied.

use super::step::TransactionStep;
use crate::broker::publication::Content;
use crate::broker::queues::queue::Queue;
use crate::broker::state::BrokerState;
use crate::broker::topics::users;
use crate::destination::{Destination, DestinationKind};
use crate::outbound_queue::{Delivery, Message};
use crate::work;
use std::collections::{HashMap, HashSet};

/// Factor by which the capacity of an outbound queue grows.
const GROWTH_FACTOR: usize = 2;

/// Cost of estimating the bytes that one message adds, see [`crate::work`].
const ESTIMATE_WORK: usize = 2;

/// An estimate of the bytes that the steps of one transaction add: messages, new queues, and entries in outbound
/// queues.
#[derive(Default)]
pub(super) struct Estimate {
    receivers_of: HashMap<Destination, usize>,
    new_queues: HashSet<Destination>,
}

impl Estimate {
    /// Returns the estimated bytes that one more step adds.
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
                    bytes += Queue::bytes(destination);
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
