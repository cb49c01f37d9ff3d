//! The error of a message that the program could not publish.

/// The error of a message that was not published. Its `Display` text says what was wrong and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PublishError(pub(super) String);
