//! The public error of decoding.

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
    /// Replaces the option's name in `limit` and in the text. Used where another option sets the limit, such as
    /// `connect-frame-bytes-max` before CONNECT.
    pub fn rename_limit(&mut self, option: &'static str) {
        if let Some(limit) = self.limit.replace(option) {
            self.detail = self.detail.replace(limit, option);
        }
    }
}
