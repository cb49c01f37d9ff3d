//! The interface between the connection task and a transport: how frames are wrapped for it, and how bytes are read and
//! written.
//!
//! A transport is a type that implements [`Wire`], and an entry at its listener. The connection task
//! ([`crate::connection::task`]) uses nothing else of it.

pub mod byte_stream;
mod ending;
pub(crate) mod first_bytes;
mod outgoing_frame;
pub mod output_buffer;
pub(crate) mod protocol;
pub(crate) mod read_buffer;
pub(crate) mod tcp;
mod transport;
pub mod websocket;

pub use ending::{CloseInfo, ReadEnd};
pub use outgoing_frame::{OutgoingFrame, Tail};
pub use transport::Wire;
