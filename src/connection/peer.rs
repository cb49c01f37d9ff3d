//! An accepted client, before its first STOMP frame.

use crate::auth::Handshake;
use crate::limits::connection_limiter::ConnectionPermit;
use std::sync::Arc;

/// An accepted client, with the connection permit that it holds.
#[derive(Debug)]
pub struct Peer {
    /// The connection permit of the client.
    pub permit: ConnectionPermit,
    /// The address, the credentials and other information known so far.
    pub handshake: Arc<Handshake>,
}

impl Peer {
    /// Creates a peer of which only the address is known.
    pub fn unauthenticated(permit: ConnectionPermit) -> Peer {
        let handshake = Handshake { address: Some(permit.address()), ..Handshake::default() };
        Peer { permit, handshake: Arc::new(handshake) }
    }
}
