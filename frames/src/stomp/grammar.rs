//! Parses the header block of a whole frame, with nom.
//!
//! ```text
//! block  = *( header EOL ) [ EOL ]         ; a frame without a body may lack the blank line
//! header = name ":" value
//! name   = 1*( any byte but LF and ":" )
//! value  = *( any byte but LF )          ; ":" is tolerated, a CR before the LF belongs to the EOL
//! EOL    = [CR] LF
//! ```
//!
//! The search for the end of the frame ([`frame_scanner`](super::frame_scanner)) has already found the ends of lines
//! and names. This module checks only the structure of the lines. [`decode`](super::decode) checks UTF-8, escapes and
//! stray CRs, if the head contains a byte that could make them invalid.

use nom::bytes::take;
use nom::character::char;
use nom::error::{ErrorKind, ParseError};
use nom::multi::fold_many0;
use nom::sequence::{preceded, terminated};
use nom::{Err, IResult, Parser};
use smallvec::SmallVec;

/// Offsets of the colon and of the LF of one header line in the head. The search for the end of the frame finds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderSpan {
    /// Offset of the first colon. Equal to `end` if the line has no colon.
    pub(crate) colon: u32,
    /// Offset of the LF.
    pub(crate) end: u32,
}

/// The header lines of a block. The search for the end of the frame finds them.
pub(super) type HeaderSpans = SmallVec<[HeaderSpan; 8]>;

/// Byte offsets of the name and of the value of one header line in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderLine {
    pub(crate) name: u32,
    pub(crate) name_end: u32,
    pub(crate) value: u32,
    pub(crate) value_end: u32,
}

/// The parsed lines of a block.
pub(crate) type HeaderLines = SmallVec<[HeaderLine; 8]>;

/// The reason why a block does not match the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderLineError {
    NoColon,
    EmptyName,
    /// An error of nom's own parsers. It ends the loop over the header lines, and is never the final error.
    Other,
}

#[derive(Debug)]
pub(super) struct HeaderError<'a> {
    /// The part of the block from the invalid line on.
    rest: &'a [u8],
    reason: HeaderLineError,
}

impl<'a> ParseError<&'a [u8]> for HeaderError<'a> {
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> HeaderError<'a> {
        HeaderError { rest, reason: HeaderLineError::Other }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: HeaderError<'a>) -> HeaderError<'a> {
        other
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T, HeaderError<'a>>;

/// Parses the block from the offset `headers` to the end of `head`. Appends its lines to `lines`. The error is the
/// reason and the offset of the invalid line in `head`.
#[inline]
pub(super) fn lines(
    head: &[u8],
    headers: usize,
    spans: &[HeaderSpan],
    lines: &mut HeaderLines,
) -> Result<(), (HeaderLineError, usize)> {
    match block(head, headers, spans, lines) {
        Ok(_) => Ok(()),
        Err(Err::Error(error) | Err::Failure(error)) => Err((error.reason, head.len() - error.rest.len())),
        Err(Err::Incomplete(_)) => Err((HeaderLineError::Other, head.len())),
    }
}

/// Parses `header EOL` at the offset `at` of `head`. `span` has the delimiters of this line.
#[inline]
pub(crate) fn line(head: &[u8], at: usize, span: HeaderSpan) -> Result<HeaderLine, HeaderLineError> {
    match terminated(|input| header(input, at, span), eol).parse(&head[at..]) {
        Ok((_, line)) => Ok(line),
        Err(Err::Error(error) | Err::Failure(error)) => Err(error.reason),
        Err(Err::Incomplete(_)) => Err(HeaderLineError::Other),
    }
}

/// Parses `block = *( header EOL ) [ EOL ]`.
#[inline]
fn block<'a>(
    head: &'a [u8],
    headers: usize,
    spans: &[HeaderSpan],
    lines: &mut HeaderLines,
) -> Parsed<'a, ()> {
    let mut spans = spans.iter();
    let header = |input: &'a [u8]| match spans.next() {
        Some(span) => header(input, head.len() - input.len(), *span),
        None => Err(Err::Error(HeaderError { rest: input, reason: HeaderLineError::Other })),
    };
    // Push each line directly into `lines`. If the accumulator contained the lines, it would be moved for each line.
    let push = |(), line| lines.push(line);
    terminated(fold_many0(terminated(header, eol), || (), push), blank_line).parse(&head[headers..])
}

/// Parses `header = name ":" value`. The line begins at offset `at` of the head.
#[inline(always)]
fn header(input: &[u8], at: usize, span: HeaderSpan) -> Parsed<'_, HeaderLine> {
    let (colon, end) = (span.colon as usize, span.end as usize);
    let reason = match colon {
        _ if colon == end => HeaderLineError::NoColon,
        _ if colon == at => HeaderLineError::EmptyName,
        _ => {
            let value = value(end - colon - 1);
            let (rest, value) = preceded((take(colon - at), char(':')), value).parse(input)?;
            let start = span.colon + 1;
            let value_end = start + value.len() as u32;
            return Ok((rest, HeaderLine { name: at as u32, name_end: span.colon, value: start, value_end }));
        }
    };
    Err(Err::Failure(HeaderError { rest: input, reason }))
}

/// Parses `value = *( any byte but LF )`, without the CR that belongs to the EOL.
#[inline]
fn value<'a>(length: usize) -> impl Parser<&'a [u8], Output = &'a [u8], Error = HeaderError<'a>> {
    move |input: &'a [u8]| {
        let (_, value) = take(length).parse(input)?;
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        Ok((&input[value.len()..], value))
    }
}

/// Parses `[ EOL ]`: the blank line, or the end of the block.
#[inline]
fn blank_line(input: &[u8]) -> Parsed<'_, ()> {
    match input {
        [] => Ok((input, ())),
        _ => eol(input).map(|(rest, _)| (rest, ())),
    }
}

/// Parses `EOL = [CR] LF`.
#[inline]
fn eol(input: &[u8]) -> Parsed<'_, char> {
    match input {
        [b'\r', ..] => preceded(char('\r'), char('\n')).parse(input),
        _ => char('\n').parse(input),
    }
}

/// Parses a decimal number. Returns `None` if the input is empty or has a byte that is not a digit. A number that
/// exceeds `usize` becomes `usize::MAX`.
pub(crate) fn digits(input: &[u8]) -> Option<usize> {
    if input.is_empty() {
        return None;
    }
    input.iter().try_fold(0usize, |number, digit| {
        digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(block: &[u8]) -> Result<HeaderLines, (HeaderLineError, usize)> {
        let ends = block.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(end, _)| end);
        let mut start = 0;
        let mut spans = HeaderSpans::new();
        for end in ends {
            let line = &block[std::mem::replace(&mut start, end + 1)..end];
            if !matches!(line, b"" | b"\r") {
                let colon = line.iter().position(|byte| *byte == b':');
                let colon = colon.map_or(end, |colon| end - line.len() + colon);
                spans.push(HeaderSpan { colon: colon as u32, end: end as u32 });
            }
        }
        let mut lines = HeaderLines::new();
        super::lines(block, 0, &spans, &mut lines).map(|()| lines)
    }

    #[test]
    fn header_block_is_lines_and_an_optional_blank_line() {
        let cases: [(&str, &[(&str, &str)]); 10] = [
            ("", &[]),
            ("\n", &[]),
            ("\r\n", &[]),
            ("a:b\n", &[("a", "b")]),
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
            let parts =
                |line: &HeaderLine| (part(line.name, line.name_end), part(line.value, line.value_end));
            assert_eq!(lines.iter().map(parts).collect::<Vec<_>>(), expected, "{block:?}");
        }
    }

    #[test]
    fn malformed_header_is_reported_with_its_position() {
        let cases = [
            ("a\n\n", (HeaderLineError::NoColon, 0)),
            ("a:b\nc\n\n", (HeaderLineError::NoColon, 4)),
            ("a:b\n:c\n\n", (HeaderLineError::EmptyName, 4)),
            (":\n\n", (HeaderLineError::EmptyName, 0)),
            ("\r\r\n\n", (HeaderLineError::NoColon, 0)),
        ];
        for (block, expected) in cases {
            assert_eq!(lines(block.as_bytes()), Err(expected), "{block:?}");
        }
    }

    #[test]
    fn block_cut_inside_a_line_is_rejected() {
        let block = b"a:b\r\nc:d\n\r\n";
        for end in 0..block.len() {
            let is_whole_lines = end == 0 || block[..end].ends_with(b"\n");
            assert_eq!(lines(&block[..end]).is_ok(), is_whole_lines, "{end}");
        }
    }
}
