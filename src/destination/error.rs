//! The error of parsing a destination.

/// The error of a text that is not a destination. `Display` returns one or two sentences for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DestinationError {
    /// What was wrong and what was expected.
    pub detail: String,
    /// The option whose limit was exceeded, if any.
    pub limit: Option<&'static str>,
}

/// Creates the error of a text that breaks the grammar.
pub(super) fn invalid(detail: String) -> DestinationError {
    DestinationError { detail, limit: None }
}
