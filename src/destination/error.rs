//! The error of parsing a destination.

/// The error of a text that is not a destination. `Display` shows the detail, for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DestinationError {
    /// What was wrong, what was expected, and what to do.
    pub detail: String,
    /// The option that sets the exceeded limit. `None` if no limit was exceeded.
    pub limit: Option<&'static str>,
}

/// Creates the error of a text that breaks the grammar.
pub(super) fn invalid(detail: String) -> DestinationError {
    DestinationError { detail, limit: None }
}
