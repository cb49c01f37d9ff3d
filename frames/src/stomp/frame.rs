//! One received frame.

use super::{Command, Headers};
use bytes::Bytes;

/// One frame: header values and body are slices of the one block of octets received.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Frame {
    pub command: Command,
    pub headers: Headers,
    pub body: Bytes,
}

impl Frame {
    /// A header by name, unescaped; the first of that name counts.
    pub fn header(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.headers.get(name)
    }
}
