//! The state of a connection that is ending, and the phases of closing its socket ([`crate::connection::close`]).

use crate::outbound_queue::{Key, Tag};
use crate::session::Closing;
use std::time::Instant;

/// A phase of closing a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Flush,
    HalfClose,
    Linger,
    Done,
}

/// The state of a connection that is ending.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) closing: Closing,
    /// Time at which the current phase ends at the latest.
    pub(crate) until: Instant,
    pub(crate) phase: Phase,
    /// Deliveries of work queues that are removed from the outbound queue and not requeued yet, ordered by
    /// subscription. They are requeued before the subscriptions are dropped.
    pub(crate) unsent: std::vec::IntoIter<(Key, Tag)>,
}

impl Phase {
    /// Returns the phase that follows this one.
    pub(crate) fn next(self) -> Phase {
        match self {
            Phase::Flush => Phase::HalfClose,
            Phase::HalfClose => Phase::Linger,
            Phase::Linger | Phase::Done => Phase::Done,
        }
    }
}
