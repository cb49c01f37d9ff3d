//! Finds the bytes that delimit the parts of a frame's head. Examines the head in blocks.
//!
//! Header lines are short. A search that is fast over kilobytes, such as `memchr`, takes more time for its setup than
//! for a line. This search compares each block of bytes as a whole, even if it contains the end of a line. Each
//! delimiter then costs only a count of trailing zeros.

use memchr::memchr3;

/// Number of bytes that are compared together.
const BLOCK: usize = 32;

/// Number of consecutive blocks without a delimiter, after which `memchr3` searches for the next delimiter.
const SHORT_LINE_BLOCKS: usize = 2;

/// An iterator over the offsets of all LFs, NULs and colons.
pub(crate) struct Delimiters<'a> {
    bytes: &'a [u8],
    /// The bytes after the current block.
    rest: &'a [u8],
    /// Offset of the current block.
    block: usize,
    /// A bit for each byte of the current block: whether it is a delimiter that was not returned yet.
    delimiters: u32,
}

impl<'a> Delimiters<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Delimiters<'a> {
        Delimiters { bytes, rest: bytes, block: 0, delimiters: 0 }
    }

    /// Advances to the next block with a delimiter. Returns whether such a block exists.
    #[inline(always)]
    fn advance(&mut self) -> bool {
        let mut blocks_left = SHORT_LINE_BLOCKS;
        while !self.rest.is_empty() {
            if blocks_left == 0 {
                self.rest = skip_to_delimiter(self.rest);
                blocks_left = SHORT_LINE_BLOCKS;
            }
            self.block = self.bytes.len() - self.rest.len();
            match self.rest.split_first_chunk() {
                Some((block, rest)) => {
                    self.rest = rest;
                    self.delimiters = delimiters(block);
                }
                None => {
                    let mut block = [b' '; BLOCK];
                    block[..self.rest.len()].copy_from_slice(self.rest);
                    self.rest = &[];
                    self.delimiters = delimiters(&block);
                }
            }
            if self.delimiters != 0 {
                return true;
            }
            blocks_left -= 1;
        }
        false
    }
}

impl Iterator for Delimiters<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.delimiters == 0 && !self.advance() {
            return None;
        }
        let byte = self.delimiters.trailing_zeros();
        self.delimiters &= self.delimiters - 1;
        Some(self.block + byte as usize)
    }
}

/// Returns a bit for each byte: whether it is a delimiter. The lowest bit is for the first byte.
#[inline]
fn delimiters(block: &[u8; BLOCK]) -> u32 {
    // The multiplication collects the lowest bit of each of the eight bytes in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut flags = [0; BLOCK];
    compare(block, &mut flags);
    let (words, _) = flags.as_chunks();
    let gathered = words.iter().map(|word| u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56);
    gathered.rev().fold(0, |delimiters, byte| delimiters << 8 | byte as u32)
}

/// Writes 1 for each delimiter and 0 for each other byte. It is not inlined: the code around it would prevent the
/// compiler from vectorizing the comparisons.
#[inline(never)]
fn compare(block: &[u8; BLOCK], flags: &mut [u8; BLOCK]) {
    for (flags, byte) in flags.iter_mut().zip(block) {
        *flags = u8::from(*byte == b'\n') | u8::from(*byte == 0) | u8::from(*byte == b':');
    }
}

/// Returns `rest` from its first delimiter on. For a long line, this search is faster.
#[cold]
fn skip_to_delimiter(rest: &[u8]) -> &[u8] {
    let next = memchr3(b'\n', 0, b':', rest).unwrap_or(rest.len());
    &rest[next..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_delimiter(byte: u8) -> bool {
        matches!(byte, b'\n' | 0 | b':')
    }

    #[test]
    fn delimiters_are_found_at_every_position_of_a_block() {
        for byte in 0..=u8::MAX {
            for around in [b'x', 1, 9, 11, 0x7f, 0x80, 0xff, b'9', b';', 0xba] {
                for position in 0..BLOCK {
                    let mut bytes = [around; BLOCK];
                    bytes[position] = byte;
                    let expected: &[usize] = if is_delimiter(byte) { &[position] } else { &[] };
                    assert_eq!(
                        Delimiters::new(&bytes).collect::<Vec<_>>(),
                        expected,
                        "{byte} among {around}"
                    );
                }
            }
        }
    }

    #[test]
    fn delimiters_after_a_long_line_are_found() {
        for length in 0..200 {
            for end in [&b""[..], b":", b"\n:", b"x\0y:y\n"] {
                let bytes = [&vec![0xe9; length], end, &[b'x'; 9]].concat();
                let expected: Vec<_> = (0..bytes.len()).filter(|at| is_delimiter(bytes[*at])).collect();
                assert_eq!(Delimiters::new(&bytes).collect::<Vec<_>>(), expected, "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn delimiters_match_a_bytewise_search(
            bytes in prop::collection::vec(prop::sample::select(b"\n\0:ax9;\x0b\r\x80\xba\xff".as_slice()), 0..100),
        ) {
            let expected: Vec<_> = (0..bytes.len()).filter(|at| is_delimiter(bytes[*at])).collect();
            prop_assert_eq!(Delimiters::new(&bytes).collect::<Vec<_>>(), expected);
        }
    }
}
