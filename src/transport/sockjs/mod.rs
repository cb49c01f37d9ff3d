//! SockJS: messages for browsers whatever the network allows, over WebSocket or over plain HTTP.
//!
//! ```text
//!   request ─> Endpoints ─> table: a row per path
//!                 │ Receive ─> Link::attach ─> Receiver (the body of the response)
//!                 │ Send ────> Link::send
//!                 └ Socket ──> SocketWire, or for raw WebSocket no SockJS at all
//!   application <─> HttpWire <─> Link (one session, in the Registry)
//! ```
//!
//! What runs on the sessions is an [`Application`]: it is given a [`Wire`] for each and does not know which
//! transport is under it. The rules of a session's life are in [`session`], which is sans-IO; formats are in
//! `stompbox_frames::sockjs`.
//!
//! A session over HTTP is a wire whose reading side is fed by `xhr_send` and `jsonp_send` and whose writing side is
//! the receiver that is attached. Without a receiver it is not ready, and messages wait where they wait for a slow
//! WebSocket too: in the outbound queue, which bounds them.

mod answer;
mod endpoints;
mod http_wire;
pub(super) mod identity;
mod options;
mod receiver;
mod receiver_slot;
mod registry;
mod response_chunk;
mod routes;
pub mod session;
mod shared_session;
mod socket_wire;
mod statics;
mod upgrade;
mod upload;

pub use endpoints::{Endpoints, RequestContext, is_iframe_page};
pub use options::{CLIENT_URL, Options, Transport, Transports};
pub use receiver::{Body, Receiver};
pub use response_chunk::ResponseChunk;
pub use routes::names;
#[cfg(test)]
pub(super) use socket_wire::SocketWire;

use super::byte_stream::ByteStream;
use super::peer::Peer;
use super::websocket::Socket;
use super::wire::Wire;
use std::future::Future;

/// What runs on the sessions.
pub trait Application: Send + Sync + 'static {
    /// A session has begun; it is over when `wire` is dropped.
    fn converse<W: Wire>(&self, wire: W, peer: Peer);

    /// A WebSocket without SockJS on it has been opened.
    fn converse_raw<S: ByteStream>(&self, socket: Socket<S>, peer: Peer);

    /// Runs a task of the layer's own.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}
