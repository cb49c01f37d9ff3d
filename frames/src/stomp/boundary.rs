//! Finds one whole frame in a stream of octets, under limits, before anything is parsed.
//!
//! ```text
//! stream = *( *( EOL / NUL ) frame )
//! frame  = COMMAND EOL *( header EOL ) EOL body NUL
//! EOL    = [CR] LF
//!
//!            LF                     blank line          NUL, or content-length octets and NUL
//!  Command ------> Headers(LF...) ---------------> Body -------------------------------------> found
//! ```
//!
//! Each octet is looked at once, however the stream is cut: the place reached is kept from call to call. What
//! is wrong is found at the first octet that makes it so, therefore every cut gives the same error.

use super::problem::{Place, Problem, quote};
use super::{Command, Version};
use memchr::{memchr, memchr2};

/// What one frame may cost. Each is checked before memory is spent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a whole frame, from the command to the NUL. Never more than `u32::MAX`.
    pub frame_bytes_max: usize,
    /// Header lines of a frame.
    pub header_count_max: usize,
    /// Octets of one header line (name, colon and value).
    pub header_bytes_max: usize,
}

/// Octets of a command line. No command comes near it; other protocols' first lines do.
pub(super) const COMMAND_BYTES_MAX: usize = 32;

const CONTENT_LENGTH: &[u8] = b"content-length:";

/// Where the parts of a whole frame lie, in octets from its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) command: Command,
    /// Where the first header line begins.
    pub(super) headers: usize,
    /// Where the body begins: behind the blank line.
    pub(super) body: usize,
    /// Where the NUL stands that ends the frame.
    pub(super) nul: usize,
}

/// The search for the end of one frame.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    phase: Phase,
    /// Octets that need not be looked at again.
    scanned: usize,
    /// Where the line begins that is being looked at; all lines before it are whole.
    line: usize,
    /// Header lines so far.
    count: usize,
    /// Where the first header line begins.
    headers: usize,
    /// The command line, without its end.
    command_end: usize,
    /// Where the value of the first content-length lies.
    content_length: Option<(usize, usize)>,
    #[cfg(test)]
    examined: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Command,
    Headers,
    /// The body ends at the first NUL.
    Open(Command),
    /// The body has this many octets.
    Counted(Command, usize),
}

/// How a line ended.
enum Line {
    /// With the LF that stands here.
    Whole(usize),
    /// Octets are missing.
    Partial,
    /// With the NUL that stands here.
    Nul(usize),
    /// It is longer than it may be.
    TooLong,
}

/// Octets between frames that mean nothing: line ends and NULs. A CR at the very end is kept, for it may be
/// half of a line end.
pub(super) fn padding(octets: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += match &octets[at..] {
            [b'\n' | 0, ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return at,
        };
    }
}

impl Boundary {
    /// Whether no octet of a frame has been looked at.
    pub(super) fn is_fresh(&self) -> bool {
        self.scanned == 0
    }

    /// Octets of `find`'s input that are whole lines, the command's included.
    pub(super) fn whole_lines(&self) -> usize {
        self.line
    }

    /// Looks for the end of the frame that `octets` begin with; they only ever grow from call to call.
    pub(super) fn find(
        &mut self,
        octets: &[u8],
        limits: &Limits,
        version: Version,
    ) -> Result<Option<Span>, Problem> {
        if octets == b"\r" {
            return Ok(None);
        }
        let frame_max = limits.frame_bytes_max.min(u32::MAX as usize);
        loop {
            let whole = match self.phase {
                Phase::Command => self.command_line(octets, frame_max)?,
                Phase::Headers => self.header_line(octets, frame_max, limits, version)?,
                Phase::Open(command) => return self.open_body(octets, frame_max, command),
                Phase::Counted(command, length) => return self.counted_body(octets, command, length),
            };
            if !whole {
                return Ok(None);
            }
        }
    }

    fn command_line(&mut self, octets: &[u8], frame_max: usize) -> Result<bool, Problem> {
        match self.line_end(octets, COMMAND_BYTES_MAX, frame_max)? {
            Line::Partial => return Ok(false),
            Line::TooLong => {
                return Err(Problem::CommandTooLong { quoted: quote(&octets[..COMMAND_BYTES_MAX + 1]) });
            }
            Line::Nul(at) => return Err(Problem::NulInCommand { quoted: quote(&octets[..at]) }),
            Line::Whole(at) => self.command_end = at - usize::from(octets[..at].ends_with(b"\r")),
        }
        // What looks like a command may have a receipt among its headers; what does not is another protocol.
        if !octets[..self.command_end].iter().all(u8::is_ascii_alphabetic) {
            return Err(Problem::UnknownCommand { quoted: quote(&octets[..self.command_end]) });
        }
        self.line = self.scanned;
        self.headers = self.scanned;
        self.phase = Phase::Headers;
        Ok(true)
    }

    fn header_line(
        &mut self,
        octets: &[u8],
        frame_max: usize,
        limits: &Limits,
        version: Version,
    ) -> Result<bool, Problem> {
        let place = Place { line: self.count + 1, octet: self.line + 1 };
        let with_cr = limits.header_bytes_max.saturating_add(1);
        let end = match self.line_end(octets, with_cr, frame_max)? {
            Line::Partial => return Ok(false),
            Line::TooLong => return Err(Problem::HeaderTooLong { place }),
            Line::Nul(_) => return Err(Problem::NulInHeaders { place }),
            Line::Whole(at) => at,
        };
        let line = &octets[self.line..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            self.line = self.scanned;
            self.phase = self.body(octets, frame_max, version)?;
            return Ok(true);
        }
        if line.len() > limits.header_bytes_max {
            return Err(Problem::HeaderTooLong { place });
        }
        if self.count == limits.header_count_max {
            return Err(Problem::TooManyHeaders);
        }
        self.count += 1;
        if self.content_length.is_none() && line.starts_with(CONTENT_LENGTH) {
            self.content_length = Some((self.line + CONTENT_LENGTH.len(), self.line + line.len()));
        }
        self.line = self.scanned;
        Ok(true)
    }

    /// Finds where the line ends that is being looked at: `longest` octets at most, then LF.
    fn line_end(&mut self, octets: &[u8], longest: usize, frame_max: usize) -> Result<Line, Problem> {
        let line_max = self.line.saturating_add(longest).saturating_add(1);
        let window = line_max.min(frame_max);
        let to = window.min(octets.len());
        if let Some(at) = self.scan(octets, to, |octets| memchr2(b'\n', 0, octets)) {
            return Ok(if octets[at] == 0 { Line::Nul(at) } else { Line::Whole(at) });
        }
        match to < window {
            true => Ok(Line::Partial),
            false if window == line_max => Ok(Line::TooLong),
            false => Err(Problem::FrameTooLarge),
        }
    }

    /// The blank line has been read: decides how the body ends, before any of it is kept.
    fn body(&self, octets: &[u8], frame_max: usize, version: Version) -> Result<Phase, Problem> {
        let name = &octets[..self.command_end];
        let Some(command) = Command::from_wire(name) else {
            return Err(Problem::UnknownCommand { quoted: quote(name) });
        };
        if self.scanned >= frame_max {
            return Err(Problem::FrameTooLarge);
        }
        let Some((start, end)) = self.content_length else { return Ok(Phase::Open(command)) };
        let mut value = &octets[start..end];
        if version == Version::V1_0 {
            let spaces = value.iter().take_while(|octet| **octet == b' ').count();
            value = &value[spaces..];
        }
        let content_length =
            digits(value).ok_or_else(|| Problem::BadContentLength { quoted: quote(value) })?;
        if content_length > 0 && !command.may_have_body() {
            return Err(Problem::BodyNotAllowed { command });
        }
        if content_length > frame_max - self.scanned - 1 {
            return Err(Problem::ContentTooLarge { quoted: quote(value) });
        }
        Ok(Phase::Counted(command, content_length))
    }

    fn open_body(
        &mut self,
        octets: &[u8],
        frame_max: usize,
        command: Command,
    ) -> Result<Option<Span>, Problem> {
        if !command.may_have_body() && octets.get(self.line).is_some_and(|octet| *octet != 0) {
            return Err(Problem::BodyNotAllowed { command });
        }
        let to = frame_max.min(octets.len());
        match self.scan(octets, to, |octets| memchr(0, octets)) {
            Some(nul) => Ok(Some(self.span(command, nul))),
            None if to < frame_max => Ok(None),
            None => Err(Problem::FrameTooLarge),
        }
    }

    fn counted_body(&self, octets: &[u8], command: Command, length: usize) -> Result<Option<Span>, Problem> {
        let nul = self.line + length;
        match octets.get(nul) {
            None => Ok(None),
            Some(0) => Ok(Some(self.span(command, nul))),
            Some(found) => Err(Problem::NulMissing { content_length: length, octet: nul + 1, found: *found }),
        }
    }

    fn span(&self, command: Command, nul: usize) -> Span {
        Span { command, headers: self.headers, body: self.line, nul }
    }

    /// Searches what has not been looked at, up to `to`, and goes behind what was found.
    fn scan(&mut self, octets: &[u8], to: usize, search: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        let from = self.scanned.min(to);
        let found = search(&octets[from..to]).map(|at| from + at);
        self.scanned = found.map_or(to.max(self.scanned), |at| at + 1);
        #[cfg(test)]
        {
            self.examined += self.scanned - from;
        }
        found
    }
}

/// A decimal number of digits only; more than a `usize` holds counts as its maximum.
fn digits(octets: &[u8]) -> Option<usize> {
    if octets.is_empty() {
        return None;
    }
    octets.iter().try_fold(0usize, |number, digit| {
        digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
    })
}
