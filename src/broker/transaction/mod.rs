//! Transactions: steps of a client that are applied all together or not at all.

pub(super) mod commit;
mod estimate;
pub(super) mod step;
pub(super) mod stepwise_commit;
