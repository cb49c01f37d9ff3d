//! The error of the decoder.

use super::limits::FrameLimit;

/// An error in a stream of frames. The stream is not valid STOMP, or it exceeds a limit. The error is fatal for the
/// connection (STOMP 1.2, section "ERROR").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{summary}")]
pub struct DecodeError {
    /// A short text for the header `message` of ERROR. It contains no colon, no backslash and no line end.
    pub summary: &'static str,
    /// The text for the body of ERROR. It says what was wrong, where, and what was expected.
    pub detail: String,
    /// The exceeded limit. `None` if no limit was exceeded.
    pub limit: Option<FrameLimit>,
    /// The header `receipt` of the invalid frame. `None` if the frame has none or if it cannot be read.
    pub receipt: Option<String>,
}
