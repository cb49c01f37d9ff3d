//! A secret that a user is known by.

use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// A passcode. It cannot be shown, and comparing it takes the same time wherever the first difference is and
/// however long it is.
#[derive(Clone)]
pub struct Passcode {
    octets: [u8; Passcode::BYTES_MAX],
    len: u64,
}

impl Passcode {
    /// Bytes of a passcode at most.
    pub const BYTES_MAX: usize = 256;

    /// Holds `text`; `None` if it is longer than [`Passcode::BYTES_MAX`].
    pub fn new(text: &str) -> Option<Passcode> {
        (text.len() <= Passcode::BYTES_MAX).then(|| Passcode::padded(text))
    }

    /// Whether `presented` is this passcode.
    pub fn matches(&self, presented: &str) -> bool {
        self.ct_matches(presented).into()
    }

    /// The same, for use in a longer computation of constant time.
    pub(super) fn ct_matches(&self, presented: &str) -> Choice {
        let presented = Passcode::padded(presented);
        self.octets.ct_eq(&presented.octets) & self.len.ct_eq(&presented.len)
    }

    /// All comparing is between arrays of one size, so that it tells nothing of the length that is held. What
    /// is too long is cut, and differs by its length.
    fn padded(text: &str) -> Passcode {
        let mut octets = [0; Passcode::BYTES_MAX];
        let taken = text.len().min(Passcode::BYTES_MAX);
        octets[..taken].copy_from_slice(&text.as_bytes()[..taken]);
        Passcode { octets, len: text.len() as u64 }
    }
}

impl PartialEq for Passcode {
    fn eq(&self, other: &Passcode) -> bool {
        (self.octets.ct_eq(&other.octets) & self.len.ct_eq(&other.len)).into()
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
    fn only_the_same_octets_match() {
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
        assert_ne!(passcode("a"), passcode("a\0"), "padding is no part of it");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Passcode::new("secret")), "Some(***)");
    }
}
