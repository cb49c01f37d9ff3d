//! Finds the octets that give the head of a frame its structure, eight octets at a time.
//!
//! Header lines are short: to find their colon and their end, a search that is fast over kilobytes spends more
//! on its beginning than on the line. Here one word after the other is compared as a whole, whatever lines it
//! is part of, and each line end and colon costs only the count of a bit.

use memchr::memchr3;

/// The places of all LF, NUL and colons in some octets, in their order. There may be others among them.
pub(super) struct Marks<'a> {
    octets: &'a [u8],
    /// What is behind the word that is being looked at.
    rest: &'a [u8],
    /// Octets of that word.
    word: usize,
    /// The highest bit of each of its octets that is yet to be told.
    marked: u64,
}

/// Words without a mark after which the line is held for a long one.
const SHORT_LINE_WORDS: usize = 8;

impl<'a> Marks<'a> {
    #[inline]
    pub(super) fn new(octets: &'a [u8]) -> Marks<'a> {
        Marks { octets, rest: octets, word: 8, marked: 0 }
    }

    /// Goes on to a word with a mark, if there is one.
    #[inline]
    fn advance(&mut self) -> bool {
        let mut patience = SHORT_LINE_WORDS;
        while let Some((word, rest)) = self.rest.split_first_chunk() {
            self.rest = rest;
            self.marked = marked(u64::from_le_bytes(*word));
            if self.marked != 0 {
                return true;
            }
            patience -= 1;
            if patience == 0 {
                self.rest = leap(self.rest);
                patience = SHORT_LINE_WORDS;
            }
        }
        if self.rest.is_empty() {
            return false;
        }
        self.marked = last_word(self.octets, self.rest);
        self.word = self.rest.len();
        self.rest = &[];
        self.marked != 0
    }
}

/// Looks at the octets at the end that are no whole word.
#[inline]
fn last_word(octets: &[u8], rest: &[u8]) -> u64 {
    let missing = 8 * (8 - rest.len()) as u32;
    let word = match octets.last_chunk() {
        // What has been looked at goes out below; zeros come in above, and are not looked at.
        Some(last) => u64::from_le_bytes(*last) >> missing,
        None => rest.iter().rfold(0, |word, octet| word << 8 | u64::from(*octet)),
    };
    marked(word) & u64::MAX >> missing
}

/// From the next mark on: over the rest of a long line.
#[cold]
fn leap(rest: &[u8]) -> &[u8] {
    let next = memchr3(b'\n', 0, b':', rest).unwrap_or(rest.len());
    &rest[next..]
}

impl Iterator for Marks<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.marked == 0 && !self.advance() {
            return None;
        }
        let octet = self.marked.trailing_zeros() / 8;
        self.marked &= self.marked - 1;
        Some(self.octets.len() - self.rest.len() - self.word + octet as usize)
    }
}

/// The highest bit of each octet that is a colon or below 0x10, and of a few that only stand behind such a one:
/// a borrow goes up.
#[inline]
fn marked(word: u64) -> u64 {
    let below_16 = word.wrapping_sub(each(0x10)) & !word;
    let colons = word ^ each(b':');
    let colons = colons.wrapping_sub(each(1)) & !colons;
    (below_16 | colons) & each(0x80)
}

const fn each(octet: u8) -> u64 {
    u64::from_le_bytes([octet; 8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_mark(octet: u8) -> bool {
        matches!(octet, b'\n' | 0 | b':')
    }

    #[test]
    fn no_octet_at_any_place_of_a_word_is_missed_and_words_without_marks_have_none() {
        for octet in 0..=u8::MAX {
            for around in [b'x', 0x10, 0x7f, 0x80, 0xff, b':', b'\n', b'9', b';', 0xba] {
                for place in 0..8 {
                    let mut octets = [around; 8];
                    octets[place] = octet;
                    let found: Vec<_> = Marks::new(&octets).collect();
                    assert!(found.is_sorted_by(|one, other| one < other));
                    assert!(!is_mark(octet) || found.contains(&place), "{octet} at {place} among {around}");
                    assert!(octets.iter().any(|octet| *octet == b':' || *octet < 16) || found.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_long_line_is_leapt_over() {
        for length in 0..200 {
            for end in [&b""[..], b":", b"\n:", b"x\0y:y\n"] {
                let octets = [&vec![0xe9; length], end, &[b'x'; 9]].concat();
                let expected: Vec<_> = (0..octets.len()).filter(|at| is_mark(octets[*at])).collect();
                let found: Vec<_> = Marks::new(&octets).filter(|at| is_mark(octets[*at])).collect();
                assert_eq!(found, expected, "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn marks_are_those_that_a_look_at_each_octet_finds(
            octets in prop::collection::vec(prop::sample::select(b"\n\0:ax9;\x0b\r\x80\xba\xff".as_slice()), 0..100),
        ) {
            let found: Vec<_> = Marks::new(&octets).collect();
            prop_assert!(found.is_sorted_by(|one, other| one < other));
            for (at, octet) in octets.iter().enumerate() {
                prop_assert!(!is_mark(*octet) || found.contains(&at), "{} at {}", octet, at);
            }
        }
    }
}
