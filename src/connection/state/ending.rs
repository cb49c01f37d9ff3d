//! The state of a connection that is ending, and the phases of closing its socket ([`crate::connection::close`]).

use crate::outbound_queue::{Key, Tag};
use crate::session::Closing;
use std::time::Instant;

/// A phase of closing a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosePhase {
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
    pub(crate) phase: ClosePhase,
    /// Deliveries of work queues that are removed from the outbound queue and not requeued yet, ordered by
    /// subscription. They are requeued before the subscriptions are dropped.
    pub(crate) unsent: std::vec::IntoIter<(Key, Tag)>,
}

impl ClosePhase {
    /// Returns the phase that follows this one.
    pub(crate) fn next(self) -> ClosePhase {
        match self {
            ClosePhase::Flush => ClosePhase::HalfClose,
            ClosePhase::HalfClose => ClosePhase::Linger,
            ClosePhase::Linger | ClosePhase::Done => ClosePhase::Done,
        }
    }
}
