//! All errors in the bytes of a frame, and their texts for the client.

use super::command::Command;
use super::decode_error::DecodeError;
use super::limits::{COMMAND_BYTES_MAX, FrameLimit, Limits};
use super::version::Version;
use std::fmt;

/// A position in the header lines of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FramePosition {
    /// Number of the header line, counted from 1.
    pub(super) line: usize,
    /// Number of a byte in the frame, counted from 1. This is the invalid byte, or the first byte of the line.
    pub(super) byte: usize,
}

/// An error in a frame. It contains input only in the form that [`quote`] returns. Header values may be secrets. The
/// only header value in an error is that of `content-length`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FrameError {
    CommandTooLong { quoted: String },
    NulInCommand { quoted: String },
    UnknownCommand { quoted: String },
    FrameTooLarge,
    ContentTooLarge { quoted: String },
    TooManyHeaders,
    HeaderTooLong { position: FramePosition },
    ToTooLong { position: FramePosition },
    NulInHeaders { position: FramePosition },
    NotUtf8 { position: FramePosition },
    NoColon { position: FramePosition },
    EmptyName { position: FramePosition },
    CarriageReturn { position: FramePosition },
    BadEscape { position: FramePosition, version: Version, letter: Option<u8> },
    BadContentLength { quoted: String },
    BodyNotAllowed { command: Command, byte: usize, found: u8 },
    NulMissing { content_length: usize, byte: usize, found: u8 },
}

/// Maximum number of input bytes that an error shows.
const QUOTED_BYTES_MAX: usize = 32;

/// Quotes at most [`QUOTED_BYTES_MAX`] bytes of `input` for an error text. The result is valid UTF-8 without control
/// characters.
pub(super) fn quote(input: &[u8]) -> String {
    let cut = &input[..input.len().min(QUOTED_BYTES_MAX)];
    let text = String::from_utf8_lossy(cut);
    let more = if cut.len() < input.len() { "…" } else { "" };
    format!("\"{}{more}\"", text.escape_debug())
}

/// Describes a backslash and the byte after it. `letter` is `None` if the line ends after the backslash.
fn sequence(letter: Option<u8>) -> String {
    match letter {
        Some(letter) if letter.is_ascii_graphic() => format!("\\{}", char::from(letter)),
        Some(byte) => format!("a backslash before 0x{byte:02x}"),
        None => "a backslash with nothing after it".to_owned(),
    }
}

impl fmt::Display for FramePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header line {} (byte {} of the frame)", self.line, self.byte)
    }
}

impl FrameError {
    /// Converts the error to the public type. `limits` are the limits in effect when the error was found.
    pub(super) fn into_error(self, limits: &Limits, receipt: Option<String>) -> DecodeError {
        DecodeError { summary: self.summary(), detail: self.detail(limits), limit: self.limit(), receipt }
    }

    fn summary(&self) -> &'static str {
        match self {
            FrameError::CommandTooLong { .. } => "command line too long",
            FrameError::NulInCommand { .. } => "incomplete frame",
            FrameError::UnknownCommand { .. } => "unknown command",
            FrameError::FrameTooLarge | FrameError::ContentTooLarge { .. } => "frame too large",
            FrameError::TooManyHeaders => "too many headers",
            FrameError::HeaderTooLong { .. } | FrameError::ToTooLong { .. } => "header too long",
            FrameError::NulInHeaders { .. } => "incomplete frame",
            FrameError::NotUtf8 { .. } => "headers are not UTF-8",
            FrameError::NoColon { .. } | FrameError::EmptyName { .. } | FrameError::CarriageReturn { .. } => {
                "malformed header"
            }
            FrameError::BadEscape { .. } => "undefined escape sequence",
            FrameError::BadContentLength { .. } => "malformed content-length",
            FrameError::BodyNotAllowed { .. } => "body not allowed",
            FrameError::NulMissing { .. } => "body not ended by NUL",
        }
    }

    fn limit(&self) -> Option<FrameLimit> {
        match self {
            FrameError::FrameTooLarge | FrameError::ContentTooLarge { .. } => Some(FrameLimit::FrameBytes),
            FrameError::TooManyHeaders => Some(FrameLimit::HeaderCount),
            FrameError::HeaderTooLong { .. } => Some(FrameLimit::HeaderBytes),
            FrameError::ToTooLong { .. } => Some(FrameLimit::ToBytes),
            _ => None,
        }
    }

    fn detail(&self, limits: &Limits) -> String {
        let Limits { frame_bytes_max, header_count_max, header_bytes_max, to_bytes_max } = limits;
        match self {
            FrameError::CommandTooLong { quoted } => format!(
                "The command line has more than {COMMAND_BYTES_MAX} bytes and begins with {quoted}; expected a STOMP command such as CONNECT or SEND, followed by a line end."
            ),
            FrameError::NulInCommand { quoted } => format!(
                "The command line {quoted} contains NUL, which ends the frame; expected a command, a line end, headers, a blank line, the body and NUL."
            ),
            FrameError::UnknownCommand { quoted } => format!(
                "{quoted} is not a command; expected a command of STOMP 1.0, 1.1 or 1.2 in capital letters, followed by a line end."
            ),
            FrameError::FrameTooLarge => {
                format!("The frame has more than {frame_bytes_max} bytes from its command to its NUL.")
            }
            FrameError::ContentTooLarge { quoted } => format!(
                "With the content-length {quoted} the frame has more than {frame_bytes_max} bytes from its command to its NUL."
            ),
            FrameError::TooManyHeaders => format!("The frame has more than {header_count_max} header lines."),
            FrameError::HeaderTooLong { position } => {
                format!("{position} has more than {header_bytes_max} bytes.")
            }
            FrameError::ToTooLong { position } => format!("{position} has more than {to_bytes_max} bytes."),
            FrameError::NulInHeaders { position } => {
                format!("{position} contains NUL; expected a blank line between the headers and the body.")
            }
            FrameError::NotUtf8 { position } => format!("{position} is not valid UTF-8."),
            FrameError::NoColon { position } => {
                format!("{position} has no colon; expected name:value, or a blank line before the body.")
            }
            FrameError::EmptyName { position } => {
                format!("{position} has no name before its colon; expected name:value.")
            }
            FrameError::CarriageReturn { position } => format!(
                "{position} contains a carriage return without a line feed after it; expected the escape sequence \\r of STOMP 1.2."
            ),
            FrameError::BadEscape { position, version, letter } => format!(
                "{position} contains {}, which is not an escape sequence of STOMP {version}; expected {}.",
                sequence(*letter),
                if *version == Version::V1_1 { r"\\, \n or \c" } else { r"\\, \n, \c or \r" }
            ),
            FrameError::BadContentLength { quoted } => format!(
                "The content-length is {quoted}; expected the number of bytes in the body, in decimal digits."
            ),
            FrameError::BodyNotAllowed { command, byte, found } => format!(
                "{command} has a body: byte {byte} of the frame is 0x{found:02x}; expected NUL after the headers and a blank line. Only SEND, MESSAGE and ERROR may have a body."
            ),
            FrameError::NulMissing { content_length, byte, found } => format!(
                "The body has more bytes than content-length {content_length} announces: byte {byte} of the frame is 0x{found:02x}; expected NUL."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_input_is_short_and_escaped() {
        let cases: [(&[u8], &str); 5] = [
            (b"HELLO", "\"HELLO\""),
            (b"", "\"\""),
            (b"a\"\\\0\x1b\n", r#""a\"\\\0\u{1b}\n""#),
            (b"\xff\xfe", "\"\u{fffd}\u{fffd}\""),
            (&[b'x'; 33], "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\""),
        ];
        for (input, expected) in cases {
            assert_eq!(quote(input), expected);
        }
    }

    #[test]
    fn summaries_fit_into_a_header_of_every_version() {
        let position = FramePosition { line: 1, byte: 1 };
        let quoted = String::new();
        let errors = [
            FrameError::CommandTooLong { quoted: quoted.clone() },
            FrameError::NulInCommand { quoted: quoted.clone() },
            FrameError::UnknownCommand { quoted: quoted.clone() },
            FrameError::FrameTooLarge,
            FrameError::ContentTooLarge { quoted: quoted.clone() },
            FrameError::TooManyHeaders,
            FrameError::HeaderTooLong { position },
            FrameError::ToTooLong { position },
            FrameError::NulInHeaders { position },
            FrameError::NotUtf8 { position },
            FrameError::NoColon { position },
            FrameError::EmptyName { position },
            FrameError::CarriageReturn { position },
            FrameError::BadEscape { position, version: Version::V1_1, letter: Some(b'r') },
            FrameError::BadContentLength { quoted },
            FrameError::BodyNotAllowed { command: Command::Ack, byte: 2, found: 3 },
            FrameError::NulMissing { content_length: 1, byte: 2, found: 3 },
        ];
        let limits = Limits { frame_bytes_max: 1, header_count_max: 2, header_bytes_max: 3, to_bytes_max: 0 };
        for error in errors {
            let error = error.into_error(&limits, None);
            assert!(!error.summary.contains([':', '\\', '\n', '\r', '\0']), "{}", error.summary);
            assert!(error.summary.len() < 40, "{}", error.summary);
            assert!(error.detail.ends_with('.'), "{}", error.detail);
        }
    }
}
