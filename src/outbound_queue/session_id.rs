//! The identity of sessions in the broker.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The identity of a session, or of another subscriber. It is unique across nodes and restarts.
///
/// Clients do not see it. The ID that CONNECTED shows is random, because a client that knows it can send messages to
/// the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The node to which the session is connected.
    pub node: NodeId,
    /// The number of the session on its node, counted from 0.
    pub number: u64,
}

/// The identity of one run of a node: a random number of 48 bits. A node that restarts gets another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u64);

/// A generator of the identities of the sessions of one node.
#[derive(Debug)]
pub struct SessionIds {
    node: NodeId,
    next: AtomicU64,
}

impl NodeId {
    /// Number of bits of a node's identity.
    const BITS: u32 = 48;

    /// Creates the identity from random bits, of which the lowest 48 are used.
    pub fn from_random(bits: u64) -> NodeId {
        NodeId(bits & ((1 << NodeId::BITS) - 1))
    }
}

impl fmt::Display for NodeId {
    /// Writes the identity as twelve hexadecimal digits. Message IDs and the addresses of temporary queues contain it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

impl SessionIds {
    /// Creates a generator for the sessions of `node`.
    pub fn new(node: NodeId) -> SessionIds {
        SessionIds { node, next: AtomicU64::new(0) }
    }

    /// Returns an identity that was never returned before.
    pub fn next(&self) -> SessionId {
        SessionId { node: self.node, number: self.next.fetch_add(1, Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_id_is_written_as_twelve_digits() {
        for (bits, text) in [(0, "000000000000"), (0xab, "0000000000ab"), (u64::MAX, "ffffffffffff")] {
            assert_eq!(NodeId::from_random(bits).to_string(), text);
        }
    }

    #[test]
    fn session_ids_differ_and_carry_the_node() {
        let node = NodeId::from_random(7);
        let ids = SessionIds::new(node);
        assert_eq!([ids.next(), ids.next()], [0, 1].map(|number| SessionId { node, number }));
    }
}
