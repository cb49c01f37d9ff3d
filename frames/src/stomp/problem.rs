//! Everything that can be wrong with the octets of a frame, and how it is told to the peer.

use super::{Command, DecodeError, Limits, Version};

/// Where something stands in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Header line, counted from 1.
    pub(super) line: usize,
    /// Octet of the frame, counted from 1.
    pub(super) octet: usize,
}

/// What is wrong. Input is never quoted here except through [`quote`], and header values never at all: they
/// may be secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    CommandTooLong { quoted: String },
    NulInCommand { quoted: String },
    UnknownCommand { quoted: String },
    FrameTooLarge,
    ContentTooLarge { quoted: String },
    TooManyHeaders,
    HeaderTooLong { place: Place },
    ToTooLong { place: Place },
    NulInHeaders { place: Place },
    NotUtf8 { place: Place },
    NoColon { place: Place },
    EmptyName { place: Place },
    CarriageReturn { place: Place },
    BadEscape { place: Place, version: Version, letter: Option<u8> },
    BadContentLength { quoted: String },
    BodyNotAllowed { command: Command, octet: usize, found: u8 },
    NulMissing { content_length: usize, octet: usize, found: u8 },
}

/// Octets of the input that an error shows at most.
const QUOTED_BYTES_MAX: usize = 32;

/// The first octets of `input`, made safe to show: no control characters, valid UTF-8, and not long.
pub(super) fn quote(input: &[u8]) -> String {
    let cut = &input[..input.len().min(QUOTED_BYTES_MAX)];
    let text = String::from_utf8_lossy(cut);
    let more = if cut.len() < input.len() { "…" } else { "" };
    format!("\"{}{more}\"", text.escape_debug())
}

/// A backslash and the octet behind it, if the line has one.
fn sequence(letter: Option<u8>) -> String {
    match letter {
        Some(letter) if letter.is_ascii_graphic() => format!("\\{}", char::from(letter)),
        Some(octet) => format!("a backslash before 0x{octet:02x}"),
        None => "a backslash with nothing behind it".to_owned(),
    }
}

impl Place {
    fn describe(self) -> String {
        format!("Header line {} (octet {} of the frame)", self.line, self.octet)
    }
}

impl Problem {
    /// The error to report, under `limits` as they were.
    pub(super) fn into_error(self, limits: &Limits, receipt: Option<String>) -> DecodeError {
        DecodeError { summary: self.summary(), detail: self.detail(limits), limit: self.limit(), receipt }
    }

    fn summary(&self) -> &'static str {
        match self {
            Problem::CommandTooLong { .. } => "command line too long",
            Problem::NulInCommand { .. } => "incomplete frame",
            Problem::UnknownCommand { .. } => "unknown command",
            Problem::FrameTooLarge | Problem::ContentTooLarge { .. } => "frame too large",
            Problem::TooManyHeaders => "too many headers",
            Problem::HeaderTooLong { .. } | Problem::ToTooLong { .. } => "header too long",
            Problem::NulInHeaders { .. } => "incomplete frame",
            Problem::NotUtf8 { .. } => "headers are not UTF-8",
            Problem::NoColon { .. } | Problem::EmptyName { .. } | Problem::CarriageReturn { .. } => {
                "malformed header"
            }
            Problem::BadEscape { .. } => "undefined escape sequence",
            Problem::BadContentLength { .. } => "malformed content-length",
            Problem::BodyNotAllowed { .. } => "body not allowed",
            Problem::NulMissing { .. } => "body not ended by NUL",
        }
    }

    fn limit(&self) -> Option<&'static str> {
        match self {
            Problem::FrameTooLarge | Problem::ContentTooLarge { .. } => Some("frame-bytes-max"),
            Problem::TooManyHeaders => Some("header-count-max"),
            Problem::HeaderTooLong { .. } => Some("header-bytes-max"),
            Problem::ToTooLong { .. } => Some("to-bytes-max"),
            _ => None,
        }
    }

    fn detail(&self, limits: &Limits) -> String {
        match self {
            Problem::CommandTooLong { quoted } => format!(
                "A command line of more than {} octets that begins with {quoted}; expected a STOMP command such as CONNECT or SEND, then a line end.",
                super::boundary::COMMAND_BYTES_MAX
            ),
            Problem::NulInCommand { quoted } => format!(
                "The frame ended in its first line, {quoted}; expected a command, a line end, headers, a blank line, then the body and NUL."
            ),
            Problem::UnknownCommand { quoted } => format!(
                "{quoted} is not a command; expected one of STOMP 1.0, 1.1 or 1.2, in capitals and followed by a line end."
            ),
            Problem::FrameTooLarge => format!(
                "The frame has more than {} octets from its command to its NUL (frame-bytes-max).",
                limits.frame_bytes_max
            ),
            Problem::ContentTooLarge { quoted } => format!(
                "With a content-length of {quoted} the frame would have more than {} octets from its command to its NUL (frame-bytes-max).",
                limits.frame_bytes_max
            ),
            Problem::TooManyHeaders => {
                format!(
                    "The frame has more than {} header lines (header-count-max).",
                    limits.header_count_max
                )
            }
            Problem::HeaderTooLong { place } => format!(
                "{} has more than {} octets (header-bytes-max).",
                place.describe(),
                limits.header_bytes_max
            ),
            Problem::ToTooLong { place } => {
                format!("{} has more than {} octets (to-bytes-max).", place.describe(), limits.to_bytes_max)
            }
            Problem::NulInHeaders { place } => format!(
                "{} contains NUL; expected a blank line between the headers and the body.",
                place.describe()
            ),
            Problem::NotUtf8 { place } => format!("{} is not valid UTF-8.", place.describe()),
            Problem::NoColon { place } => {
                format!(
                    "{} has no colon; expected name:value, or a blank line before the body.",
                    place.describe()
                )
            }
            Problem::EmptyName { place } => {
                format!("{} has nothing before its colon; expected name:value.", place.describe())
            }
            Problem::CarriageReturn { place } => format!(
                "{} contains a carriage return that no line feed follows; STOMP 1.2 writes it as \\r.",
                place.describe()
            ),
            Problem::BadEscape { place, version, letter } => format!(
                "{} contains {}, which is no escape sequence of STOMP {version}; expected {}.",
                place.describe(),
                sequence(*letter),
                if *version == Version::V1_1 { r"\\, \n or \c" } else { r"\\, \n, \c or \r" }
            ),
            Problem::BadContentLength { quoted } => {
                format!("The content-length is {quoted}; expected digits, the number of octets in the body.")
            }
            Problem::BodyNotAllowed { command, octet, found } => format!(
                "{command} came with a body: 0x{found:02x} stands behind its headers (octet {octet} of the frame). Expected a blank line and NUL; only SEND, MESSAGE and ERROR may have a body."
            ),
            Problem::NulMissing { content_length, octet, found } => format!(
                "The {content_length} octets that content-length announced are followed by 0x{found:02x} (octet {octet} of the frame); expected NUL."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_short_and_safe() {
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
        let place = Place { line: 1, octet: 1 };
        let quoted = String::new();
        let problems = [
            Problem::CommandTooLong { quoted: quoted.clone() },
            Problem::NulInCommand { quoted: quoted.clone() },
            Problem::UnknownCommand { quoted: quoted.clone() },
            Problem::FrameTooLarge,
            Problem::ContentTooLarge { quoted: quoted.clone() },
            Problem::TooManyHeaders,
            Problem::HeaderTooLong { place },
            Problem::ToTooLong { place },
            Problem::NulInHeaders { place },
            Problem::NotUtf8 { place },
            Problem::NoColon { place },
            Problem::EmptyName { place },
            Problem::CarriageReturn { place },
            Problem::BadEscape { place, version: Version::V1_1, letter: Some(b'r') },
            Problem::BadContentLength { quoted },
            Problem::BodyNotAllowed { command: Command::Ack, octet: 2, found: 3 },
            Problem::NulMissing { content_length: 1, octet: 2, found: 3 },
        ];
        let limits = Limits { frame_bytes_max: 1, header_count_max: 2, header_bytes_max: 3, to_bytes_max: 0 };
        for problem in problems {
            let error = problem.into_error(&limits, None);
            assert!(!error.summary.contains([':', '\\', '\n', '\r', '\0']), "{}", error.summary);
            assert!(error.summary.len() < 40, "{}", error.summary);
            assert!(error.detail.ends_with('.'), "{}", error.detail);
            if let Some(limit) = error.limit {
                assert!(error.detail.contains(limit), "{}", error.detail);
            }
        }
    }
}
