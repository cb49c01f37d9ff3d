//! A short response that consists of text, such as the response of a health check.

use hyper::StatusCode;

/// The content type of plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// A short response that consists of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextResponse {
    /// The status code of the response.
    pub status: StatusCode,
    /// The value of the header `content-type`.
    pub content_type: &'static str,
    /// The body of the response.
    pub body: String,
}

impl TextResponse {
    /// Creates a response of plain text.
    pub fn plain(status: StatusCode, body: &str) -> TextResponse {
        TextResponse { status, content_type: TEXT, body: body.to_owned() }
    }
}
