//! The reason for rejecting a token.

/// The reason for rejecting a token, for the log. The texts are constants, so they cannot contain a part of the token.
pub(super) type RejectReason = &'static str;
