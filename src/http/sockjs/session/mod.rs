//! SockJS sessions: their lifetime, the state that their requests share, and their wires.

pub(crate) mod http_wire;
pub(crate) mod lifecycle;
pub(crate) mod receiver;
pub(crate) mod receiver_slot;
pub(crate) mod registry;
pub(crate) mod response_chunk;
pub(crate) mod shared_session;
pub(crate) mod socket_wire;
mod state;
