//! The hot loop: one message to many subscribers.
//!
//! Per subscriber one push of a pointer and a key; no formatting, and no allocation but for the list of
//! receivers that lag behind.

use super::{Congested, Subscriber};
use crate::outbound_queue::{Delivery, Message, OutboundQueue, Pushed};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// What became of one message.
#[derive(Debug, Default)]
pub(super) struct FanOutResult {
    /// Those whose outbound queue took it.
    pub(super) reached: usize,
    /// Those whose outbound queue is above half.
    pub(super) congested: Vec<Arc<OutboundQueue>>,
    /// Connections behind the members, as far as they were counted.
    pub(super) receivers: usize,
}

/// Pushes `message` to every member.
pub(super) fn fan_out(members: &[Subscriber], message: &Message, now: Instant, reach: &mut FanOutResult) {
    for member in members {
        let delivery = Delivery { message: message.clone(), key: member.key, count: 1, tag: 0 };
        match member.outbound_queue.push(delivery, now) {
            Pushed::Accepted => reach.reached += 1,
            Pushed::Congested => {
                reach.reached += 1;
                reach.congested.push(member.outbound_queue.clone());
            }
            Pushed::Gone => {}
        }
    }
    reach.receivers += if reach.congested.is_empty() { members.len() } else { connections(members) };
}

/// How many connections the members are: many subscriptions of one client are one receiver.
fn connections(members: &[Subscriber]) -> usize {
    members.iter().map(|member| Arc::as_ptr(&member.outbound_queue)).collect::<HashSet<_>>().len()
}

impl FanOutResult {
    /// The receivers to wait for: each once, and only while there is patience with it. A crowd it is when more
    /// than half of the connections that get the message lag behind.
    pub(super) fn into_congested(mut self, now: Instant) -> Vec<Congested> {
        if self.congested.is_empty() {
            return Vec::new();
        }
        let mut seen = HashSet::with_capacity(self.congested.len());
        self.congested.retain(|outbound_queue| seen.insert(Arc::as_ptr(outbound_queue)));
        let crowd = self.congested.len() * 2 > self.receivers;
        self.congested
            .into_iter()
            .filter(|outbound_queue| outbound_queue.grace_ends(crowd) > now)
            .map(|outbound_queue| Congested { outbound_queue, crowd })
            .collect()
    }
}
