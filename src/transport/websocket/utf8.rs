//! Checks UTF-8 as it arrives, in pieces cut anywhere (RFC 6455 §8.1).

/// The check of one text message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8Check {
    /// The bytes of a character that is not complete yet.
    partial: [u8; 4],
    have: u8,
}

impl Utf8Check {
    /// Takes a piece in; `false` as soon as no continuation could make it valid.
    pub(super) fn feed(&mut self, mut piece: &[u8]) -> bool {
        while self.have > 0 {
            let [first, rest @ ..] = piece else { return true };
            self.partial[self.have as usize] = *first;
            self.have += 1;
            piece = rest;
            match std::str::from_utf8(&self.partial[..self.have as usize]) {
                Ok(_) => self.have = 0,
                // An incomplete character is never longer than three bytes, so `partial` has room.
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                let tail = &piece[error.valid_up_to()..];
                self.partial[..tail.len()].copy_from_slice(tail);
                self.have = tail.len() as u8;
                true
            }
            Err(_) => false,
        }
    }

    /// Whether no character is cut off.
    pub(super) fn is_complete(&self) -> bool {
        self.have == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the check, fed in pieces of `size`, agrees with the standard library on `bytes`.
    fn verdict(octets: &[u8], size: usize) -> bool {
        let mut check = Utf8Check::default();
        octets.chunks(size).all(|piece| check.feed(piece)) && check.is_complete()
    }

    #[test]
    fn every_split_gives_the_verdict_of_the_whole() {
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
        for octets in table {
            for size in 1..=octets.len().max(1) {
                assert_eq!(
                    verdict(octets, size),
                    std::str::from_utf8(octets).is_ok(),
                    "{octets:x?} by {size}"
                );
            }
        }
    }

    #[test]
    fn a_hopeless_sequence_is_refused_before_the_message_ends() {
        let mut check = Utf8Check::default();
        assert!(check.feed(b"\xf4"));
        assert!(!check.feed(b"\x90"), "no character begins with f4 90");
    }
}
