//! Checks UTF-8 that arrives in pieces, which may be split within a character (RFC 6455 §8.1).

/// The UTF-8 check of one text message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8Check {
    /// The first bytes of a character that has not arrived completely.
    partial: [u8; 4],
    filled: u8,
}

impl Utf8Check {
    /// Checks the next piece. Returns `false` as soon as the text cannot become valid, whatever follows.
    pub(super) fn feed(&mut self, mut piece: &[u8]) -> bool {
        while self.filled > 0 {
            let [first, rest @ ..] = piece else { return true };
            self.partial[self.filled as usize] = *first;
            self.filled += 1;
            piece = rest;
            match std::str::from_utf8(&self.partial[..self.filled as usize]) {
                Ok(_) => self.filled = 0,
                // An incomplete character has at most three bytes, so `partial` has room for one more.
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                let tail = &piece[error.valid_up_to()..];
                self.partial[..tail.len()].copy_from_slice(tail);
                self.filled = tail.len() as u8;
                true
            }
            Err(_) => false,
        }
    }

    /// Returns whether the last character of the text so far is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.filled == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether the check accepts the bytes when they are fed in pieces of `size`.
    fn is_accepted(bytes: &[u8], size: usize) -> bool {
        let mut check = Utf8Check::default();
        bytes.chunks(size).all(|piece| check.feed(piece)) && check.is_complete()
    }

    #[test]
    fn result_is_the_same_at_every_split() {
        let table: &[&[u8]] = &[
            b"",
            b"plain",
            "κόσμε 漢字 😀 ÿ".as_bytes(),
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
            b"\xf4\x90\x80\x80",
            b"\xf4\x8f\xbf\xbf",
            b"\xc0\xaf",
            b"\xe2\x82",
            b"\xff",
            b"a\x80",
            b"\xf0\x9f\x98",
        ];
        for bytes in table {
            for size in 1..=bytes.len().max(1) {
                assert_eq!(
                    is_accepted(bytes, size),
                    std::str::from_utf8(bytes).is_ok(),
                    "{bytes:x?} by {size}"
                );
            }
        }
    }

    #[test]
    fn invalid_sequence_is_rejected_before_the_message_ends() {
        let mut check = Utf8Check::default();
        assert!(check.feed(b"\xf4"));
        assert!(!check.feed(b"\x90"), "no UTF-8 character begins with f4 90");
    }
}
