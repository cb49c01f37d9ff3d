//! The header block of a received frame.

use bytes::Bytes;
use std::borrow::Cow;

/// The headers of one frame: a block of octets (valid UTF-8) and where each line's name and value lie in it.
/// Values are unescaped when asked for. Repeated names: the first counts.
#[derive(Clone, Debug, Default)]
pub struct Headers { _block: Bytes }
impl Headers {
    /// The first header called `name` (compared unescaped), unescaped.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> { let _ = name; unimplemented!() }
    /// Every line in the order received, unescaped, repeats included.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + '_ { std::iter::empty() }
    /// Number of lines.
    pub fn len(&self) -> usize { unimplemented!() }
    /// Whether there is no line.
    pub fn is_empty(&self) -> bool { self.len() == 0 }
}
