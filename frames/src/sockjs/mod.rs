//! SockJS 0.3.3: the contents of responses and of WebSocket messages, and the payloads of requests.
//!
//! [`quote()`] quotes text character by character. The [`Envelope`] of the transport encloses each [`SockJsFrame`]. A
//! [`Payload`] contains the strings that a client sent.

pub mod callback;
pub mod envelope;
pub mod frame;
pub mod payload;
pub mod quote;

pub use callback::{Callback, CallbackError};
pub use envelope::Envelope;
pub use frame::{ARRAY_CLOSE, ARRAY_OPEN, SockJsFrame};
pub use payload::{Payload, PayloadError};
pub use quote::{Quoting, quote, unquote};
