//! STOMP as what runs on WebSockets and SockJS sessions.

use super::byte_stream::ByteStream;
use super::drive;
use super::hub::Hub;
use super::sockjs::Application;
use super::visitor::Visitor;
use super::websocket::{Socket, WebSocketWire};
use super::wire::Wire;
use std::future::Future;
use std::sync::Arc;

/// The broker's own application.
#[derive(Debug)]
pub struct Stomp {
    hub: Arc<Hub>,
}

impl Stomp {
    /// Conversations with what `hub` has.
    pub fn new(hub: Arc<Hub>) -> Stomp {
        Stomp { hub }
    }
}

impl Application for Stomp {
    fn converse<W: Wire>(&self, wire: W, visitor: Visitor) {
        self.spawn(drive::serve(self.hub.clone(), wire, visitor));
    }

    fn converse_raw<S: ByteStream>(&self, socket: Socket<S>, visitor: Visitor) {
        self.converse(WebSocketWire::new(socket), visitor);
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.hub.tasks.spawn(task);
    }
}
