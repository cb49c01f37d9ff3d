//! Finds the octets that give the head of a frame its structure, a block of them at a time.
//!
//! Header lines are short: to find their colon and their end, a search that is fast over kilobytes spends more
//! on its beginning than on the line. Here one block after the other is compared as a whole, whatever lines it
//! is part of, and each line end and colon costs only the count of a bit.

use memchr::memchr3;

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Blocks without a mark after which the line is held for a long one.
const SHORT_LINE_BLOCKS: usize = 2;

/// The places of all LF, NUL and colons in some octets, in their order.
pub(super) struct Delimiters<'a> {
    octets: &'a [u8],
    /// What is behind the block that is being looked at.
    rest: &'a [u8],
    /// Where that block begins.
    block: usize,
    /// Its marks that are yet to be told, one bit for each octet.
    marked: u32,
}

impl<'a> Delimiters<'a> {
    #[inline]
    pub(super) fn new(octets: &'a [u8]) -> Delimiters<'a> {
        Delimiters { octets, rest: octets, block: 0, marked: 0 }
    }

    /// Goes on to a block with a mark, if there is one.
    #[inline]
    fn advance(&mut self) -> bool {
        let mut patience = SHORT_LINE_BLOCKS;
        while !self.rest.is_empty() {
            if patience == 0 {
                self.rest = leap(self.rest);
                patience = SHORT_LINE_BLOCKS;
            }
            self.block = self.octets.len() - self.rest.len();
            match self.rest.split_first_chunk() {
                Some((block, rest)) => {
                    self.rest = rest;
                    self.marked = marked(block);
                }
                None => {
                    let mut block = [b' '; BLOCK];
                    block[..self.rest.len()].copy_from_slice(self.rest);
                    self.rest = &[];
                    self.marked = marked(&block);
                }
            }
            if self.marked != 0 {
                return true;
            }
            patience -= 1;
        }
        false
    }
}

impl Iterator for Delimiters<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.marked == 0 && !self.advance() {
            return None;
        }
        let octet = self.marked.trailing_zeros();
        self.marked &= self.marked - 1;
        Some(self.block + octet as usize)
    }
}

/// A bit for each octet that is a mark, the lowest for the first.
#[inline]
fn marked(block: &[u8; BLOCK]) -> u32 {
    // The product has the lowest bits of the eight octets side by side in its highest octet.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut seen = [0; BLOCK];
    compare(block, &mut seen);
    let (words, _) = seen.as_chunks();
    let gathered = words.iter().map(|word| u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56);
    gathered.rev().fold(0, |marked, octet| marked << 8 | octet as u32)
}

/// Writes 1 for each mark and 0 for any other octet. Not inlined, so that what is done with the result does not
/// keep the comparisons from being compiled to those of sixteen octets at once.
#[inline(never)]
fn compare(block: &[u8; BLOCK], seen: &mut [u8; BLOCK]) {
    for (seen, octet) in seen.iter_mut().zip(block) {
        *seen = u8::from(*octet == b'\n') | u8::from(*octet == 0) | u8::from(*octet == b':');
    }
}

/// From the next mark on: over the rest of a long line.
#[cold]
fn leap(rest: &[u8]) -> &[u8] {
    let next = memchr3(b'\n', 0, b':', rest).unwrap_or(rest.len());
    &rest[next..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_mark(octet: u8) -> bool {
        matches!(octet, b'\n' | 0 | b':')
    }

    #[test]
    fn every_octet_at_every_place_of_a_block_is_told_from_marks() {
        for octet in 0..=u8::MAX {
            for around in [b'x', 1, 9, 11, 0x7f, 0x80, 0xff, b'9', b';', 0xba] {
                for place in 0..BLOCK {
                    let mut octets = [around; BLOCK];
                    octets[place] = octet;
                    let expected: &[usize] = if is_mark(octet) { &[place] } else { &[] };
                    assert_eq!(
                        Delimiters::new(&octets).collect::<Vec<_>>(),
                        expected,
                        "{octet} among {around}"
                    );
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
                assert_eq!(Delimiters::new(&octets).collect::<Vec<_>>(), expected, "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn marks_are_those_that_a_look_at_each_octet_finds(
            octets in prop::collection::vec(prop::sample::select(b"\n\0:ax9;\x0b\r\x80\xba\xff".as_slice()), 0..100),
        ) {
            let expected: Vec<_> = (0..octets.len()).filter(|at| is_mark(octets[*at])).collect();
            prop_assert_eq!(Delimiters::new(&octets).collect::<Vec<_>>(), expected);
        }
    }
}
