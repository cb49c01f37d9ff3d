//! From octets to frames.

use super::{Frame, Limits, Version};

/// Why a stream of octets is not STOMP, or is more than the limits allow. Fatal for the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{summary}")]
pub struct DecodeError {
    /// Short: the value of ERROR's `message` header; no colon, no backslash, no line end.
    pub summary: &'static str,
    /// One or two sentences for ERROR's body: what was wrong, where, and what was expected.
    pub detail: String,
    /// The limit that was exceeded, by its option's name (`"frame-bytes-max"`), if it was one.
    pub limit: Option<&'static str>,
    /// The offending frame's `receipt`, where it could still be read.
    pub receipt: Option<String>,
}

/// Turns the octets of one connection into frames.
#[derive(Debug)]
pub struct Decoder { _limits: Limits }
impl Decoder {
    /// A decoder that knows no version yet: escapes are as in 1.2, CONNECT and STOMP frames are literal.
    pub fn new(limits: Limits) -> Decoder { Decoder { _limits: limits } }
    /// Sets the escapes and rules of the negotiated version, for frames not yet returned by `next`.
    pub fn set_version(&mut self, version: Version) { let _ = version; unimplemented!() }
    /// Sets limits for what follows.
    pub fn set_limits(&mut self, limits: Limits) { let _ = limits; unimplemented!() }
    /// Takes octets in. What is buffered never grows beyond one frame's limits and what `input` held;
    /// call `next` until it returns `None` after each.
    pub fn feed(&mut self, input: &[u8]) { let _ = input; unimplemented!() }
    /// The next whole frame; `None` when octets are missing. After an error it returns the same error for ever.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame>, DecodeError> { unimplemented!() }
    /// Octets held: 0 when no frame is begun, and then no memory is held either.
    pub fn buffered(&self) -> usize { unimplemented!() }
}
