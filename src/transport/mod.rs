//! Transports: the only module, besides hyper, that reads and writes the sockets of clients.
//!
//! One task owns a connection ([`connection`]): it reads frames and passes them to the session, executes the actions
//! that the session requests, takes deliveries out of the outbound queue and writes them in batches. A [`wire`] defines
//! how frames are carried as bytes: [`tcp`], [`websocket`], and [`sockjs`] over either WebSocket or plain HTTP.
//!
//! # Memory of an idle connection
//! An idle connection has no read buffer (it borrows that of the worker thread), no write buffer (freed once everything
//! is written) and no decoder buffer (freed while no frame has begun). A WebSocket connection with one subscription
//! holds:
//!
//! | what | bytes |
//! |---|---|
//! | the task, which contains the connection: session, decoder, output, wire | 1,792 |
//! | outbound queue and its few slots | 350 |
//! | timer | 112 |
//! | subscription: in the connection, the session and the subscriber list | 400 |
//! | the runtime's registration of the socket | 256 |
//!
//! Including the rounding of the allocator, this was 3.2 KiB of resident memory per connection, measured with 9,900
//! connections (release build, jemalloc). `tests/it/idle.rs` fails when it exceeds 6 KiB, that is, when a buffer is not
//! freed.
//!
//! A SockJS session over HTTP took 23.5 KiB (measured with 4,000 streams). It has two connections, one that it receives
//! by and one that it has sent by. For each of them hyper keeps a page for reading heads and a page for writing them,
//! in addition to some 3 KiB of its own.

mod authentication;
mod byte_stream;
mod close;
mod commit;
pub mod connection;
mod connection_context;
mod connection_limiter;
mod execute;
mod first_bytes;
mod head_memory;
pub mod http_connection;
mod http_socket;
mod ignored_headers;
mod inbound;
mod input;
mod limit_warnings;
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
mod slow_consumer;
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
pub use http_socket::{HttpSocket, HttpStart};
pub use input::InputShare;
pub use log_limit::LogLimit;
pub use networks::Networks;
pub use peer::{Peer, Trust};
pub use stomp::Stomp;
pub use wrong_protocol::WrongProtocols;

/// Returns the names of all transports in logs and metrics.
pub fn names() -> impl Iterator<Item = &'static str> {
    ["tcp", "websocket"].into_iter().chain(sockjs::names())
}
