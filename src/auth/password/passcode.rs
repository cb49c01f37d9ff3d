//! Passcodes in the configuration, and their comparison in constant time.

use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// A passcode. `Debug` does not show it. A comparison always takes the same time: it depends neither on the first
/// difference nor on the length.
#[derive(Clone)]
pub struct Passcode {
    bytes: [u8; Passcode::BYTES_MAX],
    len: u64,
}

impl Passcode {
    /// Maximum length of a passcode, in bytes.
    pub const BYTES_MAX: usize = 256;

    /// Creates a passcode. Returns `None` if `text` is longer than [`Passcode::BYTES_MAX`].
    pub fn new(text: &str) -> Option<Passcode> {
        (text.len() <= Passcode::BYTES_MAX).then(|| Passcode::padded(text))
    }

    /// Returns whether `presented` is this passcode.
    #[cfg(test)]
    pub fn matches(&self, presented: &str) -> bool {
        self.ct_matches(presented).into()
    }

    /// Returns whether `presented` is this passcode. The [`Choice`] can be used in a longer constant-time computation.
    pub(crate) fn ct_matches(&self, presented: &str) -> Choice {
        let presented = Passcode::padded(presented);
        self.bytes.ct_eq(&presented.bytes) & self.len.ct_eq(&presented.len)
    }

    /// Pads a text to the fixed size. All comparisons are of arrays of this size, so that their time does not reveal
    /// the length of a passcode. A text that is too long is cut. It still differs by its stored length.
    fn padded(text: &str) -> Passcode {
        let mut bytes = [0; Passcode::BYTES_MAX];
        let taken = text.len().min(Passcode::BYTES_MAX);
        bytes[..taken].copy_from_slice(&text.as_bytes()[..taken]);
        Passcode { bytes, len: text.len() as u64 }
    }
}

impl PartialEq for Passcode {
    fn eq(&self, other: &Passcode) -> bool {
        (self.bytes.ct_eq(&other.bytes) & self.len.ct_eq(&other.len)).into()
    }
}

impl Eq for Passcode {}

impl fmt::Debug for Passcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_identical_bytes_match() {
        let longest = "x".repeat(Passcode::BYTES_MAX);
        let longer = format!("{longest}x");
        let passcode = |text: &str| Passcode::new(text).expect("short enough");
        for text in ["a", "open sesame", "ä:\u{1f512}", &longest] {
            assert!(passcode(text).matches(text), "{text}");
            for other in ["", "b", "open sesam", "open sesame\0", "Open sesame", &longer] {
                assert!(!passcode(text).matches(other), "{text} {other}");
            }
        }
        assert_eq!(Passcode::new(&longer), None);
        assert_ne!(passcode("a"), passcode("a\0"), "padding is not part of the passcode");
    }

    #[test]
    fn debug_hides_the_passcode() {
        assert_eq!(format!("{:?}", Passcode::new("secret")), "Some(***)");
    }
}
