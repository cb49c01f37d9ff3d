//! The type of a received frame.

use super::command::Command;
use super::headers::Headers;
use bytes::Bytes;

/// A received frame. Its headers and its body are slices of one block of received bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The command: the first line of the frame.
    pub command: Command,
    /// The header lines, in the order of the frame.
    pub headers: Headers,
    /// The body, without the NUL after it. Empty for commands that allow no body.
    pub body: Bytes,
}

impl Frame {
    /// Returns the value of the first header with this name, without escapes. `name` is compared with names without
    /// escapes. Repeated headers do not count (STOMP 1.2, section "Repeated Header Entries").
    #[inline]
    pub fn header(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.headers.get(name)
    }
}
