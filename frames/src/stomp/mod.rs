//! STOMP frames: the search for their end, the decoder and the encoder.

pub mod command;
pub mod decode;
mod decode_error;
pub(crate) mod delimiters;
pub mod encode;
pub(crate) mod escape;
pub mod frame;
mod frame_error;
pub mod frame_scanner;
pub(crate) mod grammar;
pub mod headers;
pub mod heartbeat;
mod limits;
pub mod version;

pub use command::Command;
pub use decode::Decoder;
pub use decode_error::DecodeError;
pub use frame::Frame;
pub use headers::Headers;
pub use heartbeat::HeartBeat;
pub use limits::{FrameLimit, Limits};
pub use version::Version;
