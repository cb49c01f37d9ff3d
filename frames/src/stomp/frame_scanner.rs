//! Finds the end of each frame in a stream of bytes, before the frame is parsed. Checks the [`Limits`] of the frame:
//! its size, the number of its header lines, and the length of each line.
//!
//! ```text
//! stream = *( *( EOL / NUL ) frame )
//! frame  = COMMAND EOL *( header EOL ) [ EOL body ] NUL
//! body   = *OCTET            ; of SEND, MESSAGE and ERROR
//!        / *EOL              ; of every other command: line ends alone are no body
//! EOL    = [CR] LF
//!
//!            LF                     blank line          NUL, or content-length bytes and NUL
//!  Command ------> Headers(LF...) ---------------> Body -------------------------------------> found
//!                       |                                                                       ^
//!                       +-----------------------------------------------------------------------+
//!                         NUL at the beginning of a line: a frame without a body may lack the blank line
//! ```
//!
//! If the command allows no body, the scanner ignores `content-length`, because some clients copy the headers of a
//! MESSAGE into its ACK. It then expects only line ends before the NUL. The scanner keeps its position between calls,
//! and examines each byte once. It reports an error at the first byte that causes it.

use super::command::Command;
use super::delimiters::Delimiters;
use super::frame_error::{FrameError, FramePosition, quote};
use super::grammar::{HeaderSpan, HeaderSpans, digits};
use super::limits::{COMMAND_BYTES_MAX, Limits, TO_PREFIX};
use super::version::Version;
use memchr::memchr;

const CONTENT_LENGTH: &[u8] = b"content-length:";

/// Byte offsets of the parts of a whole frame. The command is at offset 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameSpan {
    pub(super) command: Command,
    /// Start of the first header line.
    pub(super) headers: usize,
    /// Start of the body. This is after the blank line, or after the headers if the blank line is missing.
    pub(super) body: usize,
    /// End of the body. If the command allows no body, line ends before the NUL do not belong to the body.
    pub(super) body_end: usize,
    /// Offset of the NUL that ends the frame.
    pub(super) nul: usize,
}

/// The search for the end of one frame.
#[derive(Debug, Default)]
pub(super) struct FrameScanner {
    phase: Phase,
    /// Number of bytes that have been examined.
    scanned: usize,
    /// Start of the current line. After the blank line, this is the start of the body.
    line: usize,
    /// Offset of the first colon of the current line. If it is less than `line`, the line has no colon yet.
    colon: usize,
    /// Start of the first header line, or 0 until the command line is complete.
    headers: usize,
    /// End of the command line, without its line end.
    command_end: usize,
    command: Option<Command>,
    spans: HeaderSpans,
    /// Start and end of the value of the first header `content-length`.
    content_length: Option<(usize, usize)>,
    #[cfg(test)]
    examined: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Head,
    /// The body ends at the first NUL.
    NulTerminated(Command),
    /// The body has this many bytes.
    Counted(Command, usize),
    /// The command allows no body. Only line ends may precede the NUL.
    Bodyless(Command),
}

/// Returns the number of padding bytes at the beginning of `input`. Padding consists of line ends and NULs. A CR at the
/// end of `input` does not count, because its LF may still arrive.
pub(super) fn padding(input: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += match &input[at..] {
            [b'\n' | 0, ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return at,
        };
    }
}

impl FrameScanner {
    /// Returns the number of bytes in complete lines of the frame, including the command line.
    pub(super) fn complete_lines_bytes(&self) -> usize {
        self.line
    }

    /// Returns the complete header lines.
    pub(super) fn spans(&self) -> &[HeaderSpan] {
        &self.spans
    }

    /// Searches for the end of the frame at the beginning of `input`. Between calls, `input` may only grow.
    #[inline]
    pub(super) fn find(
        &mut self,
        input: &[u8],
        limits: &Limits,
        version: Version,
    ) -> Result<Option<FrameSpan>, FrameError> {
        if input == b"\r" {
            return Ok(None);
        }
        let frame_max = limits.frame_bytes_max.min(u32::MAX as usize);
        if matches!(self.phase, Phase::Head) && !self.head(input, frame_max, limits, version)? {
            return Ok(None);
        }
        match self.phase {
            Phase::Head => Ok(None),
            Phase::NulTerminated(command) => self.nul_terminated_body(input, frame_max, command),
            Phase::Counted(command, length) => self.counted_body(input, command, length),
            Phase::Bodyless(command) => self.bodyless_end(input, frame_max, command),
        }
    }

    /// Examines the lines that have arrived. Returns whether the headers end in them.
    #[inline]
    fn head(
        &mut self,
        input: &[u8],
        frame_max: usize,
        limits: &Limits,
        version: Version,
    ) -> Result<bool, FrameError> {
        let to = frame_max.min(input.len());
        let from = self.scanned.min(to);
        for offset in Delimiters::new(&input[from..to]) {
            let at = from + offset;
            match input[at] {
                b'\n' if self.headers == 0 => self.command_line(input, at)?,
                b'\n' => {
                    if self.header_line(input, at, limits)? {
                        self.phase = self.body_phase(input, frame_max, version)?;
                        return Ok(true);
                    }
                }
                b':' if self.colon < self.line => self.colon = at,
                b':' => {}
                _ => return self.nul_in_head(input, at, limits, frame_max, version),
            }
        }
        self.mark_examined(to);
        match to < self.search_end(input, limits, frame_max) {
            true => Ok(false),
            false => Err(self.unterminated_line(input, None, limits, frame_max)),
        }
    }

    /// Processes the command line. `end` is the offset of its LF.
    #[inline]
    fn command_line(&mut self, input: &[u8], end: usize) -> Result<(), FrameError> {
        if end > COMMAND_BYTES_MAX {
            return Err(command_too_long(input));
        }
        self.command_end = end - usize::from(input[..end].ends_with(b"\r"));
        let name = &input[..self.command_end];
        self.command = Command::from_wire(name);
        // After an unknown word, read on: the frame may have a `receipt`. Other bytes belong to another protocol.
        if self.command.is_none() && !name.iter().all(u8::is_ascii_alphabetic) {
            return Err(FrameError::UnknownCommand { quoted: quote(name) });
        }
        self.line = end + 1;
        self.headers = self.line;
        Ok(())
    }

    /// Processes a header line. `end` is the offset of its LF. Returns whether it is the blank line.
    #[inline]
    fn header_line(&mut self, input: &[u8], end: usize, limits: &Limits) -> Result<bool, FrameError> {
        let line = &input[self.line..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            self.line = end + 1;
            self.mark_examined(self.line);
            return Ok(true);
        }
        if line.len() > limits.header_bytes_max && line.len() > limits.line_bytes_max(line) {
            return Err(self.too_long(line, limits));
        }
        if self.spans.len() == limits.header_count_max {
            return Err(FrameError::TooManyHeaders);
        }
        let colon = if self.colon < self.line { end } else { self.colon };
        self.spans.push(HeaderSpan { colon: colon as u32, end: end as u32 });
        if self.content_length.is_none() && line.starts_with(CONTENT_LENGTH) {
            self.content_length = Some((self.line + CONTENT_LENGTH.len(), self.line + line.len()));
        }
        self.line = end + 1;
        Ok(false)
    }

    /// Processes a NUL at `at` in the head. At the beginning of a line, it ends a frame without a blank line and a
    /// body. It is an error inside a line, or if `content-length` announces a body.
    #[cold]
    fn nul_in_head(
        &mut self,
        input: &[u8],
        at: usize,
        limits: &Limits,
        frame_max: usize,
        version: Version,
    ) -> Result<bool, FrameError> {
        if self.headers == 0 || at != self.line {
            return Err(self.unterminated_line(input, Some(at), limits, frame_max));
        }
        self.mark_examined(at);
        self.phase = self.body_phase(input, frame_max, version)?;
        match self.phase {
            Phase::Counted(_, length) if length > 0 => {
                Err(FrameError::NulInHeaders { position: self.position() })
            }
            _ => Ok(true),
        }
    }

    /// Returns the offset before which the current line, with its LF, must end.
    fn search_end(&self, input: &[u8], limits: &Limits, frame_max: usize) -> usize {
        self.line_end_max(input, limits).min(frame_max)
    }

    fn line_end_max(&self, input: &[u8], limits: &Limits) -> usize {
        let with_cr = limits.line_bytes_max(&input[self.line.min(input.len())..]).saturating_add(1);
        let longest = if self.headers == 0 { COMMAND_BYTES_MAX } else { with_cr };
        self.line.saturating_add(longest).saturating_add(1)
    }

    /// Returns the error for a line that has no LF within the limits. `nul` is the offset of the NUL if the line
    /// contains one.
    #[cold]
    fn unterminated_line(
        &self,
        input: &[u8],
        nul: Option<usize>,
        limits: &Limits,
        frame_max: usize,
    ) -> FrameError {
        let line_end_max = self.line_end_max(input, limits);
        match nul {
            Some(at) if at < line_end_max && self.headers == 0 => {
                FrameError::NulInCommand { quoted: quote(&input[..at]) }
            }
            Some(at) if at < line_end_max => FrameError::NulInHeaders { position: self.position() },
            _ if line_end_max > frame_max => FrameError::FrameTooLarge,
            _ if self.headers == 0 => command_too_long(input),
            _ => self.too_long(&input[self.line..], limits),
        }
    }

    #[cold]
    fn too_long(&self, line: &[u8], limits: &Limits) -> FrameError {
        let position = self.position();
        match line.starts_with(TO_PREFIX) && limits.to_bytes_max > limits.header_bytes_max {
            true => FrameError::ToTooLong { position },
            false => FrameError::HeaderTooLong { position },
        }
    }

    fn position(&self) -> FramePosition {
        FramePosition { line: self.spans.len() + 1, byte: self.line + 1 }
    }

    /// Determines how the body ends. The caller does this at the end of the headers. A `content-length` above the limit
    /// is therefore rejected before the body is buffered.
    #[inline(always)]
    fn body_phase(&self, input: &[u8], frame_max: usize, version: Version) -> Result<Phase, FrameError> {
        let Some(command) = self.command else {
            return Err(FrameError::UnknownCommand { quoted: quote(&input[..self.command_end]) });
        };
        if self.scanned >= frame_max {
            return Err(FrameError::FrameTooLarge);
        }
        if !command.may_have_body() {
            return Ok(Phase::Bodyless(command));
        }
        let Some((start, end)) = self.content_length else { return Ok(Phase::NulTerminated(command)) };
        let mut value = &input[start..end];
        if version == Version::V1_0 {
            let spaces = value.iter().take_while(|byte| **byte == b' ').count();
            value = &value[spaces..];
        }
        let content_length =
            digits(value).ok_or_else(|| FrameError::BadContentLength { quoted: quote(value) })?;
        if content_length > frame_max - self.scanned - 1 {
            return Err(FrameError::ContentTooLarge { quoted: quote(value) });
        }
        Ok(Phase::Counted(command, content_length))
    }

    fn nul_terminated_body(
        &mut self,
        input: &[u8],
        frame_max: usize,
        command: Command,
    ) -> Result<Option<FrameSpan>, FrameError> {
        let to = frame_max.min(input.len());
        let from = self.scanned.min(to);
        let nul = match &input[from..to] {
            [0, ..] => Some(0),
            rest => memchr(0, rest),
        };
        match nul {
            Some(nul) => {
                self.mark_examined(from + nul + 1);
                Ok(Some(self.span(command, from + nul)))
            }
            None => {
                self.mark_examined(to);
                if to < frame_max { Ok(None) } else { Err(FrameError::FrameTooLarge) }
            }
        }
    }

    fn counted_body(
        &self,
        input: &[u8],
        command: Command,
        length: usize,
    ) -> Result<Option<FrameSpan>, FrameError> {
        let nul = self.line + length;
        match input.get(nul) {
            None => Ok(None),
            Some(0) => Ok(Some(self.span(command, nul))),
            Some(found) => {
                Err(FrameError::NulMissing { content_length: length, byte: nul + 1, found: *found })
            }
        }
    }

    /// Finds the NUL of a frame whose command allows no body. Only line ends may precede the NUL.
    #[inline]
    fn bodyless_end(
        &mut self,
        input: &[u8],
        frame_max: usize,
        command: Command,
    ) -> Result<Option<FrameSpan>, FrameError> {
        match input.get(self.line) {
            Some(0) if self.line < frame_max => Ok(Some(self.span(command, self.line))),
            _ => self.skip_line_ends(input, frame_max, command),
        }
    }

    /// Skips line ends, and expects the NUL after them.
    #[cold]
    fn skip_line_ends(
        &mut self,
        input: &[u8],
        frame_max: usize,
        command: Command,
    ) -> Result<Option<FrameSpan>, FrameError> {
        let to = frame_max.min(input.len());
        let mut at = self.scanned;
        loop {
            match input[at.min(to)..to] {
                [0, ..] => {
                    self.mark_examined(at + 1);
                    return Ok(Some(FrameSpan { body_end: self.line, ..self.span(command, at) }));
                }
                [b'\n', ..] => at += 1,
                [b'\r', b'\n', ..] => at += 2,
                [] | [b'\r'] => {
                    self.mark_examined(at);
                    return if to < frame_max { Ok(None) } else { Err(FrameError::FrameTooLarge) };
                }
                [found, ..] => return Err(FrameError::BodyNotAllowed { command, byte: at + 1, found }),
            }
        }
    }

    fn span(&self, command: Command, nul: usize) -> FrameSpan {
        FrameSpan { command, headers: self.headers, body: self.line, body_end: nul, nul }
    }

    /// Records that all bytes before `to` have been examined.
    fn mark_examined(&mut self, to: usize) {
        #[cfg(test)]
        {
            self.examined += to.saturating_sub(self.scanned);
        }
        self.scanned = to.max(self.scanned);
    }
}

#[cold]
fn command_too_long(input: &[u8]) -> FrameError {
    FrameError::CommandTooLong { quoted: quote(&input[..COMMAND_BYTES_MAX + 1]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stomp::FrameLimit;

    const WIDE: Limits = Limits {
        frame_bytes_max: 1 << 20,
        header_count_max: 1000,
        header_bytes_max: 1 << 16,
        to_bytes_max: 0,
    };

    fn find(bytes: &[u8], limits: &Limits) -> Result<Option<FrameSpan>, FrameError> {
        FrameScanner::default().find(bytes, limits, Version::V1_2)
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
        for (bytes, expected) in cases {
            assert_eq!(padding(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn span_gives_the_positions_of_the_parts() {
        let bytes = b"SEND\r\nx:y\r\n\r\nbody\0MORE";
        let expected = FrameSpan { command: Command::Send, headers: 6, body: 13, body_end: 17, nul: 17 };
        assert_eq!(find(bytes, &WIDE), Ok(Some(expected)));
    }

    /// For each limit, checks frames at the limit, one byte or line below it, and one byte or line above it.
    #[test]
    fn every_limit_is_inclusive() {
        let send =
            |headers: &str, body: usize| format!("SEND\n{headers}\n{}\0", "b".repeat(body)).into_bytes();
        let counted = |body: usize| send(&format!("content-length:{body}\n"), body);
        let line = |bytes: usize| send(&format!("x:{}\n", "y".repeat(bytes - 2)), 0);
        let line_cr = |bytes: usize| send(&format!("x:{}\r\n", "y".repeat(bytes - 2)), 0);
        let to = |bytes: usize| send(&format!("to:{}\n", "y".repeat(bytes - 3)), 0);
        let lines = |count: usize| send(&"a:b\n".repeat(count), 0);
        let frame = Limits { frame_bytes_max: 100, ..WIDE };
        let header = Limits { header_bytes_max: 20, ..WIDE };
        let count = Limits { header_count_max: 3, ..WIDE };
        let recipients = Limits { header_bytes_max: 20, to_bytes_max: 50, ..WIDE };
        type Make<'a> = &'a dyn Fn(usize) -> Vec<u8>;
        // SEND, LF, LF and NUL are 7 bytes of a frame, and `content-length:NN` and LF 18 more.
        let cases: [(FrameLimit, &Limits, Make<'_>, usize); 7] = [
            (FrameLimit::FrameBytes, &frame, &|bytes| send("", bytes - 7), 100),
            (FrameLimit::FrameBytes, &frame, &|bytes| counted(bytes - 7 - 18), 100),
            (FrameLimit::HeaderBytes, &header, &line, 20),
            (FrameLimit::HeaderBytes, &header, &line_cr, 20),
            (FrameLimit::ToBytes, &recipients, &to, 50),
            (FrameLimit::HeaderBytes, &recipients, &line, 20),
            (FrameLimit::HeaderCount, &count, &lines, 3),
        ];
        for (exceeded, limits, make, limit) in cases {
            for size in [limit - 1, limit] {
                let bytes = make(size);
                assert!(matches!(find(&bytes, limits), Ok(Some(_))), "{exceeded:?} {size}");
            }
            let error = find(&make(limit + 1), limits).expect_err("above the limit");
            assert_eq!(error.into_error(limits, None).limit, Some(exceeded));
        }
    }

    #[test]
    fn limits_apply_before_the_frame_is_complete() {
        let frame = Limits { frame_bytes_max: 100, ..WIDE };
        let header = Limits { header_bytes_max: 20, ..WIDE };
        let cases: [(&str, &Limits, Vec<u8>, Option<FrameError>); 8] = [
            ("a body without end", &frame, [b"SEND\n\n", &[b'x'; 93][..]].concat(), None),
            (
                "one byte more",
                &frame,
                [b"SEND\n\n", &[b'x'; 94][..]].concat(),
                Some(FrameError::FrameTooLarge),
            ),
            ("a length without body", &frame, b"SEND\ncontent-length:75\n\n".to_vec(), None),
            (
                "a length one byte too large, without body",
                &frame,
                b"SEND\ncontent-length:76\n\n".to_vec(),
                Some(FrameError::ContentTooLarge { quoted: "\"76\"".to_owned() }),
            ),
            ("a line without end", &header, [b"SEND\nx:", &[b'y'; 19][..]].concat(), None),
            (
                "one byte more",
                &header,
                [b"SEND\nx:", &[b'y'; 20][..]].concat(),
                Some(FrameError::HeaderTooLong { position: FramePosition { line: 1, byte: 6 } }),
            ),
            ("a command without end", &WIDE, vec![b'A'; 32], None),
            (
                "one byte more",
                &WIDE,
                vec![b'A'; 33],
                Some(FrameError::CommandTooLong { quoted: format!("\"{}…\"", "A".repeat(32)) }),
            ),
        ];
        for (what, limits, bytes, expected) in cases {
            let expected = expected.map_or(Ok(None), Err);
            assert_eq!(find(&bytes, limits), expected, "{what}: {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn smallest_limits_reject_every_frame_and_largest_ones_do_not_overflow() {
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
            let error = find(counted.as_bytes(), &limits(max)).expect_err("above the frame limit");
            assert!(matches!(error, FrameError::ContentTooLarge { .. }), "{error:?}");
        }
    }

    /// Checks that no byte is examined twice when a frame arrives byte by byte.
    #[test]
    fn frame_arriving_byte_by_byte_takes_linear_work() {
        let header = format!("x:{}\n", "y".repeat(1000));
        let open = format!("SEND\n{}\n{}\0", header.repeat(10), "b".repeat(20_000)).into_bytes();
        let counted = format!("SEND\n{header}content-length:20000\n\n{}\0", "b".repeat(20_000)).into_bytes();
        for bytes in [open, counted] {
            let mut scanner = FrameScanner::default();
            for end in 1..bytes.len() {
                assert_eq!(scanner.find(&bytes[..end], &WIDE, Version::V1_2), Ok(None));
            }
            assert!(matches!(scanner.find(&bytes, &WIDE, Version::V1_2), Ok(Some(_))));
            assert!(scanner.examined <= bytes.len(), "{} of {}", scanner.examined, bytes.len());
        }
    }
}
