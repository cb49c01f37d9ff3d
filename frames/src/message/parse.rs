//! Parses a primary tail that the broker did not necessarily write itself.
//!
//! ```text
//! tail = destination LF message-id LF *( header LF ) content-length LF LF body NUL LF
//! ```
//!
//! A tail is valid only if the encoder can write it. For example, a colon in a value must be escaped, although many
//! clients accept it without an escape. Two different tails are therefore never the same message.

use super::reserved::RESERVED_EXTRA;
use super::tail::{CONTENT_LENGTH, DESTINATION, EscapesUsed, Layout, MESSAGE_ID, is_reserved};
use super::wire_error::{WireError, WireErrorKind};
use crate::stomp::decode::is_simple;
use crate::stomp::delimiters::Delimiters;
use crate::stomp::encode::{END, decimal_length};
use crate::stomp::escape::{self, Dialect};
use crate::stomp::grammar::{self, HeaderLineError, HeaderSpan, digits};
use memchr::memchr;

/// Returns the layout of a primary tail and the escapes in it.
pub(super) fn parse(tail: &[u8]) -> Result<(Layout, EscapesUsed), WireError> {
    let mut lines = Lines::new(tail);
    let destination_end = lines.next_named(DESTINATION)?.end;
    let id_end = lines.next_named(MESSAGE_ID)?.end;
    let length = skip_to_content_length(&mut lines)?;
    if tail.get(lines.next) != Some(&b'\n') {
        return Err(WireError { offset: lines.next, kind: WireErrorKind::BlankLineMissing });
    }
    let layout = Layout { destination_end, id_end, headers_end: length.start, body: lines.next + 1 };
    check_body(&tail[layout.body..], layout.body, content_length(&length)?)?;
    let escapes = match lines.are_simple {
        true => EscapesUsed::None,
        false => EscapesUsed::of(&tail[layout.head()]),
    };
    Ok((layout, escapes))
}

/// Skips the header lines between `message-id` and `content-length`, and returns the latter.
fn skip_to_content_length<'a>(lines: &mut Lines<'a>) -> Result<Line<'a>, WireError> {
    // A bit for each header in `RESERVED_EXTRA` that has occurred.
    let mut seen = 0u32;
    loop {
        let line = lines.next_or_missing(CONTENT_LENGTH)?;
        if line.name == CONTENT_LENGTH.as_bytes() {
            return Ok(line);
        }
        if !is_reserved(line.name, true, line.is_simple) {
            continue;
        }
        let kind = match RESERVED_EXTRA.iter().position(|name| name.as_bytes() == line.name) {
            None => WireErrorKind::ReservedHeader,
            Some(index) if seen & 1 << index != 0 => WireErrorKind::HeaderRepeated(RESERVED_EXTRA[index]),
            Some(index) => {
                seen |= 1 << index;
                continue;
            }
        };
        return Err(WireError { offset: line.start, kind });
    }
}

/// Returns the value of `content-length`.
fn content_length(line: &Line<'_>) -> Result<usize, WireError> {
    // `digits` returns `usize::MAX` for every higher number.
    let is_canonical = |number: &usize| *number < usize::MAX && decimal_length(*number) == line.value.len();
    digits(line.value)
        .filter(is_canonical)
        .ok_or(WireError { offset: line.end - line.value.len(), kind: WireErrorKind::BadContentLength })
}

/// Checks that `rest`, which begins at `offset` of the tail, is a body of `content_length` bytes and its end.
fn check_body(rest: &[u8], offset: usize, content_length: usize) -> Result<(), WireError> {
    let Some((_, end)) = rest.split_at_checked(content_length) else {
        let kind = WireErrorKind::BodyTooShort { content_length };
        return Err(WireError { offset: offset + rest.len(), kind });
    };
    match end.strip_prefix(END) {
        Some([]) => Ok(()),
        Some(_) => {
            let offset = offset + content_length + END.len();
            Err(WireError { offset, kind: WireErrorKind::TrailingBytes })
        }
        None => {
            let kind = WireErrorKind::EndMissing { content_length };
            Err(WireError { offset: offset + content_length, kind })
        }
    }
}

/// The header lines of a tail, checked one after another. Does not store the lines: a head of many short lines would
/// take a multiple of its size.
struct Lines<'a> {
    tail: &'a [u8],
    delimiters: Delimiters<'a>,
    /// Number of bytes of the tail that `delimiters` searches.
    searched: usize,
    /// Start of the next line.
    next: usize,
    /// Whether all lines so far are ASCII without backslashes.
    are_simple: bool,
}

/// A header line. Its escapes are valid, but not decoded.
struct Line<'a> {
    start: usize,
    /// Offset of the LF.
    end: usize,
    name: &'a [u8],
    value: &'a [u8],
    /// Whether the line is ASCII without backslashes.
    is_simple: bool,
}

impl<'a> Lines<'a> {
    fn new(tail: &'a [u8]) -> Lines<'a> {
        // The grammar counts bytes with 32 bits, as limits on received frames do.
        let searched = tail.len().min(u32::MAX as usize);
        let delimiters = Delimiters::new(&tail[..searched]);
        Lines { tail, delimiters, searched, next: 0, are_simple: true }
    }

    /// Returns the next line, which must have this name.
    #[inline]
    fn next_named(&mut self, name: &'static str) -> Result<Line<'a>, WireError> {
        let line = self.next_or_missing(name)?;
        match line.name == name.as_bytes() {
            true => Ok(line),
            false => Err(WireError { offset: line.start, kind: WireErrorKind::HeaderMissing(name) }),
        }
    }

    /// Returns the next line. A blank line is an error, because the header `missing` must precede it.
    fn next_or_missing(&mut self, missing: &'static str) -> Result<Line<'a>, WireError> {
        let start = self.next;
        let first = self.delimiter()?;
        let (colon, end) = match self.tail[first] {
            b':' => (first, self.delimiter()?),
            _ => (first, first),
        };
        let error = |offset, kind| Err(WireError { offset, kind });
        if self.tail[end] == b':' {
            return error(end, WireErrorKind::NotEscaped(b':'));
        }
        if start == end {
            return error(start, WireErrorKind::HeaderMissing(missing));
        }
        let span = HeaderSpan { colon: colon as u32, end: end as u32 };
        let parsed = match grammar::line(self.tail, start, span) {
            Ok(line) => line,
            Err(HeaderLineError::EmptyName) => return error(start, WireErrorKind::NameMissing),
            Err(HeaderLineError::NoColon | HeaderLineError::Other) => {
                return error(start, WireErrorKind::ColonMissing);
            }
        };
        let is_simple = is_simple(&self.tail[start..end]);
        if !is_simple {
            check_special_bytes(self.tail, start, end)?;
            self.are_simple = false;
        }
        self.next = end + 1;
        let part = |from: u32, to: u32| &self.tail[from as usize..to as usize];
        let (name, value) = (part(parsed.name, parsed.name_end), part(parsed.value, parsed.value_end));
        Ok(Line { start, end, name, value, is_simple })
    }

    /// Returns the offset of the next colon or LF.
    fn delimiter(&mut self) -> Result<usize, WireError> {
        match self.delimiters.next() {
            Some(at) if self.tail[at] != 0 => Ok(at),
            Some(at) => Err(WireError { offset: at, kind: WireErrorKind::NulInHeaders }),
            None => Err(WireError { offset: self.searched, kind: WireErrorKind::LineEndMissing }),
        }
    }
}

/// Checks the UTF-8, the CRs and the escapes of a header line.
fn check_special_bytes(tail: &[u8], start: usize, end: usize) -> Result<(), WireError> {
    let line = &tail[start..end];
    let error = |at, kind| Err(WireError { offset: start + at, kind });
    if let Err(invalid) = std::str::from_utf8(line) {
        return error(invalid.valid_up_to(), WireErrorKind::NotUtf8);
    }
    if let Some(at) = memchr(b'\r', line) {
        return error(at, WireErrorKind::NotEscaped(b'\r'));
    }
    // A backslash at the end of the name is found, too: a colon follows it.
    escape::check(Dialect::V1_2, line).or_else(|at| error(at, WireErrorKind::UndefinedEscape))
}

#[cfg(test)]
mod tests;
