//! Message ids: unique across nodes and restarts.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_node_and_count_up() {
        let ids = Ids::new(NodeId::from_random(0xab));
        assert_eq!([ids.next().as_str(), ids.next().as_str()], ["0000000000ab-1", "0000000000ab-2"]);
    }
}
