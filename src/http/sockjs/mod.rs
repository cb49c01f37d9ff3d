//! SockJS: messages for browsers over WebSocket or, where the network does not allow it, over plain HTTP.
//!
//! ```text
//!   request ─> Endpoints ─> routes: one row per path
//!                 │ Receive ─> SharedSession::attach ─> Receiver (the body of the response)
//!                 │ Send ────> SharedSession::send
//!                 └ Socket ──> SocketWire (SockJS), or the bare Socket (raw WebSocket)
//!   application <─> HttpWire <─> SharedSession (one session, in the Registry)
//! ```
//!
//! An [`Application`] runs on the sessions: it gets a [`Wire`] for each of them and does not depend on the transport
//! below. The rules of the life of a session are in [`session`], which is sans-IO; the formats are in
//! `stompbox_frames::sockjs`.
//!
//! A session over HTTP is a wire that reads what `xhr_send` and `jsonp_send` requests bring, and writes to the attached
//! receiver. Without a receiver the wire is not ready, and messages wait where they also wait for a slow WebSocket: in
//! the outbound queue, which bounds them.

mod endpoints;
pub(crate) mod identity;
mod inbound_messages;
mod options;
mod response_builder;
mod route;
mod routes;
pub(crate) mod session;
mod static_responses;
mod upgrade;
mod upload;

pub use self::session::receiver::{Body, Receiver};
pub use self::session::response_chunk::ResponseChunk;
pub use endpoints::{Endpoints, RequestContext};
pub use options::{CLIENT_URL, Options, Transport, Transports};
pub use route::is_iframe_page;
pub use routes::names;

use crate::connection::peer::Peer;
use crate::wire::Wire;
use crate::wire::byte_stream::ByteStream;
use crate::wire::websocket::Socket;
use std::future::Future;

/// The protocol that runs on the sessions of a service, such as STOMP.
pub trait Application: Send + Sync + 'static {
    /// Starts the protocol on a new session. The session ends when `wire` is dropped.
    fn serve_connection<W: Wire>(&self, wire: W, peer: Peer);

    /// Starts the protocol on a new WebSocket without SockJS.
    fn serve_raw_websocket<S: ByteStream>(&self, socket: Socket<S>, peer: Peer);

    /// Spawns a task of the SockJS layer.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}
