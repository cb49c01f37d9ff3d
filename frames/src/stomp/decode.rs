//! Decodes a stream of bytes into frames.
//!
//! [`frame_scanner`](super::frame_scanner) finds the end of a frame and checks the limits, such as the maximum size of
//! a frame. The decoder then splits the bytes of the frame off the buffer and parses them. The headers and the body of
//! the frame are slices of these bytes.
//!
//! The head of a frame is the part before its body. It consists of the command line, the header lines and the blank
//! line.

use super::decode_error::DecodeError;
use super::escape::{self, Dialect, unescape};
use super::frame::Frame;
use super::frame_error::{FrameError, FramePosition};
use super::frame_scanner::{FrameScanner, FrameSpan, padding};
use super::grammar::{self, HeaderLineError, HeaderLines, HeaderSpan};
use super::headers::{AbsentBytes, Headers, NameSet};
use super::limits::Limits;
use super::version::Version;
use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr_iter, memchr2};

/// A decoder for the frames of one connection.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    version: Version,
    buffer: BytesMut,
    /// Number of bytes of earlier frames in the allocation of `buffer`.
    earlier_bytes: usize,
    scanner: FrameScanner,
    failed: Option<Box<DecodeError>>,
}

impl Decoder {
    /// Creates a decoder for a connection without a negotiated version. It decodes the escapes of STOMP 1.2. It takes
    /// the headers of CONNECT and STOMP frames literally.
    pub fn new(limits: Limits) -> Decoder {
        Decoder {
            limits,
            version: Version::V1_2,
            buffer: BytesMut::new(),
            earlier_bytes: 0,
            scanner: FrameScanner::default(),
            failed: None,
        }
    }

    /// Sets the negotiated version, which determines the escapes. It applies to all frames that [`next`](Decoder::next)
    /// has not returned yet.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Sets the limits. They apply to all frames that [`next`](Decoder::next) has not returned yet.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Adds received bytes. After each call, call [`next`](Decoder::next) until it returns `None` or an error. The
    /// buffer then never exceeds the maximum size of a frame plus the length of `input`. After an error, this function
    /// ignores `input`.
    pub fn feed(&mut self, input: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if !self.buffer.is_empty() {
            return self.buffer.extend_from_slice(input);
        }
        // Skip heartbeats before the allocation, so that an idle connection takes no memory.
        let skip = padding(input);
        if skip < input.len() {
            self.buffer = BytesMut::from(&input[skip..]);
            self.earlier_bytes = 0;
        }
    }

    /// Returns the next whole frame. Returns `None` if more bytes are necessary.
    ///
    /// # Errors
    /// The stream is not valid STOMP, or a frame exceeds a limit. All later calls return the same error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(DecodeError::clone(error));
        }
        // A CR is the only padding that `feed` and `split_off` can leave at the front of the buffer.
        if self.buffer.first() == Some(&b'\r') {
            self.skip_padding();
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        match self.scanner.find(&self.buffer, &self.limits, self.version) {
            Ok(None) => {
                self.unshare();
                Ok(None)
            }
            Ok(Some(span)) => {
                let mut bytes = self.split_off(&span);
                // Create the frame first and fill it in place, because moving its header lines is costly.
                let mut frame =
                    Frame { command: span.command, headers: Headers::default(), body: Bytes::new() };
                if let Err(error) =
                    parse(&bytes, &span, self.scanner.spans(), self.version, &mut frame.headers)
                {
                    return Err(self.fail(error, &bytes[..span.body]));
                }
                self.scanner = FrameScanner::default();
                frame.headers.head = bytes.split_to(span.body);
                frame.body = bytes;
                Ok(Some(frame))
            }
            Err(error) => {
                let bytes = std::mem::take(&mut self.buffer);
                Err(self.fail(error, &bytes[..self.scanner.complete_lines_bytes()]))
            }
        }
    }

    /// Returns the number of buffered bytes. 0 means that no frame has begun, and that the decoder holds no memory.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether the buffer contains a whole or partial frame.
    pub fn in_progress(&self) -> bool {
        self.buffered() > 0
    }

    /// Drops the padding before a frame. If the buffer contains only padding, frees it.
    fn skip_padding(&mut self) {
        match padding(&self.buffer) {
            0 => {}
            skip if skip == self.buffer.len() => self.buffer = BytesMut::new(),
            skip => self.buffer.advance(skip),
        }
    }

    /// Takes a whole frame, without its NUL, out of the buffer, and drops the padding after it.
    #[inline]
    fn split_off(&mut self, span: &FrameSpan) -> Bytes {
        let rest = span.nul + 1 + padding(&self.buffer[span.nul + 1..]);
        if rest == self.buffer.len() {
            let mut bytes = std::mem::take(&mut self.buffer);
            bytes.truncate(span.body_end);
            return bytes.freeze();
        }
        let bytes = self.buffer.split_to(span.body_end);
        self.buffer.advance(rest - span.body_end);
        self.earlier_bytes += rest;
        bytes.freeze()
    }

    /// Moves the beginning of a frame into a new allocation if earlier frames take more than half of the old one.
    /// Otherwise one byte after a large frame would keep all memory of that frame.
    fn unshare(&mut self) {
        if self.earlier_bytes > self.buffer.len() {
            self.buffer = BytesMut::from(&*self.buffer);
            self.earlier_bytes = 0;
        }
    }

    /// Puts the decoder into its failed state. `lines` are the complete lines of the frame, beginning with the command
    /// line.
    fn fail(&mut self, error: FrameError, lines: &[u8]) -> DecodeError {
        self.buffer = BytesMut::new();
        self.scanner = FrameScanner::default();
        let error = error.into_error(&self.limits, receipt(lines, self.version));
        self.failed = Some(Box::new(error.clone()));
        error
    }
}

/// Parses the head of a whole frame. Sets all fields of `headers` except `head`.
#[inline]
fn parse(
    bytes: &[u8],
    span: &FrameSpan,
    spans: &[HeaderSpan],
    version: Version,
    headers: &mut Headers,
) -> Result<(), FrameError> {
    let head = &bytes[..span.body];
    let simple = is_simple(head);
    if !simple && let Err(error) = std::str::from_utf8(head) {
        return Err(FrameError::NotUtf8 { position: position(head, error.valid_up_to()) });
    }
    grammar::lines(head, span.headers, spans, &mut headers.lines).map_err(|(reason, at)| match reason {
        HeaderLineError::EmptyName => FrameError::EmptyName { position: position(head, at) },
        HeaderLineError::NoColon | HeaderLineError::Other => {
            FrameError::NoColon { position: position(head, at) }
        }
    })?;
    let dialect = Dialect::of(version, span.command.is_literal());
    headers.absent_bytes = match simple {
        true => AbsentBytes::Simple,
        false if memchr2(b'\\', b'\r', &head[span.headers..]).is_none() => AbsentBytes::Plain,
        false => AbsentBytes::Any,
    };
    if headers.absent_bytes == AbsentBytes::Any {
        let position = |at| position(head, at);
        check(head, &headers.lines, dialect, version)
            .map_err(|invalid| invalid.into_frame_error(position, version))?;
    }
    if version == Version::V1_0 {
        strip_leading_spaces(head, &mut headers.lines);
    }
    headers.names = NameSet::of(head, &headers.lines);
    headers.escaped = headers.absent_bytes == AbsentBytes::Any
        && dialect != Dialect::Literal
        && memchr(b'\\', head).is_some();
    Ok(())
}

/// Returns whether the bytes are ASCII without backslashes and CRs, like most heads. The loop has no early exit, so
/// that the compiler compares sixteen bytes at once.
#[inline(always)]
pub(crate) fn is_simple(head: &[u8]) -> bool {
    const HIGHEST: u128 = u128::from_ne_bytes([0x80; 16]);
    // The highest bit of a byte is 0 in ASCII.
    let special_bits =
        |byte: &u8| byte | 0u8.wrapping_sub(u8::from(*byte == b'\\') | u8::from(*byte == b'\r'));
    let Some(last) = head.last_chunk::<16>() else {
        return head.iter().all(|byte| special_bits(byte) < 0x80);
    };
    let mut seen = [0; 16];
    let (chunks, _) = head.as_chunks::<16>();
    for chunk in chunks.iter().chain([last]) {
        for (seen, byte) in seen.iter_mut().zip(chunk) {
            *seen |= special_bits(byte);
        }
    }
    u128::from_ne_bytes(seen) & HIGHEST == 0
}

/// An invalid byte in a header line, with its offset in the head. `Escape` also has the byte after the backslash.
/// `None` means the end of the name or value.
enum InvalidByte {
    CarriageReturn(usize),
    Escape(usize, Option<u8>),
}

impl InvalidByte {
    fn into_frame_error(self, position: impl Fn(usize) -> FramePosition, version: Version) -> FrameError {
        match self {
            InvalidByte::CarriageReturn(at) => FrameError::CarriageReturn { position: position(at) },
            InvalidByte::Escape(at, letter) => {
                FrameError::BadEscape { position: position(at), version, letter }
            }
        }
    }
}

/// Checks bytes in header lines. 1.2 allows a CR only at the end of a line. 1.1 and 1.2 allow a backslash only in
/// escape sequences.
fn check(head: &[u8], lines: &HeaderLines, dialect: Dialect, version: Version) -> Result<(), InvalidByte> {
    for line in lines {
        for (from, to) in [(line.name, line.name_end), (line.value, line.value_end)] {
            let (from, to) = (from as usize, to as usize);
            let part = &head[from..to];
            if version == Version::V1_2
                && let Some(at) = memchr(b'\r', part)
            {
                return Err(InvalidByte::CarriageReturn(from + at));
            }
            if dialect != Dialect::Literal
                && let Err(at) = escape::check(dialect, part)
            {
                return Err(InvalidByte::Escape(from + at, part.get(at + 1).copied()));
            }
        }
    }
    Ok(())
}

/// Skips spaces before values, because many STOMP 1.0 clients and servers write `name: value`.
fn strip_leading_spaces(head: &[u8], lines: &mut HeaderLines) {
    for line in lines {
        let value = &head[line.value as usize..line.value_end as usize];
        line.value += value.iter().take_while(|byte| **byte == b' ').count() as u32;
    }
}

#[cold]
fn position(head: &[u8], at: usize) -> FramePosition {
    FramePosition { line: memchr_iter(b'\n', &head[..at]).count(), byte: at + 1 }
}

/// Returns the first `receipt` in the complete lines of a frame. The first line is the command line.
fn receipt(lines: &[u8], version: Version) -> Option<String> {
    let value = lines.split(|byte| *byte == b'\n').skip(1).find_map(|line| line.strip_prefix(b"receipt:"))?;
    let value = std::str::from_utf8(value.strip_suffix(b"\r").unwrap_or(value)).ok()?;
    let dialect = Dialect::of(version, false);
    if dialect == Dialect::Literal {
        return Some(value.trim_start_matches(' ').to_owned());
    }
    escape::check(dialect, value.as_bytes()).ok()?;
    Some(unescape(value).into_owned())
}

#[cfg(test)]
mod tests;
