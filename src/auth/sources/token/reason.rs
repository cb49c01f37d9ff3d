//! Reasons for refusing a token.

/// Reason for refusing a token, for the log. The texts are fixed, so they cannot contain a part of the token.
pub(super) type Reason = &'static str;
