//! The hot loop: one message to many subscribers.
//!
//! Per subscriber one push of a pointer and a key; no formatting, and no allocation but for the list of
//! receivers that lag behind.

use super::{Congested, Subscriber};
use crate::outbox::{Message, Outbox, Parcel, Pushed};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// What became of one message.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Those whose outbox took it.
    pub(super) reached: usize,
    /// Those whose outbox is above half.
    pub(super) congested: Vec<Arc<Outbox>>,
    /// Connections behind the members, as far as they were counted.
    pub(super) receivers: usize,
}

/// Pushes `message` to every member.
pub(super) fn fan_out(members: &[Subscriber], message: &Message, now: Instant, reach: &mut Reach) {
    for member in members {
        let parcel = Parcel { message: message.clone(), key: member.key, count: 1, tag: 0 };
        match member.outbox.push(parcel, now) {
            Pushed::Accepted => reach.reached += 1,
            Pushed::Congested => {
                reach.reached += 1;
                reach.congested.push(member.outbox.clone());
            }
            Pushed::Gone => {}
        }
    }
    reach.receivers += if reach.congested.is_empty() { members.len() } else { connections(members) };
}

/// How many connections the members are: many subscriptions of one client are one receiver.
fn connections(members: &[Subscriber]) -> usize {
    members.iter().map(|member| Arc::as_ptr(&member.outbox)).collect::<HashSet<_>>().len()
}

impl Reach {
    /// The receivers to wait for: each once, and only while there is patience with it. A crowd it is when more
    /// than half of the connections that get the message lag behind.
    pub(super) fn into_congested(mut self, now: Instant) -> Vec<Congested> {
        if self.congested.is_empty() {
            return Vec::new();
        }
        let mut seen = HashSet::with_capacity(self.congested.len());
        self.congested.retain(|outbox| seen.insert(Arc::as_ptr(outbox)));
        let crowd = self.congested.len() * 2 > self.receivers;
        self.congested
            .into_iter()
            .filter(|outbox| outbox.patience_ends(crowd) > now)
            .map(|outbox| Congested { outbox, crowd })
            .collect()
    }
}
