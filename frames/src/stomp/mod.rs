//! STOMP frames: what they are, where one ends, how to read and how to write one.

pub mod boundary;
pub mod command;
pub mod decode;
pub mod encode;
pub mod frame;
pub mod headers;
pub mod heartbeat;
pub mod version;

pub use command::Command;
pub use decode::{DecodeError, Decoder};
pub use boundary::Limits;
pub use frame::Frame;
pub use headers::Headers;
pub use heartbeat::HeartBeat;
pub use version::Version;
