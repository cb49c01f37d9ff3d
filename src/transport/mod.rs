//! Clients' sockets: the only room, besides hyper, that reads and writes them.
//!
//! One task owns a connection ([`drive`]): it reads frames and has the session judge them, does what the
//! session wishes, takes parcels out of the outbox and writes them, batch by batch. What octets mean on the
//! way is a [`wire`]: [`tcp`], [`websocket`], and [`sockjs`] over either WebSocket or plain HTTP.
//!
//! # What an idle connection holds
//! No read buffer (borrowed per worker thread), no write buffer (freed when written), no decoder buffer (freed
//! when no frame is begun). What remains of a WebSocket connection with one subscription, in octets:
//!
//! | what | octets |
//! |---|---|
//! | the task, in it the connection: session, decoder, output, wire | 1,792 |
//! | outbox and its few slots | 350 |
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

mod by_key;
mod byte_stream;
mod close;
pub mod coalesce;
mod commit;
pub mod drive;
mod first_bytes;
mod full;
mod head_memory;
mod http_socket;
mod hub;
mod ignored_headers;
mod inbound;
mod input;
pub mod line;
mod log_limit;
mod login_log;
mod networks;
mod outbound;
mod pause;
mod perform;
pub mod protocol;
mod publish;
mod question;
mod report;
mod scratch;
mod seats;
mod share;
mod slow;
pub mod sockets;
pub mod sockjs;
mod stomp;
pub mod tcp;
#[cfg(test)]
mod tests;
mod timer;
mod visitor;
pub mod websocket;
pub mod wire;
mod wrong_protocol;

pub use byte_stream::ByteStream;
pub use head_memory::{HEAD_BYTES_MAX, HeadMemory};
pub use http_socket::{First, HttpSocket};
pub use hub::{Hub, Options, Parts as HubParts, random_name};
pub use input::InputShare;
pub use line::{Line, Place};
pub use log_limit::LogLimit;
pub use networks::Networks;
pub use seats::{Seat, Seats};
pub use stomp::Stomp;
pub use visitor::{Trust, Visitor};
pub use wrong_protocol::WrongProtocols;

/// The names of all transports in logs and metrics.
pub fn names() -> impl Iterator<Item = &'static str> {
    ["tcp", "websocket"].into_iter().chain(sockjs::names())
}
