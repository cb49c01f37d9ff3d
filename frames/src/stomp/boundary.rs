//! Finds one whole frame in a stream of octets, under limits, before anything is parsed.
//!
//! ```text
//! stream = *( *( EOL / NUL ) frame )
//! frame  = COMMAND EOL *( header EOL ) [ EOL body ] NUL
//! body   = *OCTET            ; of SEND, MESSAGE and ERROR
//!        / *EOL              ; of every other command: line ends alone are no body
//! EOL    = [CR] LF
//!
//!            LF                     blank line          NUL, or content-length octets and NUL
//!  Command ------> Headers(LF...) ---------------> Body -------------------------------------> found
//!                       |                                                                       ^
//!                       +-----------------------------------------------------------------------+
//!                         NUL where a line would begin: a frame without a body may leave out its blank line
//! ```
//!
//! The end of a command that has no body is found by the bytes after the blank line, not by `content-length`: clients
//! copy the headers of a MESSAGE into the ACK for it.
//!
//! Each octet is looked at once, however the stream is cut: the place reached is kept from call to call. What
//! is wrong is found at the first octet that makes it so, therefore every cut gives the same error.

use super::delimiters::Delimiters;
use super::frame_error::{FrameError, FramePosition, quote};
use super::grammar::{HeaderSpan, HeaderSpans};
use super::{Command, Version};
use memchr::memchr;

/// What one frame may cost. Each is checked before memory is spent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole frame, from the command to the NUL. Never more than `u32::MAX`.
    pub frame_bytes_max: usize,
    /// Header lines of a frame.
    pub header_count_max: usize,
    /// Bytes of one header line (name, colon and value).
    pub header_bytes_max: usize,
    /// The same for the header `to`, which lists many names, if that is more.
    pub to_bytes_max: usize,
}

impl Limits {
    /// What a header line that begins like this may have.
    #[inline]
    fn line_bytes_max(&self, line: &[u8]) -> usize {
        if line.starts_with(TO) {
            self.header_bytes_max.max(self.to_bytes_max)
        } else {
            self.header_bytes_max
        }
    }
}

/// Bytes of a command line. No command comes near it; other protocols' first lines do.
pub(super) const COMMAND_BYTES_MAX: usize = 32;

const CONTENT_LENGTH: &[u8] = b"content-length:";
const TO: &[u8] = b"to:";

/// Where the parts of a whole frame lie, in octets from its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) command: Command,
    /// Where the first header line begins.
    pub(super) headers: usize,
    /// Where the body begins: behind the blank line, or behind the headers where that is left out.
    pub(super) body: usize,
    /// Where the body ends. The line ends that may follow a command without a body are no part of it.
    pub(super) body_end: usize,
    /// Where the NUL stands that ends the frame.
    pub(super) nul: usize,
}

/// The search for the end of one frame.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    phase: Phase,
    /// Bytes that need not be looked at again.
    scanned: usize,
    /// Where the line begins that is being looked at; all lines before it are whole.
    line: usize,
    /// Where the first colon of that line stands; it has none as long as this is before it.
    colon: usize,
    /// Where the first header line begins; 0 as long as the command line is not whole.
    headers: usize,
    /// The command line, without its end.
    command_end: usize,
    /// What that is, if it is one.
    command: Option<Command>,
    /// The header lines so far.
    cuts: HeaderSpans,
    /// Where the value of the first content-length lies.
    content_length: Option<(usize, usize)>,
    #[cfg(test)]
    examined: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    /// The command line and the header lines.
    #[default]
    Head,
    /// The body ends at the first NUL.
    Open(Command),
    /// The body has this many octets.
    Counted(Command, usize),
    /// No body is allowed: nothing but line ends may stand before the NUL.
    Bodyless(Command),
}

/// Bytes between frames that mean nothing: line ends and NULs. A CR at the very end is kept, for it may be
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
    /// Bytes of `find`'s input that are whole lines, the command's included.
    pub(super) fn whole_lines(&self) -> usize {
        self.line
    }

    /// The header lines of what was looked at.
    pub(super) fn cuts(&self) -> &[HeaderSpan] {
        &self.cuts
    }

    /// Looks for the end of the frame that `octets` begin with; they only ever grow from call to call.
    #[inline]
    pub(super) fn find(
        &mut self,
        octets: &[u8],
        limits: &Limits,
        version: Version,
    ) -> Result<Option<Span>, FrameError> {
        if octets == b"\r" {
            return Ok(None);
        }
        let frame_max = limits.frame_bytes_max.min(u32::MAX as usize);
        if matches!(self.phase, Phase::Head) && !self.head(octets, frame_max, limits, version)? {
            return Ok(None);
        }
        match self.phase {
            Phase::Head => Ok(None),
            Phase::Open(command) => self.open_body(octets, frame_max, command),
            Phase::Counted(command, length) => self.counted_body(octets, command, length),
            Phase::Bodyless(command) => self.no_body(octets, frame_max, command),
        }
    }

    /// Goes over the lines that are there; whether the blank one is among them.
    #[inline]
    fn head(
        &mut self,
        octets: &[u8],
        frame_max: usize,
        limits: &Limits,
        version: Version,
    ) -> Result<bool, FrameError> {
        let to = frame_max.min(octets.len());
        let from = self.scanned.min(to);
        for mark in Delimiters::new(&octets[from..to]) {
            let at = from + mark;
            match octets[at] {
                b'\n' if self.headers == 0 => self.command_line(octets, at)?,
                b'\n' => {
                    if self.header_line(octets, at, limits)? {
                        self.phase = self.body(octets, frame_max, version)?;
                        return Ok(true);
                    }
                }
                b':' if self.colon < self.line => self.colon = at,
                b':' => {}
                _ => return self.nul_in_head(octets, at, limits, frame_max, version),
            }
        }
        self.examine(to);
        match to < self.window(octets, limits, frame_max) {
            true => Ok(false),
            false => Err(self.unended(octets, None, limits, frame_max)),
        }
    }

    /// The first line ends with the LF that stands here.
    #[inline]
    fn command_line(&mut self, octets: &[u8], end: usize) -> Result<(), FrameError> {
        if end > COMMAND_BYTES_MAX {
            return Err(command_too_long(octets));
        }
        self.command_end = end - usize::from(octets[..end].ends_with(b"\r"));
        let name = &octets[..self.command_end];
        self.command = Command::from_wire(name);
        // What looks like a command may have a receipt among its headers; what does not is another protocol.
        if self.command.is_none() && !name.iter().all(u8::is_ascii_alphabetic) {
            return Err(FrameError::UnknownCommand { quoted: quote(name) });
        }
        self.line = end + 1;
        self.headers = self.line;
        Ok(())
    }

    /// A header line ends with the LF that stands here; whether it is the blank line behind them.
    #[inline]
    fn header_line(&mut self, octets: &[u8], end: usize, limits: &Limits) -> Result<bool, FrameError> {
        let line = &octets[self.line..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            self.line = end + 1;
            self.examine(self.line);
            return Ok(true);
        }
        if line.len() > limits.header_bytes_max && line.len() > limits.line_bytes_max(line) {
            return Err(self.too_long(line, limits));
        }
        if self.cuts.len() == limits.header_count_max {
            return Err(FrameError::TooManyHeaders);
        }
        let colon = if self.colon < self.line { end } else { self.colon };
        self.cuts.push(HeaderSpan { colon: colon as u32, end: end as u32 });
        if self.content_length.is_none() && line.starts_with(CONTENT_LENGTH) {
            self.content_length = Some((self.line + CONTENT_LENGTH.len(), self.line + line.len()));
        }
        self.line = end + 1;
        Ok(false)
    }

    /// A NUL stands here. Where a header line would begin it ends a frame without a body, whose client left the blank
    /// line out; anywhere else, and behind a `content-length` that announces a body, the frame is incomplete.
    #[cold]
    fn nul_in_head(
        &mut self,
        octets: &[u8],
        at: usize,
        limits: &Limits,
        frame_max: usize,
        version: Version,
    ) -> Result<bool, FrameError> {
        if self.headers == 0 || at != self.line {
            return Err(self.unended(octets, Some(at), limits, frame_max));
        }
        self.examine(at);
        self.phase = self.body(octets, frame_max, version)?;
        match self.phase {
            Phase::Counted(_, length) if length > 0 => Err(FrameError::NulInHeaders { place: self.place() }),
            _ => Ok(true),
        }
    }

    /// The first octet that cannot be of the line that is being looked at, nor its LF.
    fn window(&self, octets: &[u8], limits: &Limits, frame_max: usize) -> usize {
        self.line_max(octets, limits).min(frame_max)
    }

    fn line_max(&self, octets: &[u8], limits: &Limits) -> usize {
        let with_cr = limits.line_bytes_max(&octets[self.line.min(octets.len())..]).saturating_add(1);
        let longest = if self.headers == 0 { COMMAND_BYTES_MAX } else { with_cr };
        self.line.saturating_add(longest).saturating_add(1)
    }

    /// What is wrong with a line that has no LF where it could be, but perhaps a NUL.
    #[cold]
    fn unended(&self, octets: &[u8], nul: Option<usize>, limits: &Limits, frame_max: usize) -> FrameError {
        let line_max = self.line_max(octets, limits);
        match nul {
            Some(at) if at < line_max && self.headers == 0 => {
                FrameError::NulInCommand { quoted: quote(&octets[..at]) }
            }
            Some(at) if at < line_max => FrameError::NulInHeaders { place: self.place() },
            _ if line_max > frame_max => FrameError::FrameTooLarge,
            _ if self.headers == 0 => command_too_long(octets),
            _ => self.too_long(&octets[self.line..], limits),
        }
    }

    #[cold]
    fn too_long(&self, line: &[u8], limits: &Limits) -> FrameError {
        let place = self.place();
        match line.starts_with(TO) && limits.to_bytes_max > limits.header_bytes_max {
            true => FrameError::ToTooLong { place },
            false => FrameError::HeaderTooLong { place },
        }
    }

    fn place(&self) -> FramePosition {
        FramePosition { line: self.cuts.len() + 1, octet: self.line + 1 }
    }

    /// The blank line has been read: decides how the body ends, before any of it is kept.
    #[inline(always)]
    fn body(&self, octets: &[u8], frame_max: usize, version: Version) -> Result<Phase, FrameError> {
        let Some(command) = self.command else {
            return Err(FrameError::UnknownCommand { quoted: quote(&octets[..self.command_end]) });
        };
        if self.scanned >= frame_max {
            return Err(FrameError::FrameTooLarge);
        }
        if !command.may_have_body() {
            return Ok(Phase::Bodyless(command));
        }
        let Some((start, end)) = self.content_length else { return Ok(Phase::Open(command)) };
        let mut value = &octets[start..end];
        if version == Version::V1_0 {
            let spaces = value.iter().take_while(|octet| **octet == b' ').count();
            value = &value[spaces..];
        }
        let content_length =
            digits(value).ok_or_else(|| FrameError::BadContentLength { quoted: quote(value) })?;
        if content_length > frame_max - self.scanned - 1 {
            return Err(FrameError::ContentTooLarge { quoted: quote(value) });
        }
        Ok(Phase::Counted(command, content_length))
    }

    fn open_body(
        &mut self,
        octets: &[u8],
        frame_max: usize,
        command: Command,
    ) -> Result<Option<Span>, FrameError> {
        let to = frame_max.min(octets.len());
        let from = self.scanned.min(to);
        let nul = match &octets[from..to] {
            [0, ..] => Some(0),
            rest => memchr(0, rest),
        };
        match nul {
            Some(nul) => {
                self.examine(from + nul + 1);
                Ok(Some(self.span(command, from + nul)))
            }
            None => {
                self.examine(to);
                if to < frame_max { Ok(None) } else { Err(FrameError::FrameTooLarge) }
            }
        }
    }

    fn counted_body(
        &self,
        octets: &[u8],
        command: Command,
        length: usize,
    ) -> Result<Option<Span>, FrameError> {
        let nul = self.line + length;
        match octets.get(nul) {
            None => Ok(None),
            Some(0) => Ok(Some(self.span(command, nul))),
            Some(found) => {
                Err(FrameError::NulMissing { content_length: length, octet: nul + 1, found: *found })
            }
        }
    }

    /// Only a NUL may follow.
    #[inline]
    fn no_body(
        &mut self,
        octets: &[u8],
        frame_max: usize,
        command: Command,
    ) -> Result<Option<Span>, FrameError> {
        match octets.get(self.line) {
            Some(0) if self.line < frame_max => Ok(Some(self.span(command, self.line))),
            _ => self.line_ends(octets, frame_max, command),
        }
    }

    /// Skips line ends; only a NUL may follow them.
    #[cold]
    fn line_ends(
        &mut self,
        octets: &[u8],
        frame_max: usize,
        command: Command,
    ) -> Result<Option<Span>, FrameError> {
        let to = frame_max.min(octets.len());
        let mut at = self.scanned;
        loop {
            match octets[at.min(to)..to] {
                [0, ..] => {
                    self.examine(at + 1);
                    return Ok(Some(Span { body_end: self.line, ..self.span(command, at) }));
                }
                [b'\n', ..] => at += 1,
                [b'\r', b'\n', ..] => at += 2,
                [] | [b'\r'] => {
                    self.examine(at);
                    return if to < frame_max { Ok(None) } else { Err(FrameError::FrameTooLarge) };
                }
                [found, ..] => return Err(FrameError::BodyNotAllowed { command, octet: at + 1, found }),
            }
        }
    }

    fn span(&self, command: Command, nul: usize) -> Span {
        Span { command, headers: self.headers, body: self.line, body_end: nul, nul }
    }

    /// All octets before `to` have been looked at.
    fn examine(&mut self, to: usize) {
        #[cfg(test)]
        {
            self.examined += to.saturating_sub(self.scanned);
        }
        self.scanned = to.max(self.scanned);
    }
}

#[cold]
fn command_too_long(octets: &[u8]) -> FrameError {
    FrameError::CommandTooLong { quoted: quote(&octets[..COMMAND_BYTES_MAX + 1]) }
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

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Limits = Limits {
        frame_bytes_max: 1 << 20,
        header_count_max: 1000,
        header_bytes_max: 1 << 16,
        to_bytes_max: 0,
    };

    fn find(octets: &[u8], limits: &Limits) -> Result<Option<Span>, FrameError> {
        Boundary::default().find(octets, limits, Version::V1_2)
    }

    #[test]
    fn padding_is_line_ends_and_nuls() {
        let cases: [(&[u8], usize); 9] = [
            (b"", 0),
            (b"\n", 1),
            (b"\r\n\n", 3),
            (b"\0\n\0", 3),
            (b"\r", 0),
            (b"\n\r", 1),
            (b"\rSEND", 0),
            (b"\r\r\n", 0),
            (b"\n SEND", 1),
        ];
        for (octets, expected) in cases {
            assert_eq!(padding(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn a_span_says_where_the_parts_are() {
        let octets = b"SEND\r\nx:y\r\n\r\nbody\0MORE";
        let expected = Span { command: Command::Send, headers: 6, body: 13, body_end: 17, nul: 17 };
        assert_eq!(find(octets, &WIDE), Ok(Some(expected)));
    }

    /// One frame just at each limit, one octet or line below it, and one above.
    #[test]
    fn every_limit_is_inclusive() {
        let send =
            |headers: &str, body: usize| format!("SEND\n{headers}\n{}\0", "b".repeat(body)).into_bytes();
        let counted = |body: usize| send(&format!("content-length:{body}\n"), body);
        let line = |octets: usize| send(&format!("x:{}\n", "y".repeat(octets - 2)), 0);
        let line_cr = |octets: usize| send(&format!("x:{}\r\n", "y".repeat(octets - 2)), 0);
        let to = |octets: usize| send(&format!("to:{}\n", "y".repeat(octets - 3)), 0);
        let lines = |count: usize| send(&"a:b\n".repeat(count), 0);
        let frame = Limits { frame_bytes_max: 100, ..WIDE };
        let header = Limits { header_bytes_max: 20, ..WIDE };
        let count = Limits { header_count_max: 3, ..WIDE };
        let recipients = Limits { header_bytes_max: 20, to_bytes_max: 50, ..WIDE };
        type Make<'a> = &'a dyn Fn(usize) -> Vec<u8>;
        // SEND, LF, LF and NUL are 7 octets of a frame, and content-length:NN and LF 18 more.
        let cases: [(&str, &Limits, Make<'_>, usize); 7] = [
            ("frame-bytes-max", &frame, &|octets| send("", octets - 7), 100),
            ("frame-bytes-max", &frame, &|octets| counted(octets - 7 - 18), 100),
            ("header-bytes-max", &header, &line, 20),
            ("header-bytes-max", &header, &line_cr, 20),
            ("to-bytes-max", &recipients, &to, 50),
            ("header-bytes-max", &recipients, &line, 20),
            ("header-count-max", &count, &lines, 3),
        ];
        for (name, limits, make, limit) in cases {
            for size in [limit - 1, limit] {
                let octets = make(size);
                assert!(matches!(find(&octets, limits), Ok(Some(_))), "{name} {size}");
            }
            let problem = find(&make(limit + 1), limits).expect_err("above the limit");
            assert_eq!(problem.into_error(limits, None).limit, Some(name));
        }
    }

    #[test]
    fn limits_hold_before_the_end_is_there() {
        let frame = Limits { frame_bytes_max: 100, ..WIDE };
        let header = Limits { header_bytes_max: 20, ..WIDE };
        let cases: [(&str, &Limits, Vec<u8>, Option<FrameError>); 8] = [
            ("a body without end", &frame, [b"SEND\n\n", &[b'x'; 93][..]].concat(), None),
            (
                "one octet more",
                &frame,
                [b"SEND\n\n", &[b'x'; 94][..]].concat(),
                Some(FrameError::FrameTooLarge),
            ),
            ("a length without body", &frame, b"SEND\ncontent-length:75\n\n".to_vec(), None),
            (
                "one more, and nothing of the body there",
                &frame,
                b"SEND\ncontent-length:76\n\n".to_vec(),
                Some(FrameError::ContentTooLarge { quoted: "\"76\"".to_owned() }),
            ),
            ("a line without end", &header, [b"SEND\nx:", &[b'y'; 19][..]].concat(), None),
            (
                "one octet more",
                &header,
                [b"SEND\nx:", &[b'y'; 20][..]].concat(),
                Some(FrameError::HeaderTooLong { place: FramePosition { line: 1, octet: 6 } }),
            ),
            ("a command without end", &WIDE, vec![b'A'; 32], None),
            (
                "one octet more",
                &WIDE,
                vec![b'A'; 33],
                Some(FrameError::CommandTooLong { quoted: format!("\"{}…\"", "A".repeat(32)) }),
            ),
        ];
        for (what, limits, octets, expected) in cases {
            let expected = expected.map_or(Ok(None), Err);
            assert_eq!(find(&octets, limits), expected, "{what}: {}", octets.escape_ascii());
        }
    }

    #[test]
    fn limits_of_nothing_let_nothing_pass_and_limits_of_everything_overflow_nowhere() {
        let limits = |max| Limits {
            frame_bytes_max: max,
            header_count_max: max,
            header_bytes_max: max,
            to_bytes_max: 0,
        };
        let whole = b"SEND\nx:y\n\nbody\0";
        for max in [0, 1, 2] {
            assert_eq!(find(whole, &limits(max)), Err(FrameError::FrameTooLarge), "{max}");
        }
        for max in [u32::MAX as usize, usize::MAX - 1, usize::MAX] {
            assert!(matches!(find(whole, &limits(max)), Ok(Some(_))), "{max}");
            let counted = format!("SEND\ncontent-length:{max}\n\n");
            let problem = find(counted.as_bytes(), &limits(max)).expect_err("no frame is so long");
            assert!(matches!(problem, FrameError::ContentTooLarge { .. }), "{problem:?}");
        }
    }

    /// A frame that comes octet by octet costs as much as one that comes whole: no octet is looked at twice.
    #[test]
    fn a_slow_sender_costs_linear_work() {
        let header = format!("x:{}\n", "y".repeat(1000));
        let open = format!("SEND\n{}\n{}\0", header.repeat(10), "b".repeat(20_000)).into_bytes();
        let counted = format!("SEND\n{header}content-length:20000\n\n{}\0", "b".repeat(20_000)).into_bytes();
        for octets in [open, counted] {
            let mut boundary = Boundary::default();
            for end in 1..octets.len() {
                assert_eq!(boundary.find(&octets[..end], &WIDE, Version::V1_2), Ok(None));
            }
            assert!(matches!(boundary.find(&octets, &WIDE, Version::V1_2), Ok(Some(_))));
            assert!(boundary.examined <= octets.len(), "{} of {}", boundary.examined, octets.len());
        }
    }
}
