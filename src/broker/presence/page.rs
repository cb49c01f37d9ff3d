//! The size of a page of names.

/// Maximum number of names in one message.
pub(super) const PAGE: usize = 1_000;
