//! An upper bound of the memory that a transaction adds, for its admission. It assumes that no receiver takes a message
//! before all steps are applied.

use super::step::TransactionStep;
use crate::broker::queues::queue::Queue;
use crate::broker::state::BrokerState;
use crate::broker::topics::users;
use crate::command::{Audience, Publish};
use crate::destination::{Destination, Routing};
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
    pub(super) fn add(&mut self, shared: &BrokerState, step: &TransactionStep) -> usize {
        let TransactionStep::Publish(publish) = step else { return 0 };
        let mut bytes = 0;
        if let Some(queue) = publish.audience.queue()
            && !shared.queues.contains(queue)
            && self.new_queues.insert(queue.clone())
        {
            bytes += Queue::bytes(queue);
        }
        let receivers = self.receivers(shared, &publish.audience);
        if receivers > 0 {
            bytes += message_bytes(publish) + receivers * GROWTH_FACTOR * size_of::<Delivery>();
        }
        bytes
    }

    fn receivers(&mut self, shared: &BrokerState, audience: &Audience) -> usize {
        match audience {
            Audience::Users(owners, path) => {
                work::add(owners.len() * users::OWNER_WORK);
                let destinations = owners.iter().filter_map(|owner| path.of(owner));
                destinations
                    .map(|destination| shared.family(destination.kind()).receivers(&destination))
                    .sum()
            }
            Audience::One(destination) | Audience::Session(destination, _) => {
                work::add(ESTIMATE_WORK);
                let kind = destination.kind();
                if matches!(kind.routing(), Routing::Queue | Routing::Service) {
                    return 1;
                }
                let count = || shared.family(kind).receivers(destination);
                *self.receivers_of.entry(destination.clone()).or_insert_with(count)
            }
        }
    }
}

fn message_bytes(publish: &Publish) -> usize {
    let header_bytes = |name: &str, value: &str| name.len() + value.len() + 2;
    let headers = publish.headers.iter().map(|(name, value)| header_bytes(&name, &value)).sum::<usize>();
    let extra = publish.extra.iter().map(|(name, value)| header_bytes(name, value)).sum::<usize>();
    Message::OVERHEAD_BYTES + publish.destination_header.len() + headers + extra + publish.body.len()
}
