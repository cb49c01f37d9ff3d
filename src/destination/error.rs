//! The rejection of a text that is not a destination.

use crate::rejection::{Code, Rejection};

/// The summary of all rejections of destinations.
pub(super) const SUMMARY: &str = "invalid destination";

/// Returns the rejection of a text that breaks the grammar.
pub(super) fn invalid(detail: String) -> Rejection {
    Rejection::new(Code::Invalid, SUMMARY, detail)
}
