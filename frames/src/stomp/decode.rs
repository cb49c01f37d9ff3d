//! From octets to frames.
//!
//! [`boundary`](super::boundary) finds a whole frame under limits, its octets are split off and frozen, and
//! only then is it parsed: the frame's headers and body are slices of what was split off.

use super::boundary::{Boundary, Span, padding};
use super::escape::{self, Dialect, unescape};
use super::grammar::{self, Lines, Wrong};
use super::problem::{Place, Problem};
use super::{Frame, Headers, Limits, Version};
use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr_iter, memchr2};

/// Why a stream of octets is not STOMP, or is more than the limits allow. Fatal for the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{summary}")]
pub struct DecodeError {
    /// Short: the value of ERROR's `message` header; no colon, no backslash, no line end.
    pub summary: &'static str,
    /// One or two sentences for ERROR's body: what was wrong, where, and what was expected.
    pub detail: String,
    /// The limit that was exceeded, by its option's name (`"frame-bytes-max"`), if it was one.
    pub limit: Option<&'static str>,
    /// The offending frame's `receipt`, where it could still be read.
    pub receipt: Option<String>,
}

/// Turns the octets of one connection into frames.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    version: Version,
    buffer: BytesMut,
    boundary: Boundary,
    failed: Option<Box<DecodeError>>,
}

impl Decoder {
    /// A decoder that knows no version yet: escapes are as in 1.2, CONNECT and STOMP frames are literal.
    pub fn new(limits: Limits) -> Decoder {
        Decoder {
            limits,
            version: Version::V1_2,
            buffer: BytesMut::new(),
            boundary: Boundary::default(),
            failed: None,
        }
    }

    /// Sets the escapes and rules of the negotiated version, for frames not yet returned by `next`.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Sets limits for what follows.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes octets in. What is buffered never grows beyond one frame's limits and what `input` held;
    /// call `next` until it returns `None` after each.
    pub fn feed(&mut self, input: &[u8]) {
        // Heart-beats of an idle connection cost no memory.
        let skip = if self.buffer.is_empty() { padding(input) } else { 0 };
        if self.failed.is_none() && skip < input.len() {
            self.buffer.extend_from_slice(&input[skip..]);
        }
    }

    /// The next whole frame; `None` when octets are missing. After an error it returns the same error for ever.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(DecodeError::clone(error));
        }
        self.skip_padding();
        if self.buffer.is_empty() {
            return Ok(None);
        }
        match self.boundary.find(&self.buffer, &self.limits, self.version) {
            Ok(None) => Ok(None),
            Ok(Some(span)) => {
                let octets = self.split_off(&span);
                parse(&octets, &span, self.version)
                    .map(Some)
                    .map_err(|problem| self.fail(problem, &octets[..span.body]))
            }
            Err(problem) => {
                let octets = std::mem::take(&mut self.buffer);
                Err(self.fail(problem, &octets[..self.boundary.whole_lines()]))
            }
        }
    }

    /// Octets held: 0 when no frame is begun, and then no memory is held either.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Drops what stands between frames, and the memory if nothing else is held.
    fn skip_padding(&mut self) {
        if !self.boundary.is_fresh() {
            return;
        }
        let skip = padding(&self.buffer);
        if skip == self.buffer.len() {
            self.buffer = BytesMut::new();
        } else {
            self.buffer.advance(skip);
        }
    }

    /// Takes a whole frame, without its NUL, out of the buffer.
    fn split_off(&mut self, span: &Span) -> Bytes {
        let octets = self.buffer.split_to(span.nul);
        self.buffer.advance(1);
        self.boundary = Boundary::default();
        self.skip_padding();
        octets.freeze()
    }

    /// `lines` are whole, the first one is the command's.
    fn fail(&mut self, problem: Problem, lines: &[u8]) -> DecodeError {
        self.buffer = BytesMut::new();
        let error = problem.into_error(&self.limits, receipt(lines, self.version));
        self.failed = Some(Box::new(error.clone()));
        error
    }
}

/// The frame that `octets` are, without their NUL.
fn parse(octets: &Bytes, span: &Span, version: Version) -> Result<Frame, Problem> {
    let block = octets.slice(span.headers..span.body);
    let place = |at: usize| place(&block, at, span.headers);
    if let Err(error) = std::str::from_utf8(&block) {
        return Err(Problem::NotUtf8 { place: place(error.valid_up_to()) });
    }
    let mut lines = grammar::lines(&block).map_err(|(wrong, at)| match wrong {
        Wrong::EmptyName => Problem::EmptyName { place: place(at) },
        Wrong::NoColon | Wrong::Other => Problem::NoColon { place: place(at) },
    })?;
    let dialect = Dialect::of(version, span.command.is_literal());
    let plain = memchr2(b'\\', b'\r', &block).is_none();
    if !plain {
        check(&block, &lines, dialect, version).map_err(|fault| fault.problem(place, version))?;
    }
    if version == Version::V1_0 {
        strip_leading_spaces(&block, &mut lines);
    }
    let escaped = !plain && dialect != Dialect::Literal && memchr(b'\\', &block).is_some();
    Ok(Frame {
        command: span.command,
        headers: Headers::new(block, lines, escaped, plain),
        body: octets.slice(span.body..),
    })
}

/// What the octets of a line may not be, and at which octet of the block.
enum Fault {
    CarriageReturn(usize),
    Escape(usize, Option<u8>),
}

impl Fault {
    fn problem(self, place: impl Fn(usize) -> Place, version: Version) -> Problem {
        match self {
            Fault::CarriageReturn(at) => Problem::CarriageReturn { place: place(at) },
            Fault::Escape(at, letter) => Problem::BadEscape { place: place(at), version, letter },
        }
    }
}

/// 1.2 allows a CR only at the end of a line; 1.1 and 1.2 allow a backslash only in their sequences.
fn check(block: &[u8], lines: &Lines, dialect: Dialect, version: Version) -> Result<(), Fault> {
    for line in lines {
        for (from, to) in [(line.name, line.name_end), (line.value, line.value_end)] {
            let (from, to) = (from as usize, to as usize);
            let part = &block[from..to];
            if version == Version::V1_2
                && let Some(at) = memchr(b'\r', part)
            {
                return Err(Fault::CarriageReturn(from + at));
            }
            if dialect != Dialect::Literal
                && let Err(at) = escape::check(dialect, part)
            {
                return Err(Fault::Escape(from + at, part.get(at + 1).copied()));
            }
        }
    }
    Ok(())
}

/// 1.0 servers and clients write `name: value`.
fn strip_leading_spaces(block: &[u8], lines: &mut Lines) {
    for line in lines {
        let value = &block[line.value as usize..line.value_end as usize];
        line.value += value.iter().take_while(|octet| **octet == b' ').count() as u32;
    }
}

fn place(block: &[u8], at: usize, headers: usize) -> Place {
    Place { line: memchr_iter(b'\n', &block[..at]).count() + 1, octet: headers + at + 1 }
}

/// The first `receipt` among whole lines of a frame, the first of them the command's.
fn receipt(lines: &[u8], version: Version) -> Option<String> {
    let value =
        lines.split(|octet| *octet == b'\n').skip(1).find_map(|line| line.strip_prefix(b"receipt:"))?;
    let value = std::str::from_utf8(value.strip_suffix(b"\r").unwrap_or(value)).ok()?;
    let dialect = Dialect::of(version, false);
    if dialect == Dialect::Literal {
        return Some(value.trim_start_matches(' ').to_owned());
    }
    escape::check(dialect, value.as_bytes()).ok()?;
    Some(unescape(value).into_owned())
}
