//! The ids of messages and queues: unique across nodes and restarts.

use crate::outbound_queue::NodeId;
use arrayvec::ArrayString;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The text of a message id: twelve digits of the node, a hyphen, and at most 20 digits.
pub(super) type MessageId = ArrayString<33>;

/// A generator of message ids of the form `{node}-{n}`. `node` differs from start to start.
#[derive(Debug)]
pub(super) struct Ids {
    /// The text of the node's identity, and a hyphen.
    prefix: Box<str>,
    last: AtomicU64,
}

impl Ids {
    pub(super) fn new(node: NodeId) -> Ids {
        Ids { prefix: format!("{node}-").into(), last: AtomicU64::new(0) }
    }

    /// Returns an id that was never returned before.
    pub(super) fn next(&self) -> MessageId {
        let n = self.last.fetch_add(1, Relaxed) + 1;
        // `itoa` takes a third of the instructions that formatting takes, and every message needs an id.
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(n);
        let mut id = MessageId::new();
        id.push_str(&self.prefix);
        id.push_str(digits);
        id
    }
}

/// The identity of a queue from its creation to its removal. It is unique across nodes and restarts.
///
/// A queue without messages and consumers is removed. If it is created again, the new queue has the same name, and its
/// positions start at 1 again. It has another identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId {
    /// The node that created the queue.
    pub node: NodeId,
    /// The number of the queue on its node, counted from 0.
    pub number: u64,
}

/// A generator of the identities of the queues of one node.
#[derive(Debug)]
pub(super) struct QueueIds {
    node: NodeId,
    next: AtomicU64,
}

impl QueueIds {
    /// Creates a generator for the queues of `node`.
    pub(super) fn new(node: NodeId) -> QueueIds {
        QueueIds { node, next: AtomicU64::new(0) }
    }

    /// Returns an identity that was never returned before.
    pub(super) fn next(&self) -> QueueId {
        QueueId { node: self.node, number: self.next.fetch_add(1, Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_node_and_count_up() {
        let ids = Ids::new(NodeId::from_random(0xab));
        assert_eq!([ids.next().as_str(), ids.next().as_str()], ["0000000000ab-1", "0000000000ab-2"]);
    }

    #[test]
    fn queue_ids_differ_and_carry_the_node() {
        let node = NodeId::from_random(7);
        let ids = QueueIds::new(node);
        assert_eq!([ids.next(), ids.next()], [0, 1].map(|number| QueueId { node, number }));
    }
}
