//! STOMP frames: finding their boundaries, decoding and encoding them.

pub mod boundary;
pub mod command;
pub mod decode;
mod delimiters;
pub mod encode;
pub(crate) mod escape;
pub mod frame;
mod frame_error;
pub(crate) mod grammar;
pub mod headers;
pub mod heartbeat;
pub mod version;

pub use boundary::Limits;
pub use command::Command;
pub use decode::{DecodeError, Decoder};
pub use frame::Frame;
pub use headers::Headers;
pub use heartbeat::HeartBeat;
pub use version::Version;
