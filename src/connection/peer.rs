//! An accepted client, before its first STOMP frame.

use crate::auth::ClientHandshake;
use crate::limits::connection_limiter::ConnectionPermit;
use std::sync::Arc;

/// An accepted client: its connection permit, and what is known about it.
#[derive(Debug)]
pub struct Peer {
    /// The connection permit of the client.
    pub permit: ConnectionPermit,
    /// The client's address, credentials and other information, as far as known.
    pub handshake: Arc<ClientHandshake>,
}

impl Peer {
    /// Creates a peer of which only the address is known.
    pub fn unauthenticated(permit: ConnectionPermit) -> Peer {
        let handshake = ClientHandshake { address: Some(permit.address()), ..ClientHandshake::default() };
        Peer { permit, handshake: Arc::new(handshake) }
    }
}
