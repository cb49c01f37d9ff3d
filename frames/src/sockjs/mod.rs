//! SockJS 0.3.3: the contents of responses and WebSocket messages, and the payloads of requests.
//!
//! Text is quoted character by character ([`quote()`]). The [`Envelope`] of the transport encloses each [`Frame`]. A
//! [`Payload`] holds the strings that a client sent.

pub mod callback;
pub mod envelope;
pub mod frame;
pub mod payload;
pub mod quote;

pub use callback::{Callback, CallbackError};
pub use envelope::Envelope;
pub use frame::{ARRAY_CLOSE, ARRAY_OPEN, Frame};
pub use payload::{Payload, PayloadError};
pub use quote::{Quoting, quote, unquote};
