//! The listening sockets of a broker.

use tokio::net::TcpListener;

/// Listening sockets for the broker to serve.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Sockets for STOMP directly over TCP.
    pub tcp: Vec<TcpListener>,
    /// Sockets for HTTP: WebSocket, SockJS, health and metrics.
    pub http: Vec<TcpListener>,
}
