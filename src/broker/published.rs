//! The results of routing messages.

use super::journal::Ticket;
use crate::outbound_queue::OutboundQueue;
use std::sync::Arc;

/// The result of a publication, or of one step of a transaction.
#[derive(Debug, Default)]
pub struct Published {
    /// Number of subscriptions to which the message was pushed. For a queue: 1 if the queue accepted the message.
    pub reached: usize,
    /// For users' destinations: number of sessions to which the message was pushed, each counted once. Otherwise
    /// `None`.
    pub sessions: Option<usize>,
    /// For `/app`: number of services that got the message, 0 or 1. Otherwise `None`.
    pub services: Option<usize>,
    /// Receivers that the publisher should wait for before it reads more frames.
    pub congested: Vec<Congested>,
    /// The outcome that the publisher must wait for. `None` if the message is routed and needs no store.
    pub ticket: Option<Ticket>,
}

/// A receiver whose outbound queue is above one half of its limit.
#[derive(Debug)]
pub struct Congested {
    /// The outbound queue of the receiver.
    pub outbound_queue: Arc<OutboundQueue>,
    /// Whether the outbound queues of most receivers of the message are above one half.
    pub is_widespread: bool,
}

/// The numbers of receivers of a message, or of all messages of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverCounts {
    /// Number of subscriptions to which the messages were pushed, see [`Published::reached`].
    pub subscriptions: usize,
    /// Number of sessions to which messages to users were pushed. `None` if there was no such message.
    pub sessions: Option<usize>,
    /// Number of services that got a message. `None` if there was no message to a service.
    pub services: Option<usize>,
}

impl ReceiverCounts {
    /// Adds the receivers of one message.
    pub fn add(&mut self, published: &Published) {
        self.subscriptions += published.reached;
        self.sessions = add_counts(self.sessions, published.sessions);
        self.services = add_counts(self.services, published.services);
    }
}

fn add_counts(left: Option<usize>, right: Option<usize>) -> Option<usize> {
    if left.is_none() { right } else { left.map(|left| left + right.unwrap_or(0)) }
}
