//! A small response that consists of text.

use hyper::StatusCode;

/// The content type of plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// A response that consists of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status code of the response.
    pub status: StatusCode,
    /// The value of the header `content-type`.
    pub content_type: &'static str,
    /// The body of the response.
    pub body: String,
}

impl Page {
    /// Creates a page of plain text.
    pub fn text(status: StatusCode, body: &str) -> Page {
        Page { status, content_type: TEXT, body: body.to_owned() }
    }
}
