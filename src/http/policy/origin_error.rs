//! The rejection of a request by the host policy or the origin policy.

use std::fmt;

/// Maximum length of [`OriginError::cause`] in bytes.
pub(super) const CAUSE_BYTES_MAX: usize = 200;

/// The rejection of a request. Its `Display` text, one sentence without a line end, is the body of the response with
/// status 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginError {
    /// The rejected value for the log, such as `origin https://evil.example`. It is at most 200 bytes of ASCII, and
    /// contains neither line ends nor characters of HTML markup.
    pub cause: String,
    /// The option that the operator can change to allow such requests.
    pub option: &'static str,
}

impl OriginError {
    /// Creates a rejection. `cause` is a text of the broker. `value` comes from the client, and is escaped and
    /// shortened.
    pub(crate) fn new(cause: &str, value: &[u8], option: &'static str) -> OriginError {
        const ELLIPSIS: &str = "...";
        let mut cause = cause.to_owned();
        for &byte in value {
            let before = cause.len();
            match byte {
                b'<' | b'>' | b'&' | b'"' | b'\'' | b'\\' => cause.push_str(&format!("\\x{byte:02x}")),
                b' '..=b'~' => cause.push(char::from(byte)),
                _ => cause.push_str(&format!("\\x{byte:02x}")),
            }
            if cause.len() > CAUSE_BYTES_MAX - ELLIPSIS.len() {
                cause.truncate(before);
                cause.push_str(ELLIPSIS);
                break;
            }
        }
        OriginError { cause, option }
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The broker rejected the request ({}), because its option {} does not allow it.",
            self.cause, self.option
        )
    }
}
