//! Clients' sockets: the only room, besides hyper, that reads and writes them.
//!
//! One task owns a connection ([`drive`]): it reads frames and has the session judge them, does what the
//! session wishes, takes deliveries out of the outbound queue and writes them, batch by batch. What bytes mean on the
//! way is a [`wire`]: [`tcp`], [`websocket`], and [`sockjs`] over either WebSocket or plain HTTP.
//!
//! # What an idle connection holds
//! No read buffer (borrowed per worker thread), no write buffer (freed when written), no decoder buffer (freed
//! when no frame is begun). What remains of a WebSocket connection with one subscription, in bytes:
//!
//! | what | bytes |
//! |---|---|
//! | the task, in it the connection: session, decoder, output, wire | 1,792 |
//! | outbound queue and its few slots | 350 |
//! | timer | 112 |
//! | subscription: in the connection, the session and the roster | 400 |
//! | the runtime's registration of the socket | 256 |
//!
//! With what allocators round up that was 3.2 KiB resident for each of 9,900 connections (release build,
//! jemalloc). `tests/it/idle.rs` fails when it grows past 6 KiB, that is, when a buffer stays.
//!
//! A SockJS session over HTTP was 23.5 KiB (4,000 streams), for it has two connections, the one that it receives by and
//! the one by which it has sent, and hyper keeps of each a page for reading heads and one for writing them, beside
//! some 3 KiB of its own.

mod authentication;
mod byte_stream;
mod close;
mod commit;
pub mod connection;
mod connection_context;
mod connection_limiter;
mod execute;
mod first_bytes;
mod full;
mod head_memory;
pub mod http_connection;
mod http_socket;
mod ignored_headers;
mod inbound;
mod input;
mod log_limit;
mod login_log;
mod networks;
mod outbound;
pub mod output_buffer;
mod peer;
mod poll_budget;
pub mod protocol;
mod publish;
mod read_buffer;
mod read_pause;
mod report;
mod slow;
pub mod sockets;
pub mod sockjs;
mod stomp;
mod subscription_map;
pub mod tcp;
#[cfg(test)]
mod tests;
mod timer;
pub mod websocket;
pub mod wire;
mod wrong_protocol;

pub use byte_stream::ByteStream;
pub use connection_context::{ConnectionContext, Options, Parts as ConnectionContextParts, random_name};
pub use connection_limiter::{ConnectionLimiter, ConnectionPermit};
pub use head_memory::{HEAD_BYTES_MAX, HeadMemory};
pub use http_connection::{Admission, HttpConnection};
pub use http_socket::{First, HttpSocket};
pub use input::InputShare;
pub use log_limit::LogLimit;
pub use networks::Networks;
pub use peer::{Peer, Trust};
pub use stomp::Stomp;
pub use wrong_protocol::WrongProtocols;

/// The names of all transports in logs and metrics.
pub fn names() -> impl Iterator<Item = &'static str> {
    ["tcp", "websocket"].into_iter().chain(sockjs::names())
}
