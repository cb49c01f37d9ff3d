//! STOMP as the application that runs on WebSockets and SockJS sessions.

use super::byte_stream::ByteStream;
use super::connection;
use super::connection_context::ConnectionContext;
use super::peer::Peer;
use super::sockjs::Application;
use super::websocket::{Socket, WebSocketWire};
use super::wire::Wire;
use std::future::Future;
use std::sync::Arc;

/// The application that serves STOMP clients with a [`ConnectionContext`].
#[derive(Debug)]
pub struct Stomp {
    context: Arc<ConnectionContext>,
}

impl Stomp {
    /// Creates the application for the connections of `context`.
    pub fn new(context: Arc<ConnectionContext>) -> Stomp {
        Stomp { context }
    }
}

impl Application for Stomp {
    fn serve_connection<W: Wire>(&self, wire: W, peer: Peer) {
        self.spawn(connection::serve(self.context.clone(), wire, peer));
    }

    fn serve_raw_websocket<S: ByteStream>(&self, socket: Socket<S>, peer: Peer) {
        self.serve_connection(WebSocketWire::new(socket), peer);
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.context.tasks.spawn(task);
    }
}
