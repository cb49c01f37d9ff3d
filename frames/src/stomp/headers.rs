//! The header block of a received frame.

use super::Version;
use super::encode;
use super::escape::unescape;
use super::grammar::{HeaderSpan, HeaderSpans, Line, Lines};
use bytes::{Bytes, BytesMut};
use memchr::memchr;
use std::borrow::Cow;

/// The headers of one frame: its head (valid UTF-8) and where each line's name and value lie in it.
/// Values are unescaped when asked for. Repeated names: the first counts.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// Valid UTF-8.
    pub(super) head: Bytes,
    /// They lie in the head.
    pub(super) lines: Lines,
    /// They hold backslashes, each the begin of a valid escape.
    pub(super) escaped: bool,
    pub(super) looks: AbsentBytes,
}

/// The bytes that are known to be absent from the headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AbsentBytes {
    /// Nothing is known.
    #[default]
    Any,
    /// A backslash or a CR.
    Plain,
    /// A backslash, a CR, or beyond ASCII.
    Simple,
}

/// One line as it came, still escaped if the headers are: two pieces of valid UTF-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Name, colon, value and LF, where they stand together.
    pub(crate) line: Option<&'a [u8]>,
}

impl Headers {
    /// The first header called `name` (compared unescaped), unescaped.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let line = self.lines.iter().find(|line| self.is_called(line, name))?;
        Some(self.text(line.value, line.value_end))
    }

    /// Returns the bytes of the index of the lines, if it has an allocation of its own: 16 bytes or more a line of a
    /// frame with more than eight headers.
    pub fn index_bytes(&self) -> usize {
        if self.lines.spilled() { self.lines.capacity() * size_of::<Line>() } else { 0 }
    }

    /// Every line in the order received, unescaped, repeats included.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + '_ {
        self.lines
            .iter()
            .map(|line| (self.text(line.name, line.name_end), self.text(line.value, line.value_end)))
    }

    /// Every name in the order received, as it stands on the wire: a name that holds a backslash, a colon or a line
    /// end is still escaped.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().map(|line| self.octets(line.name, line.name_end))
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Every line as it came.
    #[inline]
    pub(crate) fn raw(&self) -> impl Iterator<Item = Raw<'_>> {
        self.lines.iter().map(|line| {
            // In 1.0 there may be spaces before the value, and everywhere a CR behind it.
            let together = line.value == line.name_end + 1 && self.head[line.value_end as usize] == b'\n';
            Raw {
                name: self.octets(line.name, line.name_end),
                value: self.octets(line.value, line.value_end),
                line: together.then(|| self.octets(line.name, line.value_end + 1)),
            }
        })
    }

    /// Whether backslashes in [`Headers::raw`] are escapes.
    pub(crate) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// Whether there is no backslash and no CR in any line.
    pub(crate) fn is_plain(&self) -> bool {
        self.looks != AbsentBytes::Any
    }

    /// The same, and nothing beyond ASCII.
    pub(crate) fn is_simple(&self) -> bool {
        self.looks == AbsentBytes::Simple
    }

    fn is_called(&self, line: &Line, name: &str) -> bool {
        let raw = self.octets(line.name, line.name_end);
        match self.escaped && memchr(b'\\', raw).is_some() {
            true => self.text(line.name, line.name_end) == name,
            false => raw == name.as_bytes(),
        }
    }

    fn text(&self, from: u32, to: u32) -> Cow<'_, str> {
        text(self.octets(from, to), self.escaped)
    }

    fn octets(&self, from: u32, to: u32) -> &[u8] {
        &self.head[from as usize..to as usize]
    }
}

/// A piece of a line, unescaped if it is `escaped`.
pub(crate) fn text(raw: &[u8], escaped: bool) -> Cow<'_, str> {
    let raw = std::str::from_utf8(raw).expect("the head was checked, and is cut at ASCII only");
    if escaped { unescape(raw) } else { Cow::Borrowed(raw) }
}

/// Headers that came from no frame: for a message that the program itself sends.
impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Headers {
        let mut block = BytesMut::new();
        let mut cuts = HeaderSpans::new();
        for (name, value) in pairs {
            let start = block.len();
            encode::header(&mut block, Version::V1_2, name, value);
            let end = block.len() - 1;
            let colon = memchr(b':', &block[start..]).map_or(end, |colon| start + colon);
            cuts.push(HeaderSpan { colon: colon as u32, end: end as u32 });
        }
        block.extend_from_slice(b"\n");
        let mut lines = Lines::new();
        super::grammar::lines(&block, 0, &cuts, &mut lines)
            .expect("the encoder writes nothing but header lines");
        let escaped = memchr(b'\\', &block).is_some();
        let looks = match escaped {
            true => AbsentBytes::Any,
            false if block.is_ascii() => AbsentBytes::Simple,
            false => AbsentBytes::Plain,
        };
        Headers { head: block.freeze(), lines, escaped, looks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_and_all_are_iterated() {
        let headers: Headers = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(headers.get("a").as_deref(), Some("1"));
        assert_eq!(headers.get("b").as_deref(), Some("2"));
        assert_eq!(headers.get("A"), None);
        assert_eq!((headers.len(), headers.is_empty()), (3, false));
        let values: Vec<_> = headers.iter().map(|(_, value)| value.into_owned()).collect();
        assert_eq!(values, ["1", "2", "3"]);
    }

    #[test]
    fn names_and_values_are_compared_and_given_unescaped() {
        let headers: Headers = [("a:b", "c\\d\n"), ("plain", "plain")].into_iter().collect();
        assert_eq!(headers.get("a:b").as_deref(), Some("c\\d\n"));
        assert_eq!(headers.get("a\\cb"), None);
        assert!(matches!(headers.get("plain"), Some(Cow::Borrowed("plain"))));
    }

    #[test]
    fn no_headers_are_empty() {
        let headers = Headers::default();
        assert!(headers.is_empty() && headers.get("a").is_none() && headers.iter().next().is_none());
    }
}
