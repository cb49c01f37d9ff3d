//! The error of the decoder.

/// An error in a stream of frames. The stream is not valid STOMP, or it exceeds a limit. The error is fatal for the
/// connection (STOMP 1.2, section "ERROR").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{summary}")]
pub struct DecodeError {
    /// A short text for the header `message` of ERROR. It contains no colon, no backslash and no line end.
    pub summary: &'static str,
    /// The text for the body of ERROR. It says what was wrong, where, and what was expected.
    pub detail: String,
    /// The name of the option that sets the exceeded limit, such as `frame-bytes-max`. `None` if no limit was exceeded.
    pub limit: Option<&'static str>,
    /// The header `receipt` of the invalid frame. `None` if the frame has none or if it cannot be read.
    pub receipt: Option<String>,
}

impl DecodeError {
    /// Replaces the name of the option in `limit` and in `detail`. Call this if another option sets the limit, such as
    /// `connect-frame-bytes-max` before CONNECT.
    pub fn rename_limit(&mut self, option: &'static str) {
        if let Some(limit) = self.limit.replace(option) {
            self.detail = self.detail.replace(limit, option);
        }
    }
}
