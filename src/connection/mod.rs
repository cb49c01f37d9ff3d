//! Connections of clients: the task that owns a connection, what this task does, and the state that all connections
//! share.
//!
//! Each connection is owned by one task ([`task`]). The task reads frames, passes them to the session, and executes the
//! actions that the session requests. It also takes deliveries out of the outbound queue and writes them in batches. A
//! [`crate::wire`] defines how frames are transmitted as bytes.
//!
//! ```text
//!   task ──> inbound ──> session ──> executor ──> broker
//!    │          └ backpressure, authentication
//!    └─────> outbound <── outbound queue
//!                └ slow_consumer, close
//! ```
//!
//! # Memory of an idle connection
//! An idle connection has no read buffer (it borrows the buffer of the worker thread for each read), no write buffer
//! (freed when everything is written) and no decoder buffer (freed when no frame has begun). A WebSocket connection
//! with one subscription uses:
//!
//! | what | bytes |
//! |---|---|
//! | the task, which contains the connection: session, decoder, output, wire | 1,792 |
//! | outbound queue and its few slots | 350 |
//! | timer | 112 |
//! | subscription: in the connection, the session and the subscriber list | 400 |
//! | the runtime's registration of the socket | 256 |
//!
//! With the rounding of the allocator, this was 3.2 KiB of resident memory for each connection, measured with 9,900
//! connections (release build, jemalloc). If a buffer is not freed, the use exceeds 6 KiB, and
//! `tests/it/limits/idle.rs` fails.
//!
//! A SockJS session over HTTP took 23.5 KiB (measured with 4,000 streams). It uses two HTTP connections: one on which
//! it receives, and one on which it has sent. For each of them, hyper keeps one page for reading request heads, one
//! page for writing response heads, and some 3 KiB of its own state.

mod authentication;
mod backpressure;
mod close;
pub(crate) mod context;
mod executor;
mod inbound;
pub(crate) mod listen;
pub(crate) mod log;
mod options;
mod outbound;
pub mod peer;
mod slow_consumer;
mod state;
pub(crate) mod task;
#[cfg(test)]
mod tests;
mod wrong_protocol;

pub use context::{ConnectionContext, Parts as ConnectionContextParts, random_name};
pub use options::Options;
