//! A type for secret texts, such as tokens and passcodes.

use std::fmt;
use zeroize::Zeroize;

/// A secret text, such as a token or a passcode. `Debug` does not show it. Dropping it wipes its memory.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Box<str>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Secret {
    pub fn new(text: &str) -> Secret {
        Secret(text.into())
    }

    /// Returns the text itself. Do not put it into a log or an error.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
