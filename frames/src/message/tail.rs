//! The tail of a MESSAGE: its headers, the layout of its parts, and its translation for older versions.

use super::reserved::{RESERVED, RESERVED_EXTRA};
use crate::stomp::encode::{END, decimal, decimal_length, line, line_length};
use crate::stomp::escape::{self, Dialect, HeaderPart};
use crate::stomp::headers::{Headers, RawHeader, text};
use crate::stomp::version::Version;
use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2, memchr3};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;

pub(super) const DESTINATION: &str = "destination";
pub(super) const MESSAGE_ID: &str = "message-id";
pub(super) const CONTENT_LENGTH: &str = "content-length";

/// Offsets of the parts of a primary tail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// End of the destination's value.
    pub(super) destination_end: usize,
    /// End of the message ID's value.
    pub(super) id_end: usize,
    /// Start of the `content-length` line.
    pub(super) headers_end: usize,
    /// Start of the body.
    pub(super) body: usize,
}

impl Layout {
    pub(super) fn destination(&self) -> Range<usize> {
        DESTINATION.len() + 1..self.destination_end
    }

    pub(super) fn id(&self) -> Range<usize> {
        self.destination_end + 1 + MESSAGE_ID.len() + 1..self.id_end
    }

    /// Returns the range of the lines between `message-id` and `content-length`.
    pub(super) fn headers(&self) -> Range<usize> {
        self.id_end + 1..self.headers_end
    }

    /// Returns the range of all lines that may contain escapes.
    pub(super) fn head(&self) -> Range<usize> {
        0..self.headers_end
    }

    pub(super) fn body(&self, tail: usize) -> Range<usize> {
        self.body..tail - END.len()
    }
}

/// The kinds of escape sequences in a primary tail. They determine whether STOMP 1.0 and 1.1 need a tail of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EscapesUsed {
    /// No escapes. All versions share the tail.
    None,
    /// Only escapes that 1.1 also defines. 1.0 needs a different tail.
    Common,
    /// Escaped carriage returns, which only 1.2 defines. 1.0 and 1.1 need different tails.
    CarriageReturn,
}

impl EscapesUsed {
    /// Returns the kinds of escapes in the header lines of a tail.
    pub(super) fn of(head: &[u8]) -> EscapesUsed {
        let mut escapes = EscapesUsed::None;
        let mut at = 0;
        while let Some(next) = memchr(b'\\', &head[at..]) {
            at += next;
            if head[at + 1] == b'r' {
                return EscapesUsed::CarriageReturn;
            }
            escapes = EscapesUsed::Common;
            at += 2;
        }
        escapes
    }
}

/// A header line for a tail.
#[derive(Clone, Debug)]
pub(super) struct TailLine<'a> {
    raw: RawHeader<'a>,
    encoding: LineEncoding,
}

/// The encoding of a received header line, compared with its STOMP 1.2 encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEncoding {
    /// The line is in the STOMP 1.2 encoding.
    Canonical,
    /// The line is in another encoding. Backslashes in it begin escapes.
    Escaped,
    /// The line is in another encoding. Backslashes in it are literal.
    Literal,
}

/// The headers of a tail, without duplicates.
#[derive(Debug, Default)]
pub(super) struct TailLines<'a> {
    lines: SmallVec<[TailLine<'a>; 16]>,
    /// Whether any of the lines may contain a backslash in the STOMP 1.2 encoding.
    may_escape: bool,
}

impl<'a> TailLines<'a> {
    /// Returns whether any of the lines may contain a backslash in the STOMP 1.2 encoding.
    pub(super) fn may_escape(&self) -> bool {
        self.may_escape
    }

    /// Adds the headers of a SEND, except reserved headers and those that `extra` replaces.
    #[inline]
    pub(super) fn add_send(&mut self, headers: &'a Headers, extra: &[(&str, &str)]) {
        let (plain, escaped) = (headers.is_plain(), headers.is_escaped());
        let simple = headers.is_simple();
        let otherwise = if escaped { LineEncoding::Escaped } else { LineEncoding::Literal };
        let is_left_out =
            |name: &[u8]| is_reserved(name, escaped, simple) || is_replaced(name, escaped, simple, extra);
        for raw in headers.raw_except(is_left_out) {
            let canonical =
                if plain { escape::needs_no_escape(raw.value) } else { raw.is_canonical(escaped) };
            self.may_escape |= !(plain && canonical);
            self.lines.push(TailLine {
                raw,
                encoding: if canonical { LineEncoding::Canonical } else { otherwise },
            });
        }
        self.remove_duplicates();
    }

    /// Adds the header lines of a primary tail, except those that `extra` replaces.
    pub(super) fn add_tail(&mut self, head: &'a [u8], extra: &[(&str, &str)]) {
        let raw_headers = raw_headers(head).filter(|raw| !is_replaced(raw.name, true, false, extra));
        self.lines.extend(raw_headers.map(|raw| TailLine { raw, encoding: LineEncoding::Canonical }));
        self.may_escape = true;
    }

    /// Removes repeated headers. The first header of each name stays. Compares names without decoding their escapes,
    /// because all names of one frame have the same encoding.
    #[inline]
    fn remove_duplicates(&mut self) {
        const FEW: usize = 16;
        let lines = &mut self.lines;
        if lines.len() <= FEW {
            for at in (1..lines.len()).rev() {
                if lines[..at].iter().any(|line| line.raw.name == lines[at].raw.name) {
                    lines.remove(at);
                }
            }
            return;
        }
        let mut order: Vec<usize> = (0..lines.len()).collect();
        order.sort_by_key(|index| (lines[*index].raw.name, *index));
        order.dedup_by(|later, first| lines[*later].raw.name == lines[*first].raw.name);
        order.sort_unstable();
        self.lines = order.into_iter().map(|index| lines[index].clone()).collect();
    }
}

impl RawHeader<'_> {
    /// Returns whether the received line is the STOMP 1.2 encoding of this header.
    fn is_canonical(&self, escaped: bool) -> bool {
        match escaped {
            true => memchr(b'\r', self.name).or_else(|| memchr2(b':', b'\r', self.value)),
            false => memchr2(b'\\', b'\r', self.name).or_else(|| memchr3(b'\\', b':', b'\r', self.value)),
        }
        .is_none()
    }
}

impl TailLine<'_> {
    #[inline]
    fn length(&self) -> usize {
        match self.encoding {
            LineEncoding::Canonical => self.raw.name.len() + self.raw.value.len() + 2,
            _ => line_length(Dialect::V1_2, &self.name(), &self.value()),
        }
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        if self.encoding != LineEncoding::Canonical {
            return line(out, Dialect::V1_2, &self.name(), &self.value());
        }
        match self.raw.line {
            Some(whole) => out.extend_from_slice(whole),
            None => {
                out.extend_from_slice(self.raw.name);
                out.extend_from_slice(b":");
                out.extend_from_slice(self.raw.value);
                out.extend_from_slice(b"\n");
            }
        }
    }

    fn name(&self) -> Cow<'_, str> {
        text(self.raw.name, self.encoding == LineEncoding::Escaped)
    }

    fn value(&self) -> Cow<'_, str> {
        text(self.raw.value, self.encoding == LineEncoding::Escaped)
    }
}

/// A header value that is not encoded yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailValue<'a> {
    text: &'a str,
    is_verbatim: bool,
}

impl<'a> TailValue<'a> {
    #[inline]
    pub(super) fn new(text: &'a str) -> TailValue<'a> {
        TailValue { text, is_verbatim: escape::needs_no_escape(text.as_bytes()) }
    }

    /// Returns whether the value is written as it is. May return `false` for some values without escapes.
    pub(super) fn is_verbatim(self) -> bool {
        self.is_verbatim
    }

    fn length(self) -> usize {
        match self.is_verbatim {
            true => self.text.len(),
            false => escape::length(Dialect::V1_2, HeaderPart::Value, self.text),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        match self.is_verbatim {
            true => out.extend_from_slice(self.text.as_bytes()),
            false => escape::put(out, Dialect::V1_2, HeaderPart::Value, self.text),
        }
    }
}

/// Writes a primary tail into one allocation of exactly its size.
pub(super) fn assemble(
    id: TailValue<'_>,
    destination: TailValue<'_>,
    extra: &[(&str, &str)],
    lines: &TailLines<'_>,
    body: &[u8],
) -> (Bytes, Layout) {
    const FIXED: usize = "destination:\nmessage-id:\ncontent-length:\n\n".len() + END.len();
    // Leave out extra headers with these names. Some receivers would use the duplicate instead of the first header.
    let is_fixed = |name: &str| [DESTINATION, MESSAGE_ID, CONTENT_LENGTH].contains(&name);
    let extra = || extra.iter().filter(|(name, _)| !is_fixed(name));
    debug_assert!(
        extra().all(|(name, _)| RESERVED_EXTRA.contains(name) || !is_reserved(name.as_bytes(), false, false)),
        "extra headers with a reserved name are in RESERVED_EXTRA"
    );
    let size = FIXED
        + destination.length()
        + id.length()
        + extra().map(|(name, value)| line_length(Dialect::V1_2, name, value)).sum::<usize>()
        + lines.lines.iter().map(TailLine::length).sum::<usize>()
        + decimal_length(body.len())
        + body.len();
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(b"destination:");
    destination.write(&mut out);
    let destination_end = out.len();
    out.extend_from_slice(b"\nmessage-id:");
    id.write(&mut out);
    let id_end = out.len();
    out.extend_from_slice(b"\n");
    extra().for_each(|(name, value)| line(&mut out, Dialect::V1_2, name, value));
    lines.lines.iter().for_each(|line| line.write(&mut out));
    let headers_end = out.len();
    out.extend_from_slice(b"content-length:");
    decimal(&mut out, body.len());
    out.extend_from_slice(b"\n\n");
    let layout = Layout { destination_end, id_end, headers_end, body: out.len() };
    out.extend_from_slice(body);
    out.extend_from_slice(END);
    debug_assert_eq!(out.len(), size, "the computed size is exact");
    (out.into(), layout)
}

/// Returns a copy of a primary tail with its headers in the encoding of `version`.
pub(super) fn translate(primary: &Bytes, layout: &Layout, version: Version) -> Bytes {
    let dialect = Dialect::of(version, false);
    let mut out = BytesMut::with_capacity(primary.len());
    for header_line in primary[layout.head()].split_inclusive(|byte| *byte == b'\n') {
        match memchr(b'\\', header_line) {
            None => out.extend_from_slice(header_line),
            Some(_) => raw_headers(header_line)
                .for_each(|raw| line(&mut out, dialect, &text(raw.name, true), &text(raw.value, true))),
        }
    }
    out.extend_from_slice(&primary[layout.headers_end..]);
    out.freeze()
}

/// Returns the headers in the header lines of a primary tail, without decoding their escapes.
fn raw_headers(head: &[u8]) -> impl Iterator<Item = RawHeader<'_>> {
    let mut rest = head;
    std::iter::from_fn(move || {
        let colon = memchr(b':', rest)?;
        let end = colon + memchr(b'\n', &rest[colon..])?;
        let raw = RawHeader { name: &rest[..colon], value: &rest[colon + 1..end], line: Some(&rest[..=end]) };
        rest = &rest[end + 1..];
        Some(raw)
    })
}

/// A hash index of [`RESERVED`] by first letter and length, with few collisions. It stores row numbers, counted from 1.
/// 0 means no row.
struct Index {
    first: [u8; 1024],
    next: [u8; RESERVED.len() + 1],
}

static INDEX: Index = {
    let mut index = Index { first: [0; 1024], next: [0; RESERVED.len() + 1] };
    let mut row = RESERVED.len();
    while row > 0 {
        let name = RESERVED[row - 1].as_bytes();
        let key = Index::key(name[0], name.len());
        index.next[row] = index.first[key];
        index.first[key] = row as u8;
        row -= 1;
    }
    index
};

impl Index {
    /// Returns the key of a name. It does not depend on the case of the name.
    const fn key(first: u8, length: usize) -> usize {
        ((first & 0x1f) as usize) << 5 | (length & 0x1f)
    }
}

/// Returns whether the name is one of [`RESERVED`], with the rules of [`super::is_reserved`]. `escaped` means that
/// backslashes begin escapes. `simple` means that the name is known to be ASCII without a backslash.
#[inline]
pub(super) fn is_reserved(name: &[u8], escaped: bool, simple: bool) -> bool {
    match is_trimmed_ascii(name, simple) {
        true => is_reserved_ascii(name),
        false => is_reserved_ascii(folded(&text(name, escaped)).as_bytes()),
    }
}

/// Returns whether the name is one of [`RESERVED`], ignoring case.
#[inline]
fn is_reserved_ascii(name: &[u8]) -> bool {
    let Some(first) = name.first() else { return false };
    let mut row = usize::from(INDEX.first[Index::key(*first, name.len())]);
    while row > 0 {
        let reserved = RESERVED[row - 1].as_bytes();
        // Most names are in lower case, and comparing bytes is faster.
        if reserved == name || reserved.eq_ignore_ascii_case(name) {
            return true;
        }
        row = usize::from(INDEX.next[row]);
    }
    false
}

#[inline]
fn is_replaced(name: &[u8], escaped: bool, simple: bool, extra: &[(&str, &str)]) -> bool {
    if extra.is_empty() {
        return false;
    }
    match is_trimmed_ascii(name, simple) {
        true => extra.iter().any(|(replacement, _)| replacement.as_bytes().eq_ignore_ascii_case(name)),
        false => {
            let name = folded(&text(name, escaped));
            extra.iter().any(|(replacement, _)| folded(replacement) == name)
        }
    }
}

/// Returns whether the name needs no trimming and no decoding. For such a name, [`folded`] only changes the case of
/// ASCII letters.
#[inline]
fn is_trimmed_ascii(name: &[u8], simple: bool) -> bool {
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    is_letter(name.first())
        && is_letter(name.last())
        && (simple || name.iter().all(|byte| byte.is_ascii() && *byte != b'\\'))
}

/// Trims the name and removes differences of case, as many receivers do before they compare names. Converts to upper
/// case and then to lower case, because each conversion turns some non-ASCII letters into ASCII letters. In upper case,
/// `\u{17f}` becomes S and `\u{131}` becomes I. In lower case, `\u{212a}` becomes k.
#[cold]
pub(super) fn folded(name: &str) -> String {
    let blank = |char: char| char.is_whitespace() || char.is_control() || char == '\u{feff}';
    // The capital I with a dot (`\u{130}`) becomes `i` and a combining dot. Remove the dot, because some receivers
    // convert the letter to `i`.
    name.trim_matches(blank).to_uppercase().to_lowercase().replace('\u{307}', "")
}
