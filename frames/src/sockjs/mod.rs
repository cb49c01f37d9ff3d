//! SockJS 0.3.3: what a server writes into a response or a WebSocket message, and what a client sends.
//!
//! Text is quoted character by character ([`quote()`]), a [`Frame`] stands inside the [`Envelope`] of its
//! transport, and what a client sent is a [`Payload`].

pub mod callback;
pub mod envelope;
pub mod frame;
pub mod payload;
pub mod quote;

pub use callback::{BadCallback, Callback, percent_decode};
pub use envelope::Envelope;
pub use frame::{ARRAY_CLOSE, ARRAY_OPEN, Frame};
pub use payload::{BadPayload, Payload};
pub use quote::{Quoting, quote, unquote};
