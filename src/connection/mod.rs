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
//!                └ slow_consumer_error, close
//! ```
//!
//! # Memory of an idle connection
//! An idle connection has no buffers. For each read it borrows the read buffer of the worker thread. It frees the write
//! buffer when everything is written, and the decoder buffer when no frame has begun. A WebSocket connection with one
//! subscription uses:
//!
//! | what | bytes |
//! |---|---|
//! | the task, which contains the connection: session, decoder, output, wire | 1,792 |
//! | outbound queue and its few slots | 350 |
//! | timer | 112 |
//! | subscription: in the connection, the session and the subscriber list | 400 |
//! | the runtime's registration of the socket | 256 |
//!
//! With the rounding of the allocator, each connection took 3.2 KiB of resident memory. This was measured with 9,900
//! connections, with a release build and jemalloc. If a buffer is not freed, the use exceeds 6 KiB, and
//! `tests/it/limits/idle.rs` fails.
//!
//! A SockJS session over HTTP took 23.5 KiB, measured with 4,000 streams. The session uses two HTTP connections: one on
//! which it receives, and one on which it has sent. For each of them, hyper keeps two pages for request and response
//! heads, and some 3 KiB of state.

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
mod slow_consumer_error;
mod state;
pub(crate) mod task;
#[cfg(test)]
mod tests;
mod wrong_protocol;

pub use context::{ConnectionContext, ConnectionContextParts, random_node};
pub use options::Options;
pub(crate) use state::poll_budget::PollBudget;
