//! The headers of a received frame.

use super::encode;
use super::escape::unescape;
use super::grammar::{HeaderLine, HeaderLines, HeaderSpan, HeaderSpans};
use super::version::Version;
use bytes::{Bytes, BytesMut};
use memchr::memchr;
use std::borrow::Cow;

/// The header lines of one frame. The type contains the head of the frame as valid UTF-8, and the offsets of its names
/// and values. It decodes escapes on access. If a name is repeated, only the first header counts (STOMP 1.2, section
/// "Repeated Header Entries").
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// The bytes of the head. They are valid UTF-8.
    pub(super) head: Bytes,
    /// Offsets of the lines in the head.
    pub(super) lines: HeaderLines,
    /// Whether the lines contain backslashes that begin escapes. All these escapes are valid.
    pub(super) escaped: bool,
    pub(super) absent_bytes: AbsentBytes,
    /// The names that may occur.
    pub(super) names: NameSet,
}

/// A set of names that may have too many members: different names may have the same bit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NameSet(u64);

impl NameSet {
    /// Returns the names of these lines, with their escapes.
    #[inline]
    pub(super) fn of(head: &[u8], lines: &HeaderLines) -> NameSet {
        let bit = |line: &HeaderLine| NameSet::bit(head[line.name as usize], line.name_end - line.name);
        NameSet(lines.iter().fold(0, |bits, line| bits | bit(line)))
    }

    fn may_contain(self, name: &str) -> bool {
        let first = name.as_bytes().first();
        first.is_some_and(|first| self.0 & NameSet::bit(*first, name.len() as u32) != 0)
    }

    fn bit(first: u8, length: u32) -> u64 {
        1 << (u32::from(first).wrapping_add(length) % u64::BITS)
    }
}

/// The bytes that do not occur in the headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AbsentBytes {
    /// Any byte may occur.
    #[default]
    Any,
    /// Backslashes and CRs do not occur.
    Plain,
    /// Backslashes, CRs and non-ASCII bytes do not occur.
    Simple,
}

/// The name and value of a header line as received, with their escapes. Both are valid UTF-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawHeader<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// The whole line, if it consists only of name, colon, value and LF.
    pub(crate) line: Option<&'a [u8]>,
}

impl Headers {
    /// Returns the value of the first header called `name`, without escapes. `name` is compared with names without
    /// escapes.
    #[inline]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let line = self.find(name)?;
        Some(self.text(line.value, line.value_end))
    }

    /// Returns whether [`get`](Headers::get) would return `value` for `name`.
    pub fn has(&self, name: &str, value: &str) -> bool {
        let is_equal = |line: &HeaderLine| match self.escaped {
            false => self.bytes(line.value, line.value_end) == value.as_bytes(),
            true => self.text(line.value, line.value_end) == value,
        };
        self.find(name).is_some_and(is_equal)
    }

    #[inline]
    fn find(&self, name: &str) -> Option<&HeaderLine> {
        if self.escaped {
            return self.lines.iter().find(|line| self.is_called(line, name));
        }
        // Most frames lack most of the headers that a session looks for.
        if !self.names.may_contain(name) {
            return None;
        }
        self.lines.iter().find(|line| self.bytes(line.name, line.name_end) == name.as_bytes())
    }

    /// Returns the number of bytes that the offsets of the lines take on the heap. For up to eight headers, this is 0.
    /// For more headers, it is at least 16 bytes for each header.
    pub fn index_bytes(&self) -> usize {
        if self.lines.spilled() { self.lines.capacity() * size_of::<HeaderLine>() } else { 0 }
    }

    /// Returns the name and the value of each line in the order received, without escapes. Includes repeated headers.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + '_ {
        self.lines
            .iter()
            .map(|line| (self.text(line.name, line.name_end), self.text(line.value, line.value_end)))
    }

    /// Returns the name of each line in the order received. Does not decode escapes.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().map(|line| self.bytes(line.name, line.name_end))
    }

    /// Returns the number of bytes of the header lines, with their line ends.
    pub fn size(&self) -> usize {
        self.head.len()
    }

    /// Returns the number of header lines, including repeated headers.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Returns whether the frame has no header lines.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the name and the value of each line as received. Leaves out lines for whose name `is_left_out` returns
    /// `true`.
    #[inline]
    pub(crate) fn raw_except(
        &self,
        is_left_out: impl Fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = RawHeader<'_>> {
        let lines = self.lines.iter().filter(move |line| !is_left_out(self.bytes(line.name, line.name_end)));
        lines.map(|line| {
            // Spaces may precede the value in 1.0, and a CR may follow it in every version.
            let together = line.value == line.name_end + 1 && self.head[line.value_end as usize] == b'\n';
            RawHeader {
                name: self.bytes(line.name, line.name_end),
                value: self.bytes(line.value, line.value_end),
                line: together.then(|| self.bytes(line.name, line.value_end + 1)),
            }
        })
    }

    /// Returns whether backslashes in [`Headers::raw`] begin escapes.
    pub(crate) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// Returns whether no line contains a backslash or CR.
    pub(crate) fn is_plain(&self) -> bool {
        self.absent_bytes != AbsentBytes::Any
    }

    /// Returns whether no line contains a backslash, CR or non-ASCII byte.
    pub(crate) fn is_simple(&self) -> bool {
        self.absent_bytes == AbsentBytes::Simple
    }

    fn is_called(&self, line: &HeaderLine, name: &str) -> bool {
        let raw = self.bytes(line.name, line.name_end);
        match memchr(b'\\', raw).is_some() {
            true => self.text(line.name, line.name_end) == name,
            false => raw == name.as_bytes(),
        }
    }

    #[inline]
    fn text(&self, from: u32, to: u32) -> Cow<'_, str> {
        text(self.bytes(from, to), self.escaped)
    }

    #[inline]
    fn bytes(&self, from: u32, to: u32) -> &[u8] {
        &self.head[from as usize..to as usize]
    }
}

/// Returns a name or value as text. Decodes its escapes if `escaped` is true.
pub(crate) fn text(raw: &[u8], escaped: bool) -> Cow<'_, str> {
    let raw = std::str::from_utf8(raw).expect("the head is UTF-8, and names and values end at ASCII bytes");
    if escaped { unescape(raw) } else { Cow::Borrowed(raw) }
}

/// Creates headers for a message that the broker itself sends. The pairs are names and values without escapes.
impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Headers {
        let mut block = BytesMut::new();
        let mut spans = HeaderSpans::new();
        for (name, value) in pairs {
            let start = block.len();
            encode::header(&mut block, Version::V1_2, name, value);
            let end = block.len() - 1;
            let colon = memchr(b':', &block[start..]).map_or(end, |colon| start + colon);
            spans.push(HeaderSpan { colon: colon as u32, end: end as u32 });
        }
        block.extend_from_slice(b"\n");
        let mut lines = HeaderLines::new();
        super::grammar::lines(&block, 0, &spans, &mut lines).expect("the encoder writes valid header lines");
        let escaped = memchr(b'\\', &block).is_some();
        let absent_bytes = match escaped {
            true => AbsentBytes::Any,
            false if block.is_ascii() => AbsentBytes::Simple,
            false => AbsentBytes::Plain,
        };
        let names = NameSet::of(&block, &lines);
        Headers { head: block.freeze(), lines, escaped, absent_bytes, names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_returns_the_first_of_a_name_and_iter_returns_all() {
        let headers: Headers = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(headers.get("a").as_deref(), Some("1"));
        assert_eq!(headers.get("b").as_deref(), Some("2"));
        assert_eq!(headers.get("A"), None);
        assert_eq!((headers.len(), headers.is_empty()), (3, false));
        let values: Vec<_> = headers.iter().map(|(_, value)| value.into_owned()).collect();
        assert_eq!(values, ["1", "2", "3"]);
    }

    #[test]
    fn names_and_values_are_compared_and_returned_unescaped() {
        let headers: Headers = [("a:b", "c\\d\n"), ("plain", "plain")].into_iter().collect();
        assert_eq!(headers.get("a:b").as_deref(), Some("c\\d\n"));
        assert_eq!(headers.get("a\\cb"), None);
        assert!(headers.has("a:b", "c\\d\n") && !headers.has("a:b", "c\\\\d\\n"));
        assert!(headers.has("plain", "plain") && !headers.has("plain", "other") && !headers.has("", ""));
        assert!(matches!(headers.get("plain"), Some(Cow::Borrowed("plain"))));
    }

    #[test]
    fn empty_headers_contain_nothing() {
        let headers = Headers::default();
        assert!(headers.is_empty() && headers.get("a").is_none() && headers.iter().next().is_none());
    }
}
