//! What an outbox holds and who waits for it.

use super::publishers::Publishers;
use super::{Options, Parcel};
use crate::budget::Charge;
use std::collections::VecDeque;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// What the prefix and the wire's own head cost at most, roughly; added to each message's size.
pub(super) const OVERHEAD_BYTES: usize = 64;
/// Keeps every sum of a time and a patience a time.
const PATIENCE_LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Overflowed,
    Closed,
}

/// Everything behind the lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) parcels: VecDeque<Parcel>,
    pub(super) bytes: usize,
    pub(super) phase: Phase,
    pub(super) receiver: Option<Waker>,
    pub(super) receiver_waits: bool,
    pub(super) publishers: Publishers,
    pub(super) congested_since: Option<Instant>,
    pub(super) taken_at: Instant,
    pub(super) starved: bool,
    pub(super) gauged: usize,
    pub(super) room: Charge,
}

impl State {
    pub(super) fn put(&mut self, parcel: Parcel, bytes: usize) {
        if self.parcels.len() == self.parcels.capacity() {
            self.parcels.reserve(1);
            self.charge_room();
        }
        self.parcels.push_back(parcel);
        self.bytes = bytes;
    }

    pub(super) fn charge_room(&mut self) {
        self.room.resize(self.parcels.capacity() * size_of::<Parcel>());
    }

    pub(super) fn register(&mut self, cx: &mut Context<'_>) {
        match &mut self.receiver {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.receiver = Some(cx.waker().clone()),
        }
    }

    pub(super) fn waiting_receiver(&mut self) -> Option<Waker> {
        if std::mem::take(&mut self.receiver_waits) { self.receiver.take() } else { None }
    }

    pub(super) fn end(&mut self, phase: Phase) -> VecDeque<Parcel> {
        self.phase = phase;
        self.bytes = 0;
        let parcels = std::mem::take(&mut self.parcels);
        self.charge_room();
        parcels
    }

    pub(super) fn patience_ends(&self, options: &Options, crowd: bool) -> Instant {
        let since = self.congested_since.unwrap_or(self.taken_at);
        let from = if crowd { since.max(self.taken_at) } else { since };
        from + options.burst_patience.min(PATIENCE_LONGEST)
    }
}

pub(super) fn weight(parcel: &Parcel) -> usize {
    parcel.message.size() + OVERHEAD_BYTES
}
