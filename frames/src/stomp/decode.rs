//! Decodes a stream of bytes into frames.
//!
//! [`boundary`](super::boundary) finds a whole frame under limits. Its bytes are split off and frozen, and only then is
//! it parsed: the headers and body of the frame are slices of these bytes.

use super::boundary::{Boundary, Span, padding};
use super::escape::{self, Dialect, unescape};
use super::frame_error::{FrameError, FramePosition};
use super::grammar::{self, HeaderLineError, HeaderLines, HeaderSpan};
use super::headers::AbsentBytes;
use super::{Frame, Headers, Limits, Version};
use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr_iter, memchr2};

/// An error in the stream: it is not valid STOMP, or exceeds a limit. It is fatal for the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{summary}")]
pub struct DecodeError {
    /// Short text for the `message` header of ERROR. It contains no colon, backslash or line end.
    pub summary: &'static str,
    /// One or two sentences for the body of ERROR: what was wrong, where, and what was expected.
    pub detail: String,
    /// The name of the option whose limit was exceeded (`"frame-bytes-max"`), if the error is about a limit.
    pub limit: Option<&'static str>,
    /// The `receipt` of the invalid frame, if it could be read.
    pub receipt: Option<String>,
}

impl DecodeError {
    /// Replaces the name of the limit, for limits that are set by different options in different contexts.
    pub fn rename_limit(&mut self, option: &'static str) {
        if let Some(limit) = self.limit.replace(option) {
            self.detail = self.detail.replace(limit, option);
        }
    }
}

/// Decodes the frames of one connection.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    version: Version,
    buffer: BytesMut,
    /// Bytes of earlier frames in the allocation that the buffer still shares.
    earlier_bytes: usize,
    boundary: Boundary,
    failed: Option<Box<DecodeError>>,
}

impl Decoder {
    /// Creates a decoder for a connection without a negotiated version: escapes are as in 1.2, CONNECT and STOMP frames
    /// are literal.
    pub fn new(limits: Limits) -> Decoder {
        Decoder {
            limits,
            version: Version::V1_2,
            buffer: BytesMut::new(),
            earlier_bytes: 0,
            boundary: Boundary::default(),
            failed: None,
        }
    }

    /// Sets the escapes and rules of the negotiated version, for frames not yet returned by `next`.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Sets the limits for frames not yet returned by `next`.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Adds received bytes. Call `next` until it returns `None` after each call; the buffer then never exceeds the
    /// limits of one frame plus the length of `input`.
    pub fn feed(&mut self, input: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if !self.buffer.is_empty() {
            return self.buffer.extend_from_slice(input);
        }
        // Heartbeats on an idle connection take no memory.
        let skip = padding(input);
        if skip < input.len() {
            self.buffer = BytesMut::from(&input[skip..]);
            self.earlier_bytes = 0;
        }
    }

    /// Returns the next whole frame; `None` if more bytes are needed. After an error it returns the same error forever.
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
        match self.boundary.find(&self.buffer, &self.limits, self.version) {
            Ok(None) => {
                self.unshare();
                Ok(None)
            }
            Ok(Some(span)) => {
                let mut bytes = self.split_off(&span);
                // The frame is created first and filled in place, because moving its header lines is costly.
                let mut frame =
                    Frame { command: span.command, headers: Headers::default(), body: Bytes::new() };
                if let Err(error) =
                    parse(&bytes, &span, self.boundary.spans(), self.version, &mut frame.headers)
                {
                    return Err(self.fail(error, &bytes[..span.body]));
                }
                self.boundary = Boundary::default();
                frame.headers.head = bytes.split_to(span.body);
                frame.body = bytes;
                Ok(Some(frame))
            }
            Err(error) => {
                let bytes = std::mem::take(&mut self.buffer);
                Err(self.fail(error, &bytes[..self.boundary.complete_lines_bytes()]))
            }
        }
    }

    /// Returns the number of buffered bytes. If it is 0, no frame has begun and no memory is held.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether a frame has begun that `next` has not returned yet, complete or not.
    pub fn in_progress(&self) -> bool {
        self.buffered() > 0
    }

    /// Drops padding between frames, and frees the buffer if nothing else is in it.
    fn skip_padding(&mut self) {
        match padding(&self.buffer) {
            0 => {}
            skip if skip == self.buffer.len() => self.buffer = BytesMut::new(),
            skip => self.buffer.advance(skip),
        }
    }

    /// Takes a whole frame, without its NUL, out of the buffer, and drops the padding after it.
    #[inline]
    fn split_off(&mut self, span: &Span) -> Bytes {
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

    /// Copies the beginning of a frame out of the allocation that it shares with earlier frames, if those were larger.
    /// Otherwise one byte after a large frame would keep all of that frame's memory.
    fn unshare(&mut self) {
        if self.earlier_bytes > self.buffer.len() {
            self.buffer = BytesMut::from(&*self.buffer);
            self.earlier_bytes = 0;
        }
    }

    /// Puts the decoder into its failed state. `lines` are complete lines of the frame, beginning with the command
    /// line.
    fn fail(&mut self, error: FrameError, lines: &[u8]) -> DecodeError {
        self.buffer = BytesMut::new();
        self.boundary = Boundary::default();
        let error = error.into_error(&self.limits, receipt(lines, self.version));
        self.failed = Some(Box::new(error.clone()));
        error
    }
}

/// Parses the headers of a whole frame. Sets everything in `headers` except its bytes.
#[inline]
fn parse(
    bytes: &[u8],
    span: &Span,
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
    headers.escaped = headers.absent_bytes == AbsentBytes::Any
        && dialect != Dialect::Literal
        && memchr(b'\\', head).is_some();
    Ok(())
}

/// Returns whether the head is ASCII without backslashes and CRs, as most are. There is no early exit, so that the
/// compiler generates comparisons of sixteen bytes at once.
#[inline]
fn is_simple(head: &[u8]) -> bool {
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

/// An invalid byte in a header line, at this offset in the head.
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

/// Checks bytes in header lines: 1.2 allows a CR only at the end of a line; 1.1 and 1.2 allow a backslash only in
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

/// Skips spaces before values: in 1.0, servers and clients write `name: value`.
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

/// Returns the first `receipt` in complete lines of a frame, beginning with the command line.
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
mod tests {
    use super::*;
    use crate::stomp::{Command, encode};
    use proptest::prelude::*;
    use std::borrow::Cow;

    const LIMITS: Limits =
        Limits { frame_bytes_max: 4096, header_count_max: 20, header_bytes_max: 256, to_bytes_max: 0 };

    fn decoder(version: Version) -> Decoder {
        let mut decoder = Decoder::new(LIMITS);
        decoder.set_version(version);
        decoder
    }

    fn fed(bytes: &[u8]) -> Decoder {
        let mut decoder = decoder(Version::V1_2);
        decoder.feed(bytes);
        decoder
    }

    fn next_frame(decoder: &mut Decoder) -> Frame {
        decoder.next().expect("a valid frame").expect("a whole frame")
    }

    fn expect_no_frame(decoder: &mut Decoder) {
        assert!(decoder.next().expect("no error").is_none());
    }

    type DecodedFrame = (Command, Vec<(String, String)>, Vec<u8>);

    fn decoded(frame: &Frame) -> DecodedFrame {
        let pairs = frame.headers.iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
        (frame.command, pairs.collect(), frame.body.to_vec())
    }

    fn decode_all<'a>(
        version: Version,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> (Vec<DecodedFrame>, Option<DecodeError>) {
        let mut decoder = decoder(version);
        let mut frames = Vec::new();
        for piece in pieces {
            decoder.feed(piece);
            loop {
                match decoder.next() {
                    Ok(Some(frame)) => frames.push(decoded(&frame)),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    }

    #[test]
    fn partial_frame_does_not_keep_the_memory_of_previous_frames() {
        let mut decoder = fed(format!("SEND\ndestination:a\n\n{}\0S", "x".repeat(2000)).as_bytes());
        let frame = next_frame(&mut decoder);
        expect_no_frame(&mut decoder);
        drop(frame.headers);
        assert!(frame.body.is_unique(), "the decoder still shares the body");
        decoder.feed(b"END\ndestination:b\n\ny\0");
        assert_eq!(next_frame(&mut decoder).body, "y");
    }

    #[test]
    fn headers_and_body_are_slices_of_one_block() {
        let wire = b"SEND\ndestination:/a\nx:yz\n\nbody\0";
        let frame = next_frame(&mut fed(wire));
        let at = |part: &[u8]| {
            wire.windows(part.len()).position(|window| window == part).expect("the part is in the input")
        };
        let start = frame.body.as_ptr() as usize - at(b"body");
        for (name, value) in [("destination", "/a"), ("x", "yz")] {
            match frame.header(name) {
                Some(Cow::Borrowed(text)) => assert_eq!(text.as_ptr() as usize - start, at(value.as_bytes())),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn decoder_holds_no_memory_between_frames() {
        let mut decoder = decoder(Version::V1_2);
        let held = |decoder: &Decoder| (decoder.buffered(), decoder.buffer.capacity());
        for heart_beat in [&b"\n"[..], b"\r\n", b"\n\n\0\r\n"] {
            decoder.feed(heart_beat);
            assert_eq!(held(&decoder), (0, 0), "before the call of next");
            expect_no_frame(&mut decoder);
        }
        decoder.feed(b"SEND\n\n");
        expect_no_frame(&mut decoder);
        assert_eq!(decoder.buffered(), 6);
        assert!(decoder.in_progress());
        decoder.feed(b"\0\n\r\n");
        next_frame(&mut decoder);
        assert_eq!(held(&decoder), (0, 0), "without another call of next");
        assert!(!decoder.in_progress());
        expect_no_frame(&mut decoder);
        decoder.feed(b"\r");
        expect_no_frame(&mut decoder);
        assert_eq!(decoder.buffered(), 1);
        decoder.feed(b"\n");
        expect_no_frame(&mut decoder);
        assert_eq!(held(&decoder), (0, 0));
    }

    #[test]
    fn content_length_reserves_no_memory_before_the_body_arrives() {
        let mut decoder = Decoder::new(Limits { frame_bytes_max: 1 << 30, ..LIMITS });
        decoder.feed(b"SEND\ncontent-length:1000000000\n\n");
        expect_no_frame(&mut decoder);
        assert!(decoder.buffer.capacity() < 1024, "{}", decoder.buffer.capacity());
    }

    #[test]
    fn decoder_repeats_its_error_and_holds_no_memory() {
        let mut decoder = fed(b"SEND\n\n\0FOO\n\n\0SEND\n\n\0");
        next_frame(&mut decoder);
        let error = decoder.next().expect_err("no command");
        for _ in 0..2 {
            decoder.feed(b"SEND\n\n\0");
            assert_eq!(decoder.next().expect_err("the same error"), error);
            assert_eq!((decoder.buffered(), decoder.buffer.capacity()), (0, 0));
        }
        assert_eq!(error.to_string(), "unknown command");
    }

    #[test]
    fn set_version_applies_to_frames_not_yet_returned() {
        let mut decoder = Decoder::new(LIMITS);
        decoder.feed(b"CONNECT\nlogin:\\x\n\n\0SEND\nx:\\x\n\n\0SEND\nx:\\c\n\n\0SEND\nx:\\r\n\n\0");
        assert_eq!(next_frame(&mut decoder).header("login").as_deref(), Some("\\x"));
        decoder.set_version(Version::V1_0);
        assert_eq!(next_frame(&mut decoder).header("x").as_deref(), Some("\\x"));
        decoder.set_version(Version::V1_1);
        assert_eq!(next_frame(&mut decoder).header("x").as_deref(), Some(":"));
        assert_eq!(decoder.next().expect_err("not in 1.1").summary, "undefined escape sequence");
    }

    #[test]
    fn escapes_default_to_those_of_1_2() {
        let mut decoder = Decoder::new(LIMITS);
        decoder.feed(b"ERROR\nmessage:\\r\n\n\0");
        assert_eq!(next_frame(&mut decoder).header("message").as_deref(), Some("\r"));
    }

    #[test]
    fn set_limits_applies_to_the_following_frames() {
        let mut decoder = Decoder::new(Limits { header_count_max: 1, ..LIMITS });
        decoder.feed(b"CONNECT\na:b\n\n\0SEND\na:b\nc:d\n\n\0SEND\na:b\nc:d\n\n\0");
        next_frame(&mut decoder);
        decoder.set_limits(LIMITS);
        next_frame(&mut decoder);
        decoder.set_limits(Limits { header_count_max: 1, ..LIMITS });
        let error = decoder.next().expect_err("two headers exceed the limit of one");
        assert_eq!(error.limit, Some("header-count-max"));
        assert!(error.detail.contains("more than 1 header"), "{}", error.detail);
    }

    #[test]
    fn set_limits_applies_to_a_frame_in_progress() {
        for at in 0..40 {
            let wire = b"SEND\ndestination:/a\nx:y\n\n0123456789012345\0";
            let mut decoder = decoder(Version::V1_2);
            decoder.feed(&wire[..at]);
            expect_no_frame(&mut decoder);
            decoder.set_limits(Limits {
                frame_bytes_max: 10,
                header_count_max: 0,
                header_bytes_max: 3,
                to_bytes_max: 0,
            });
            decoder.feed(&wire[at..]);
            assert!(decoder.next().expect_err("the frame exceeds a limit").limit.is_some(), "{at}");
        }
    }

    #[test]
    fn decoder_holds_less_than_one_frame() {
        let mut decoder = decoder(Version::V1_2);
        let wire = b"SEND\ndestination:/a\n\nsome body of some length\0".repeat(50);
        for piece in wire.chunks(7) {
            decoder.feed(piece);
            while decoder.next().expect("valid").is_some() {}
            assert!(decoder.buffered() < 46);
        }
    }

    #[test]
    fn error_carries_the_receipt_of_the_malformed_frame_if_readable() {
        let cases: [(Version, &[u8], Option<&str>); 8] = [
            (Version::V1_2, b"SEND\nreceipt:a\\cb\nreceipt:c\nx\n\n\0", Some("a:b")),
            (Version::V1_1, b"SEND\nreceipt:a\\rb\nx\n\n\0", None),
            (Version::V1_0, b"SEND\nreceipt: a\\cb\r\nx\n\n\0", Some("a\\cb")),
            (Version::V1_2, b"SEND\nx\nreceipt:1\n\n\0", Some("1")),
            (Version::V1_2, b"SEND\nx\n\nreceipt:1\n\0", None),
            (Version::V1_2, b"FOO\nreceipt:\n\n\0", Some("")),
            (Version::V1_2, b"receipt:1\n\n\0", None),
            (Version::V1_2, b"SEND\nreceipt:\xff\n\n\0", None),
        ];
        for (version, wire, expected) in cases {
            let (_, error) = decode_all(version, [wire].into_iter());
            assert_eq!(error.expect("an error").receipt.as_deref(), expected, "{}", wire.escape_ascii());
        }
    }

    const BODYLESS: [Command; 11] = [
        Command::Connect,
        Command::Stomp,
        Command::Subscribe,
        Command::Unsubscribe,
        Command::Ack,
        Command::Nack,
        Command::Begin,
        Command::Commit,
        Command::Abort,
        Command::Disconnect,
        Command::Receipt,
    ];

    /// Decodes `wire` whole and at every split, in every version, and checks that all results agree.
    fn decode_at_every_split(wire: &[u8]) -> (Vec<DecodedFrame>, Option<DecodeError>) {
        let whole = decode_all(Version::V1_2, [wire].into_iter());
        for version in Version::ALL {
            let seen = decode_all(version, [wire].into_iter());
            assert_eq!(seen.0, whole.0, "{version} {}", wire.escape_ascii());
            for at in 0..=wire.len() {
                let (one, two) = wire.split_at(at);
                assert_eq!(
                    decode_all(version, [one, two].into_iter()),
                    seen,
                    "{version} {}",
                    wire.escape_ascii()
                );
            }
            assert_eq!(decode_all(version, wire.chunks(1)), seen, "{version} {}", wire.escape_ascii());
        }
        whole
    }

    #[test]
    fn content_length_of_a_bodyless_command_is_ignored_if_the_body_is_empty() {
        for command in BODYLESS {
            for length in ["0", "1", "3", "2097152", "99999999999999999999", "x", "", "-1"] {
                let wire = format!("{command}\nid:1\ncontent-length:{length}\n\n\0\nSEND\n\nhi\0");
                let (frames, error) = decode_at_every_split(wire.as_bytes());
                assert_eq!(error, None, "{wire:?}");
                let commands: Vec<_> = frames.iter().map(|(command, ..)| *command).collect();
                assert_eq!(commands, [command, Command::Send], "{wire:?}");
                assert_eq!((&*frames[0].2, &*frames[1].2), (&b""[..], &b"hi"[..]), "{wire:?}");
            }
        }
    }

    #[test]
    fn body_of_a_bodyless_command_is_rejected_for_any_content_length() {
        for command in BODYLESS {
            for length in ["", "content-length:0\n", "content-length:3\n", "content-length:x\n"] {
                for (body, byte, found) in [
                    ("abc", 0, "0x61"),
                    ("\nabc", 1, "0x61"),
                    ("\r\0", 0, "0x0d"),
                    (" ", 0, "0x20"),
                    ("\n\rx", 1, "0x0d"),
                ] {
                    let head = format!("{command}\nid:1\n{length}\n");
                    let (frames, error) = decode_at_every_split(format!("{head}{body}\0").as_bytes());
                    let error = error.expect("a body is an error");
                    assert_eq!((frames.len(), error.summary), (0, "body not allowed"), "{head}{body}");
                    let position = format!("byte {} of the frame is {found}", head.len() + byte + 1);
                    assert!(error.detail.contains(&position), "{position}: {}", error.detail);
                }
            }
        }
    }

    #[test]
    fn line_ends_are_not_a_body_of_a_bodyless_command() {
        for command in BODYLESS {
            for length in ["", "content-length:0\n", "content-length:1\n", "content-length:2\n"] {
                for ends in ["\n", "\r\n", "\n\n\n", "\n\r\n\n"] {
                    let wire = format!("{command}\nid:1\n{length}\n{ends}\0{ends}SEND\n\n{ends}\0");
                    let (frames, error) = decode_at_every_split(wire.as_bytes());
                    assert_eq!(error, None, "{wire:?}");
                    assert_eq!((frames.len(), &*frames[0].2), (2, &b""[..]), "{wire:?}");
                    assert_eq!(frames[1].2, ends.as_bytes(), "the body of a SEND is unchanged");
                }
            }
        }
    }

    #[test]
    fn line_ends_without_a_nul_are_limited_by_frame_bytes_max() {
        let mut decoder = Decoder::new(Limits { frame_bytes_max: 100, ..LIMITS });
        decoder.feed(b"ACK\nid:1\n\n");
        for _ in 0..89 {
            decoder.feed(b"\n");
            expect_no_frame(&mut decoder);
        }
        decoder.feed(b"\n\n");
        assert_eq!(decoder.next().expect_err("too large").limit, Some("frame-bytes-max"));
    }

    #[test]
    fn bodyless_frame_may_end_with_nul_after_its_headers() {
        let headers = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        type Case<'a> = (&'a str, Command, &'a [(&'a str, &'a str)]);
        let cases: [Case<'_>; 7] = [
            ("DISCONNECT\n\0", Command::Disconnect, &[]),
            ("DISCONNECT\r\n\0", Command::Disconnect, &[]),
            ("DISCONNECT\nreceipt:1\n\0", Command::Disconnect, &[("receipt", "1")]),
            ("CONNECT\r\nlogin:a\r\n\0\n", Command::Connect, &[("login", "a")]),
            ("ACK\nid:1\ncontent-length:3\n\0", Command::Ack, &[("id", "1"), ("content-length", "3")]),
            ("SEND\ndestination:/a\n\0", Command::Send, &[("destination", "/a")]),
            ("SEND\nx:y\ncontent-length:0\n\0", Command::Send, &[("x", "y"), ("content-length", "0")]),
        ];
        for (wire, command, expected) in cases {
            let (frames, error) = decode_at_every_split(wire.as_bytes());
            assert_eq!((frames, error), (vec![(command, headers(expected), Vec::new())], None), "{wire:?}");
        }
    }

    #[test]
    fn nul_elsewhere_in_the_headers_is_an_incomplete_frame() {
        for wire in [
            "DISCONNECT\0",
            "DISCONNECT\r\0",
            "DISCONNECT\nreceipt:1\0",
            "DISCONNECT\n\r\0",
            "SEND\ndestination:/a\ncontent-length:2\n\0",
        ] {
            let (frames, error) = decode_at_every_split(wire.as_bytes());
            assert_eq!((frames.len(), error.expect("an error").summary), (0, "incomplete frame"), "{wire:?}");
        }
        assert_eq!(decode_at_every_split(b"FOO\n\0").1.expect("an error").summary, "unknown command");
    }

    #[test]
    fn error_never_shows_a_header_value() {
        let secret = "s3cret";
        for wire in [
            format!("CONNECT\nlogin:a\npasscode {secret}\n\n\0"),
            format!("CONNECT\npasscode:{secret}\rx\n\n\0"),
            format!("SEND\npasscode:{secret}\\q\n\n\0"),
            format!("CONNECT\npasscode:{}{secret}\n\n\0", "x".repeat(300)),
            format!("CONNECT\npasscode:{secret}\0"),
            format!("CONNECT\npasscode:{secret}\n\nbody\0"),
        ] {
            let (_, error) = decode_all(Version::V1_2, [wire.as_bytes()].into_iter());
            let error = error.expect("an error");
            assert!(!format!("{error:?}").contains(secret), "{error:?}");
        }
    }

    /// Returns a header name or value as the version can represent it, for the names and values of these tests.
    fn representable(version: Version, text: &str, is_name: bool) -> String {
        match version {
            Version::V1_2 => text.to_owned(),
            Version::V1_1 => text.replace('\r', " "),
            Version::V1_0 if is_name => text.replace(['\r', '\n'], " ").replace(':', "_"),
            Version::V1_0 => text.replace(['\r', '\n'], " ").trim_start_matches(' ').to_owned(),
        }
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding_at_every_split(
            version in prop::sample::select(&Version::ALL),
            command in prop::sample::select(&[Command::Send, Command::Message, Command::Error][..]),
            headers in prop::collection::vec(("[a-c:\\\\\r\n é]{1,4}", "[a-c:\\\\\r\n é]{0,8}"), 0..12),
            body in prop::collection::vec(any::<u8>(), 0..60),
            at in any::<prop::sample::Index>(),
        ) {
            let pairs: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let wire = encode::frame(command, version, &pairs, &body);
            let mut expected: Vec<(String, String)> = headers
                .iter()
                .map(|(name, value)| (representable(version, name, true), representable(version, value, false)))
                .collect();
            if !body.is_empty() {
                expected.push(("content-length".to_owned(), body.len().to_string()));
            }
            let (one, two) = wire.split_at(at.index(wire.len() + 1));
            let expected = (vec![(command, expected, body)], None);
            prop_assert_eq!(decode_all(version, [one, two].into_iter()), expected.clone());
            prop_assert_eq!(decode_all(version, wire.chunks(1)), expected);
        }

        #[test]
        fn arbitrary_input_decodes_equally_at_every_split(
            version in prop::sample::select(&Version::ALL),
            words in prop::collection::vec(prop::sample::select(&[
                "SEND\n", "ACK\r\n", "CONNECT\n", "x:y\n", "content-length:3\n", "content-length:x\n", "receipt:1\n",
                "DISCONNECT\n", "\n", "\r\n", "\r", "\0", "\n\0", "abc", "\\n", "\\q", ":", "a\\:b\n", "é", "receipt:\\c\r\n",
            ][..]), 0..16),
            at in any::<prop::sample::Index>(),
        ) {
            let wire = words.concat().into_bytes();
            let whole = decode_all(version, [&wire[..]].into_iter());
            let (one, two) = wire.split_at(at.index(wire.len() + 1));
            prop_assert_eq!(decode_all(version, [one, two].into_iter()), whole.clone());
            prop_assert_eq!(decode_all(version, wire.chunks(1)), whole);
        }
    }
}
