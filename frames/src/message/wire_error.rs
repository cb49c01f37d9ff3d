//! The error of rebuilding a message from its encoded form.

use std::fmt;

/// Bytes are not the encoded form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte offset {offset} of the encoded message: {kind}")]
pub struct WireError {
    /// The offset in bytes, counted from 0, of the byte that is wrong, of the line that is wrong, or of the missing
    /// part.
    pub offset: usize,
    /// What is wrong.
    pub kind: WireErrorKind,
}

/// What is wrong with the encoded form of a message. The texts contain no header values, because these may be secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireErrorKind {
    /// A header line has no line end: the bytes end, or 4 GiB are exceeded, before the blank line.
    LineEndMissing,
    /// A header line contains NUL.
    NulInHeaders,
    /// A header line has no colon.
    ColonMissing,
    /// A header line has no name before its colon.
    NameMissing,
    /// A header line is not valid UTF-8.
    NotUtf8,
    /// A header line contains this byte, a colon or carriage return, without an escape.
    NotEscaped(u8),
    /// A backslash does not begin an escape sequence of STOMP 1.2.
    UndefinedEscape,
    /// Another line, or the blank line, is in the place of this header.
    HeaderMissing(&'static str),
    /// A line has the name of a header in [`RESERVED`](super::RESERVED) that must not be at this place. The name may be
    /// in any case.
    ReservedHeader,
    /// This header of the broker occurs a second time.
    HeaderRepeated(&'static str),
    /// The value of `content-length` is not a number as the encoder writes it.
    BadContentLength,
    /// Another line follows `content-length`.
    BlankLineMissing,
    /// The bytes end before the end of the body.
    BodyTooShort {
        /// The number of bytes that `content-length` announces.
        content_length: usize,
    },
    /// NUL and LF do not follow the body.
    EndMissing {
        /// The number of bytes that `content-length` announces.
        content_length: usize,
    },
    /// More bytes follow the NUL and LF after the body.
    TrailingBytes,
}

impl fmt::Display for WireErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireErrorKind::LineEndMissing => {
                f.write_str("the headers are incomplete; expected header lines that end in LF, and a blank line")
            }
            WireErrorKind::NulInHeaders => f.write_str("a header contains NUL; expected a blank line first"),
            WireErrorKind::ColonMissing => f.write_str("the header line has no colon; expected name:value"),
            WireErrorKind::NameMissing => {
                f.write_str("the header line has no name before its colon; expected name:value")
            }
            WireErrorKind::NotUtf8 => f.write_str("the header line is not valid UTF-8"),
            WireErrorKind::NotEscaped(byte) => {
                write!(f, "a header contains 0x{byte:02x}; expected its escape sequence of STOMP 1.2")
            }
            WireErrorKind::UndefinedEscape => {
                f.write_str(r"the backslash begins no escape sequence of STOMP 1.2; expected \\, \n, \c or \r")
            }
            WireErrorKind::HeaderMissing(name) => {
                write!(f, "the header {name} is missing; expected it in this line")
            }
            WireErrorKind::ReservedHeader => f.write_str(
                "the header has a reserved name that the broker does not write here; expected a name of the sender",
            ),
            WireErrorKind::HeaderRepeated(name) => {
                write!(f, "the header {name} is repeated; expected it at most once")
            }
            WireErrorKind::BadContentLength => f.write_str(
                "the content-length is malformed; expected the number of bytes in the body, in decimal digits without leading zeros",
            ),
            WireErrorKind::BlankLineMissing => {
                f.write_str("content-length is not the last header; expected a blank line after it")
            }
            WireErrorKind::BodyTooShort { content_length } => {
                write!(f, "the body is incomplete; expected {content_length} bytes, as content-length announces")
            }
            WireErrorKind::EndMissing { content_length } => write!(
                f,
                "the body does not end here; expected NUL and LF after {content_length} bytes, as content-length announces"
            ),
            WireErrorKind::TrailingBytes => {
                f.write_str("bytes follow the message; expected NUL and LF as its last bytes")
            }
        }
    }
}
