//! Connections of clients: the task that owns each, what it does, and what all connections share.
//!
//! One task owns a connection ([`task`]): it reads frames and passes them to the session, executes the actions that the
//! session requests, takes deliveries out of the outbound queue and writes them in batches. A [`crate::wire`] defines
//! how frames are carried as bytes.
//!
//! ```text
//!   task ──> inbound ──> session ──> executor ──> broker
//!    │          └ backpressure, authentication
//!    └─────> outbound <── outbound queue
//!                └ slow_consumer, close
//! ```
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
