//! A received frame.

use super::command::Command;
use super::headers::Headers;
use bytes::Bytes;

/// A received frame. Headers and body are slices of one block of received bytes.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Frame {
    pub command: Command,
    pub headers: Headers,
    pub body: Bytes,
}

impl Frame {
    /// Returns the unescaped value of the first header with this name.
    pub fn header(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.headers.get(name)
    }
}
