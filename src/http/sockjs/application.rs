//! The interface of the protocol that runs on SockJS sessions and WebSockets.

use crate::connection::peer::Peer;
use crate::wire::Wire;
use crate::wire::byte_stream::ByteStream;
use crate::wire::websocket::WebSocket;
use std::future::Future;

/// The protocol that runs on the sessions of a SockJS service, such as STOMP.
pub trait Application: Send + Sync + 'static {
    /// Starts the protocol on a new session. The session ends when `wire` is dropped.
    fn serve_connection<W: Wire>(&self, wire: W, peer: Peer);

    /// Starts the protocol on a new WebSocket that does not use SockJS.
    fn serve_raw_websocket<S: ByteStream>(&self, socket: WebSocket<S>, peer: Peer);

    /// Spawns a task of the SockJS layer.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}
