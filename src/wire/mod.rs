//! The interface between the connection task and a transport. A transport wraps frames, and reads and writes bytes.
//!
//! To add a transport, implement [`Wire`] and create the type in the listener that accepts its connections. The
//! connection task ([`crate::connection::task`]) uses a transport only through [`Wire`].

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
