//! A committed transaction: all steps or none.
//!
//! First everything that could be refused is asked for: deliveries to settle must be outstanding, the byte budget must
//! have room for all that the steps add (messages, and places in the outbound queues of their receivers), and queues
//! promise room for each message. Nobody else can settle those deliveries meanwhile, for they belong to the
//! subscriptions of the one who commits; and promised room is nobody else's. Then the steps are applied in order,
//! and none can fail. If something is refused, the promises are taken back and nothing was to be seen.

use super::queue::Queue;
use super::subscription::Subscription;
use super::{Congested, Published, Refusal, Routed, Shared, Step, cost};
use crate::outbox::{Message, Outbox, Tag, wake_deferred};
use crate::work;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Pushes after which those who have got something need not wait for the end of the transaction.
const PUSHES_MAX: usize = 16_384;

/// Room promised to the messages of a transaction, step by step; what is not used is given back on drop.
struct Reservations<'a> {
    shared: &'a Shared,
    promised: Vec<Reservation>,
}

enum Reservation {
    /// The step needs none.
    None,
    /// Room in a queue for this message.
    Room(Arc<Queue>, Message),
    /// The session's own queue that the message is for has gone.
    Gone,
}

/// What became of all steps; each receiver that lags behind is listed once.
#[derive(Default)]
struct Outcome {
    published: Published,
    congested: HashMap<*const Outbox, Congested>,
}

impl Outcome {
    /// What became of the step of that number.
    fn add(&mut self, step: usize, routed: Routed, now: Instant) {
        let Routed { reach, sessions, services } = routed;
        let published = &mut self.published;
        published.reached += reach.reached;
        published.sessions = sum(published.sessions, sessions);
        published.services = sum(published.services, services);
        published.unserved.extend((services == Some(0)).then_some(step));
        for congested in reach.into_congested(now) {
            match self.congested.entry(Arc::as_ptr(&congested.outbox)) {
                Entry::Occupied(mut known) => known.get_mut().crowd |= congested.crowd,
                Entry::Vacant(new) => drop(new.insert(congested)),
            }
        }
    }
}

/// Applies all steps or none.
pub(super) fn commit(shared: &Shared, steps: &[Step<'_>], now: Instant) -> Result<Published, Refusal> {
    work::add(steps.len() * work::FRAME);
    validate(steps)?;
    let bytes = cost::transaction(shared, steps);
    let mut memory = shared.ground.reserve(bytes)?;
    let mut reservations = Reservations { shared, promised: Vec::with_capacity(steps.len()) };
    for step in steps {
        let reservation = reservations.reserve(step)?;
        reservations.promised.push(reservation);
    }
    let mut outcome = Outcome::default();
    let promised = std::mem::take(&mut reservations.promised);
    let mut woken_at = 0;
    for (number, (step, reservation)) in steps.iter().zip(promised).enumerate() {
        apply(shared, (number, step), reservation, &mut outcome, now);
        // The messages of this step are charged now, so its part of the reservation is given back.
        memory.release(bytes / steps.len());
        if outcome.published.reached - woken_at >= PUSHES_MAX {
            woken_at = outcome.published.reached;
            wake_deferred();
        }
    }
    let congested = outcome.congested.into_values().collect();
    Ok(Published { congested, ..outcome.published })
}

/// Every delivery that is settled must be outstanding, and is settled once.
fn validate(steps: &[Step<'_>]) -> Result<(), Refusal> {
    let mut seen: HashSet<(*const Subscription, Tag)> = HashSet::new();
    for step in steps {
        let Step::Settle { subscription, tags, .. } = step else { continue };
        let Some((queue, id)) = subscription.consumer() else { continue };
        let once = tags.iter().all(|&tag| seen.insert((std::ptr::from_ref(*subscription), tag)));
        if !once || !queue.has(id, tags) {
            return Err(Refusal {
                summary: "unknown delivery",
                detail: format!(
                    "The transaction settles a message of {:?} that is not outstanding, or settles it twice. \
                     Nothing of the transaction was done.",
                    queue.destination().as_str()
                ),
                limit: None,
            });
        }
    }
    Ok(())
}

fn sum(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    if one.is_none() { other } else { one.map(|one| one + other.unwrap_or(0)) }
}

fn apply(
    shared: &Shared,
    (number, step): (usize, &Step<'_>),
    reservation: Reservation,
    outcome: &mut Outcome,
    now: Instant,
) {
    let publication = match step {
        Step::Settle { subscription, tags, settlement } => {
            return subscription.settle(tags, *settlement, now);
        }
        Step::Publish(publication) => publication,
        Step::PublishToUsers(circular) => {
            shared.ground.metrics.messages_published.inc();
            return outcome.add(number, shared.route_to_users(circular, now), now);
        }
    };
    shared.ground.metrics.messages_published.inc();
    let is_taken = match reservation {
        Reservation::None => return outcome.add(number, shared.route(publication, now), now),
        Reservation::Room(queue, message) => shared.queues.publish_reserved(&queue, &message, now),
        Reservation::Gone => false,
    };
    if is_taken {
        outcome.published.reached += 1;
    } else {
        shared.ground.metrics.messages_dropped.inc();
    }
}

impl Reservations<'_> {
    fn reserve(&self, step: &Step<'_>) -> Result<Reservation, Refusal> {
        let Step::Publish(publication) = step else { return Ok(Reservation::None) };
        if !publication.destination.kind().is_kept() {
            return Ok(Reservation::None);
        }
        let message = self.shared.ground.message(publication.content());
        match self.shared.queues.reserve(publication.destination, message.size())? {
            Some(queue) => Ok(Reservation::Room(queue, message)),
            None => Ok(Reservation::Gone),
        }
    }
}

impl Drop for Reservations<'_> {
    fn drop(&mut self) {
        for reservation in self.promised.drain(..) {
            if let Reservation::Room(queue, message) = reservation {
                self.shared.queues.release(&queue, message.size());
            }
        }
    }
}
