//! STOMP as an [`Application`], which runs over WebSocket and on SockJS sessions.

use crate::connection::context::ConnectionContext;
use crate::connection::peer::Peer;
use crate::connection::task;
use crate::http::sockjs::Application;
use crate::wire::Wire;
use crate::wire::byte_stream::ByteStream;
use crate::wire::websocket::{WebSocket, WebSocketWire};
use std::future::Future;
use std::sync::Arc;

/// The application that serves STOMP clients. All its connections share a [`ConnectionContext`].
#[derive(Debug)]
pub struct Stomp {
    context: Arc<ConnectionContext>,
}

impl Stomp {
    /// Creates the application. Its connections share `context`.
    pub fn new(context: Arc<ConnectionContext>) -> Stomp {
        Stomp { context }
    }
}

impl Application for Stomp {
    fn serve_connection<W: Wire>(&self, wire: W, peer: Peer) {
        self.spawn(task::serve(self.context.clone(), wire, peer));
    }

    fn serve_raw_websocket<S: ByteStream>(&self, socket: WebSocket<S>, peer: Peer) {
        self.serve_connection(WebSocketWire::new(socket), peer);
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.context.tasks.spawn(task);
    }
}
