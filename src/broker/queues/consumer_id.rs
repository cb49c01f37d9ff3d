//! The identity of a consumer within its queue.

/// The id of a consumer within its queue. An id is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConsumerId(pub(crate) u64);
