//! The hot loop: one message to many subscribers.
//!
//! Each subscriber costs one push of a pointer and a key. The loop formats nothing, and allocates only if receivers are
//! congested.

use crate::broker::journal::Ticket;
use crate::broker::published::{Congested, Published};
use crate::broker::subscriber::Subscriber;
use crate::outbound_queue::{Delivery, Message, OutboundQueue, Pushed};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// The result of pushing one message to its subscribers.
#[derive(Debug, Default)]
pub(crate) struct FanOutResult {
    /// Number of subscriptions whose outbound queue accepted the message.
    pub(crate) reached: usize,
    /// The receivers whose outbound queue is above one half. A receiver may be in the list several times.
    pub(crate) congested: Vec<Arc<OutboundQueue>>,
    /// Number of sessions that the subscribers belong to. While no receiver is congested, subscriptions are counted
    /// instead, which is cheaper.
    pub(crate) receivers: usize,
    /// The outcome that the publisher must wait for.
    pub(crate) ticket: Option<Ticket>,
}

/// Pushes `message` to every member.
pub(crate) fn fan_out(members: &[Subscriber], message: &Message, now: Instant, result: &mut FanOutResult) {
    for member in members {
        let delivery = Delivery { message: message.clone(), key: member.key, count: 1, tag: 0 };
        match member.outbound_queue.push(delivery, now) {
            Pushed::Accepted => result.reached += 1,
            Pushed::Congested => {
                result.reached += 1;
                result.congested.push(member.outbound_queue.clone());
            }
            Pushed::Gone => {}
        }
    }
    result.receivers += if result.congested.is_empty() { members.len() } else { sessions(members) };
}

/// Returns the number of sessions that the members belong to. A session with several subscriptions counts once.
fn sessions(members: &[Subscriber]) -> usize {
    members.iter().map(|member| member.outbound_queue.session_id()).collect::<HashSet<_>>().len()
}

impl FanOutResult {
    pub(crate) fn into_published(self, now: Instant) -> Published {
        let FanOutResult { reached, congested, receivers, ticket } = self;
        let congested =
            if congested.is_empty() { Vec::new() } else { slow_receivers(congested, receivers, now) };
        Published { reached, sessions: None, services: None, congested, ticket }
    }
}

/// Returns the congested receivers whose grace period is not over, each of them once. `is_widespread` is set if more
/// than half of the `receivers` sessions that get the message are congested.
#[cold]
fn slow_receivers(mut congested: Vec<Arc<OutboundQueue>>, receivers: usize, now: Instant) -> Vec<Congested> {
    let mut seen_sessions = HashSet::with_capacity(congested.len());
    congested.retain(|outbound_queue| seen_sessions.insert(outbound_queue.session_id()));
    let is_widespread = congested.len() * 2 > receivers;
    congested
        .into_iter()
        .filter(|outbound_queue| outbound_queue.grace_ends(is_widespread) > now)
        .map(|outbound_queue| Congested { outbound_queue, is_widespread })
        .collect()
}
