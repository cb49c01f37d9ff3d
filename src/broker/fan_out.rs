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
    /// Subscriptions it was for.
    pub(super) members: usize,
    /// Those whose outbox took it.
    pub(super) reached: usize,
    /// Those whose outbox is above half.
    pub(super) congested: Vec<Arc<Outbox>>,
}

/// Pushes `message` to every member.
pub(super) fn fan_out(members: &[Subscriber], message: &Message, now: Instant, reach: &mut Reach) {
    reach.members += members.len();
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
}

impl Reach {
    /// The receivers to wait for: each once, and only while there is patience with it. A crowd it is when more
    /// than half of the message's subscriptions lag behind.
    pub(super) fn into_congested(self, now: Instant) -> Vec<Congested> {
        if self.congested.is_empty() {
            return Vec::new();
        }
        let crowd = self.congested.len() * 2 > self.members;
        let mut seen = HashSet::with_capacity(self.congested.len());
        self.congested
            .into_iter()
            .filter(|outbox| seen.insert(Arc::as_ptr(outbox)) && outbox.patience_ends(crowd) > now)
            .map(|outbox| Congested { outbox, crowd })
            .collect()
    }
}
