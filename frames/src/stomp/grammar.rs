//! The header block of a whole frame, in nom.
//!
//! ```text
//! block  = *( header EOL ) EOL
//! header = name ":" value
//! name   = 1*( any octet but LF and ":" )
//! value  = *( any octet but LF )         ; ":" is tolerated, a CR before the LF belongs to the EOL
//! EOL    = [CR] LF
//! ```
//!
//! Only the structure is decided here. UTF-8, escapes and stray CRs are checked afterwards, and only where
//! the block holds an octet that could make them wrong.

use memchr::{memchr, memchr2};
use nom::branch::alt;
use nom::bytes::tag;
use nom::error::{ErrorKind, ParseError};
use nom::multi::fold_many0;
use nom::sequence::{separated_pair, terminated};
use nom::{Err, IResult, Offset, Parser};
use smallvec::SmallVec;

/// Where the parts of one header line lie, in octets of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: u32,
    pub(crate) name_end: u32,
    pub(crate) value: u32,
    pub(crate) value_end: u32,
}

/// The lines of a block.
pub(crate) type Lines = SmallVec<[Line; 8]>;

/// Why a block has not this grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    NoColon,
    EmptyName,
    /// What nom's own parsers say; never final, the fold ends there.
    Other,
}

#[derive(Debug)]
pub(super) struct Fault<'a> {
    /// The block from the offending line on.
    rest: &'a [u8],
    wrong: Wrong,
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> Fault<'a> {
        Fault { rest, wrong: Wrong::Other }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Fault<'a>) -> Fault<'a> {
        other
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

/// The lines of a block, or what is wrong and at which octet of the block the offending line begins.
pub(super) fn lines(block: &[u8]) -> Result<Lines, (Wrong, usize)> {
    let fault = |fault: Fault<'_>| (fault.wrong, block.len() - fault.rest.len());
    match headers(block) {
        Ok((_, lines)) => Ok(lines),
        Err(Err::Error(error) | Err::Failure(error)) => Err(fault(error)),
        Err(Err::Incomplete(_)) => Err((Wrong::Other, block.len())),
    }
}

/// `block = *( header EOL ) EOL`
fn headers(block: &[u8]) -> Parsed<'_, Lines> {
    let place = |part: &[u8]| block.offset(part) as u32;
    let line = |(name, value): (&[u8], &[u8])| Line {
        name: place(name),
        name_end: place(name) + name.len() as u32,
        value: place(value),
        value_end: place(value) + value.len() as u32,
    };
    // Pushed where they stay: folded into an accumulator they would be moved with every line.
    let mut lines = Lines::new();
    let push = |(), pair| lines.push(line(pair));
    let (rest, ()) = terminated(fold_many0(terminated(header, eol), || (), push), eol).parse(block)?;
    Ok((rest, lines))
}

/// `header = name ":" value`
#[inline]
fn header(input: &[u8]) -> Parsed<'_, (&[u8], &[u8])> {
    separated_pair(name, tag(&b":"[..]), value).parse(input)
}

/// `name = 1*( any octet but LF and ":" )`; an EOL here is no header, and no fault.
#[inline]
fn name(input: &[u8]) -> Parsed<'_, &[u8]> {
    match memchr2(b':', b'\n', input) {
        Some(0) if input[0] == b':' => Err(Err::Failure(Fault { rest: input, wrong: Wrong::EmptyName })),
        Some(at) if input[at] == b':' => Ok((&input[at..], &input[..at])),
        _ if eol(input).is_ok() => Err(Err::Error(Fault { rest: input, wrong: Wrong::Other })),
        _ => Err(Err::Failure(Fault { rest: input, wrong: Wrong::NoColon })),
    }
}

/// `value = *( any octet but LF )`, without the CR that belongs to the EOL.
#[inline]
fn value(input: &[u8]) -> Parsed<'_, &[u8]> {
    let line = &input[..memchr(b'\n', input).unwrap_or(input.len())];
    let value = line.strip_suffix(b"\r").unwrap_or(line);
    Ok((&input[value.len()..], value))
}

/// `EOL = [CR] LF`
#[inline]
fn eol(input: &[u8]) -> Parsed<'_, &[u8]> {
    alt((tag(&b"\n"[..]), tag(&b"\r\n"[..]))).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_lines_and_a_blank_line() {
        let cases: [(&str, &[(&str, &str)]); 8] = [
            ("\n", &[]),
            ("\r\n", &[]),
            ("a:b\n\n", &[("a", "b")]),
            ("a:b\r\nc:d\n\r\n", &[("a", "b"), ("c", "d")]),
            ("a:\n\n", &[("a", "")]),
            ("a:b:c:\n\n", &[("a", "b:c:")]),
            (" a : b \n\n", &[(" a ", " b ")]),
            ("\ra:b\r\r\n\n", &[("\ra", "b\r")]),
        ];
        for (block, expected) in cases {
            let lines = lines(block.as_bytes()).expect("a block");
            let part = |from: u32, to: u32| &block[from as usize..to as usize];
            let parts = |line: &Line| (part(line.name, line.name_end), part(line.value, line.value_end));
            assert_eq!(lines.iter().map(parts).collect::<Vec<_>>(), expected, "{block:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_told_with_its_place() {
        let cases = [
            ("a\n\n", (Wrong::NoColon, 0)),
            ("a:b\nc\n\n", (Wrong::NoColon, 4)),
            ("a:b\n:c\n\n", (Wrong::EmptyName, 4)),
            (":\n\n", (Wrong::EmptyName, 0)),
            ("\r\r\n\n", (Wrong::NoColon, 0)),
        ];
        for (block, expected) in cases {
            assert_eq!(lines(block.as_bytes()), Err(expected), "{block:?}");
        }
    }

    #[test]
    fn a_block_that_is_cut_short_is_wrong_and_never_a_panic() {
        let block = b"a:b\r\nc:d\n\r\n";
        for end in 0..block.len() {
            assert!(lines(&block[..end]).is_err(), "{end}");
        }
    }
}
