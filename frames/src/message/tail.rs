//! The tail of a MESSAGE: which headers it has, where they lie, and how it is translated to older versions.

use super::RESERVED;
use crate::stomp::encode::{END, decimal, decimal_length, line, line_length};
use crate::stomp::escape::{self, Dialect, Part};
use crate::stomp::headers::{Raw, text};
use crate::stomp::{Headers, Version};
use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2, memchr3};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;

const DESTINATION: &str = "destination";
const MESSAGE_ID: &str = "message-id";
const CONTENT_LENGTH: &str = "content-length";

/// Where the parts of a primary tail lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Behind the destination's value.
    destination_end: usize,
    /// Behind the id's value.
    id_end: usize,
    /// Where the content-length line begins.
    headers_end: usize,
    /// Where the body begins.
    body: usize,
}

impl Layout {
    pub(super) fn destination(&self) -> Range<usize> {
        DESTINATION.len() + 1..self.destination_end
    }

    pub(super) fn id(&self) -> Range<usize> {
        self.destination_end + 1 + MESSAGE_ID.len() + 1..self.id_end
    }

    /// Whole lines: the broker's extra ones and the sender's.
    pub(super) fn headers(&self) -> Range<usize> {
        self.id_end + 1..self.headers_end
    }

    /// Whole lines: all that may hold an escape.
    pub(super) fn head(&self) -> Range<usize> {
        0..self.headers_end
    }

    pub(super) fn body(&self, tail: usize) -> Range<usize> {
        self.body..tail - END.len()
    }
}

/// What versions below 1.2 have to do with a tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: there is no escape in it.
    Nothing,
    /// 1.0 needs another one.
    Escapes,
    /// 1.0 and 1.1 need another one.
    CarriageReturns,
}

impl Needs {
    /// Of the lines of a tail.
    pub(super) fn of(head: &[u8]) -> Needs {
        let mut needs = Needs::Nothing;
        let mut at = 0;
        while let Some(next) = memchr(b'\\', &head[at..]) {
            at += next;
            if head[at + 1] == b'r' {
                return Needs::CarriageReturns;
            }
            needs = Needs::Escapes;
            at += 2;
        }
        needs
    }
}

/// A header line on its way into a tail.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    raw: Raw<'a>,
    form: Form,
}

/// How a line came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As 1.2 writes it.
    Canonical,
    /// Otherwise, with escapes.
    Escaped,
    /// Otherwise, and backslashes stand for themselves.
    Literal,
}

/// The headers that go into a tail, without repeats.
#[derive(Debug, Default)]
pub(super) struct Lines<'a> {
    lines: SmallVec<[Line<'a>; 16]>,
    /// Whether any of them may hold a backslash.
    may_escape: bool,
}

impl<'a> Lines<'a> {
    /// Whether any of them may hold a backslash, as 1.2 writes it.
    pub(super) fn may_escape(&self) -> bool {
        self.may_escape
    }

    /// Of a SEND: what only the broker may set, and what `extra` replaces, is left out.
    #[inline]
    pub(super) fn add_send(&mut self, headers: &'a Headers, extra: &[(&str, &str)]) {
        let (plain, escaped) = (headers.is_plain(), headers.is_escaped());
        let simple = headers.is_simple();
        let otherwise = if escaped { Form::Escaped } else { Form::Literal };
        for raw in headers.raw() {
            if is_reserved(raw.name, escaped, simple) || is_replaced(raw.name, escaped, simple, extra) {
                continue;
            }
            let canonical = if plain { escape::is_bare(raw.value) } else { raw.is_canonical(escaped) };
            self.may_escape |= !(plain && canonical);
            self.lines.push(Line { raw, form: if canonical { Form::Canonical } else { otherwise } });
        }
        self.drop_repeats();
    }

    /// Of the header lines of a primary tail: what `extra` replaces is left out.
    pub(super) fn add_tail(&mut self, head: &'a [u8], extra: &[(&str, &str)]) {
        let raws = raws(head).filter(|raw| !is_replaced(raw.name, true, false, extra));
        self.lines.extend(raws.map(|raw| Line { raw, form: Form::Canonical }));
        self.may_escape = true;
    }

    /// The first of a name counts. All names of one frame are written alike, so they compare as they came.
    #[inline]
    fn drop_repeats(&mut self) {
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

impl Raw<'_> {
    /// Whether this is just what 1.2 would write.
    fn is_canonical(&self, escaped: bool) -> bool {
        match escaped {
            true => memchr(b'\r', self.name).or_else(|| memchr2(b':', b'\r', self.value)),
            false => memchr2(b'\\', b'\r', self.name).or_else(|| memchr3(b'\\', b':', b'\r', self.value)),
        }
        .is_none()
    }
}

impl Line<'_> {
    #[inline]
    fn length(&self) -> usize {
        match self.form {
            Form::Canonical => self.raw.name.len() + self.raw.value.len() + 2,
            _ => line_length(Dialect::V1_2, &self.name(), &self.value()),
        }
    }

    #[inline]
    fn write(&self, out: &mut BytesMut) {
        if self.form != Form::Canonical {
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
        text(self.raw.name, self.form == Form::Escaped)
    }

    fn value(&self) -> Cow<'_, str> {
        text(self.raw.value, self.form == Form::Escaped)
    }
}

/// Writes a primary tail, in one allocation of just its size.
pub(super) fn assemble(
    id: &str,
    destination: &str,
    extra: &[(&str, &str)],
    lines: &Lines<'_>,
    body: &[u8],
) -> (Bytes, Layout) {
    const FIXED: usize = "destination:\nmessage-id:\ncontent-length:\n\n".len() + END.len();
    // A second one of these would be read by somebody as the first.
    let own = |name: &str| [DESTINATION, MESSAGE_ID, CONTENT_LENGTH].contains(&name);
    let extra = || extra.iter().filter(|(name, _)| !own(name));
    let octets = FIXED
        + escape::length(Dialect::V1_2, Part::Value, destination)
        + escape::length(Dialect::V1_2, Part::Value, id)
        + extra().map(|(name, value)| line_length(Dialect::V1_2, name, value)).sum::<usize>()
        + lines.lines.iter().map(Line::length).sum::<usize>()
        + decimal_length(body.len())
        + body.len();
    let mut out = BytesMut::with_capacity(octets);
    out.extend_from_slice(b"destination:");
    escape::put(&mut out, Dialect::V1_2, Part::Value, destination);
    let destination_end = out.len();
    out.extend_from_slice(b"\nmessage-id:");
    escape::put(&mut out, Dialect::V1_2, Part::Value, id);
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
    debug_assert_eq!(out.len(), octets, "the size is known before");
    (out.freeze(), layout)
}

/// The same tail in the escapes of another version.
pub(super) fn translate(primary: &Bytes, layout: &Layout, version: Version) -> Bytes {
    let dialect = Dialect::of(version, false);
    let mut out = BytesMut::with_capacity(primary.len());
    for own in primary[layout.head()].split_inclusive(|octet| *octet == b'\n') {
        match memchr(b'\\', own) {
            None => out.extend_from_slice(own),
            Some(_) => raws(own)
                .for_each(|raw| line(&mut out, dialect, &text(raw.name, true), &text(raw.value, true))),
        }
    }
    out.extend_from_slice(&primary[layout.headers_end..]);
    out.freeze()
}

/// The lines of a primary tail.
fn raws(head: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    let mut rest = head;
    std::iter::from_fn(move || {
        let colon = memchr(b':', rest)?;
        let end = colon + memchr(b'\n', &rest[colon..])?;
        let raw = Raw { name: &rest[..colon], value: &rest[colon + 1..end], line: Some(&rest[..=end]) };
        rest = &rest[end + 1..];
        Some(raw)
    })
}

/// The index of reserved names by first letter and length, which few of them share. Rows are counted from 1, so
/// that 0 is none.
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
    /// The same for capital and small letters.
    const fn key(first: u8, length: usize) -> usize {
        ((first & 0x1f) as usize) << 5 | (length & 0x1f)
    }
}

/// Returns whether only the broker may set a header of this name. With `simple` the name is ASCII without a backslash.
#[inline]
pub(super) fn is_reserved(name: &[u8], escaped: bool, simple: bool) -> bool {
    match is_trim(name, simple) {
        true => is_reserved_trim(name),
        false => is_reserved_trim(folded(&text(name, escaped)).as_bytes()),
    }
}

#[inline(always)]
fn is_reserved_trim(name: &[u8]) -> bool {
    RESERVED.iter().any(|reserved| reserved.as_bytes() == name) || is_reserved_in_capitals(name)
}

/// Returns the same for a name that is not spelled as in the list.
#[inline]
fn is_reserved_in_capitals(name: &[u8]) -> bool {
    let Some(first) = name.first() else { return false };
    let mut row = usize::from(INDEX.first[Index::key(*first, name.len())]);
    while row > 0 {
        if RESERVED[row - 1].as_bytes().eq_ignore_ascii_case(name) {
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
    match is_trim(name, simple) {
        true => extra.iter().any(|(replacement, _)| replacement.as_bytes().eq_ignore_ascii_case(name)),
        false => {
            let name = folded(&text(name, escaped));
            extra.iter().any(|(replacement, _)| folded(replacement) == name)
        }
    }
}

/// Returns whether [`folded`] is certain to change only the case of ASCII letters of a name.
#[inline]
fn is_trim(name: &[u8], simple: bool) -> bool {
    let is_letter = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
    is_letter(name.first())
        && is_letter(name.last())
        && (simple || name.iter().all(|octet| octet.is_ascii() && *octet != b'\\'))
}

/// The name as receivers see it that trim names and compare them without case. Upper case first: some letters beyond
/// ASCII are taken for an ASCII letter only by that way (`\u{17f}` is S, `\u{131}` is I), others only by lower case
/// (`\u{212a}` is k).
#[cold]
pub(super) fn folded(name: &str) -> String {
    let blank = |char: char| char.is_whitespace() || char.is_control() || char == '\u{feff}';
    // Of the capital I with a dot the dot is dropped, as by those who fold letter by letter.
    name.trim_matches(blank).to_uppercase().to_lowercase().replace('\u{307}', "")
}
