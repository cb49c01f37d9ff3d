//! The header block of a received frame.

use super::Version;
use super::encode;
use super::escape::unescape;
use super::grammar::{Line, Lines};
use bytes::{Bytes, BytesMut};
use memchr::memchr;
use std::borrow::Cow;

/// The headers of one frame: a block of octets (valid UTF-8) and where each line's name and value lie in it.
/// Values are unescaped when asked for. Repeated names: the first counts.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    block: Bytes,
    lines: Lines,
    escaped: bool,
    plain: bool,
}

/// One line as it came, still escaped if the headers are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
}

impl Headers {
    /// `block` is valid UTF-8 and `lines` lie in it. `escaped`: it holds backslashes, each the begin of a
    /// valid escape. `plain`: it holds neither a backslash nor a CR.
    pub(super) fn new(block: Bytes, lines: Lines, escaped: bool, plain: bool) -> Headers {
        Headers { block, lines, escaped, plain }
    }

    /// The first header called `name` (compared unescaped), unescaped.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let line = self.lines.iter().find(|line| self.is_called(line, name))?;
        Some(self.text(line.value, line.value_end))
    }

    /// Every line in the order received, unescaped, repeats included.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + '_ {
        self.lines
            .iter()
            .map(|line| (self.text(line.name, line.name_end), self.text(line.value, line.value_end)))
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
    pub(crate) fn raw(&self) -> impl ExactSizeIterator<Item = Raw<'_>> + Clone {
        self.lines.iter().map(|line| Raw {
            name: self.str(line.name, line.name_end),
            value: self.str(line.value, line.value_end),
        })
    }

    /// Whether backslashes in [`Headers::raw`] are escapes.
    pub(crate) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// Whether there is no backslash and no CR in any line.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    fn is_called(&self, line: &Line, name: &str) -> bool {
        let raw = &self.block[line.name as usize..line.name_end as usize];
        match self.escaped && memchr(b'\\', raw).is_some() {
            true => self.text(line.name, line.name_end) == name,
            false => raw == name.as_bytes(),
        }
    }

    fn text(&self, from: u32, to: u32) -> Cow<'_, str> {
        let raw = self.str(from, to);
        if self.escaped { unescape(raw) } else { Cow::Borrowed(raw) }
    }

    fn str(&self, from: u32, to: u32) -> &str {
        let octets = &self.block[from as usize..to as usize];
        std::str::from_utf8(octets).expect("the block was checked, and is cut at ASCII only")
    }
}

/// Headers that came from no frame: for a message that the program itself sends.
impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Headers {
        let mut block = BytesMut::new();
        for (name, value) in pairs {
            encode::header(&mut block, Version::V1_2, name, value);
        }
        block.extend_from_slice(b"\n");
        let lines = super::grammar::lines(&block).expect("the encoder writes nothing but header lines");
        let escaped = memchr(b'\\', &block).is_some();
        Headers::new(block.freeze(), lines, escaped, !escaped)
    }
}
