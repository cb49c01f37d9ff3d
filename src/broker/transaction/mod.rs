//! Transactions: several steps of a client that are applied all or none.

pub(super) mod commit;
mod estimate;
pub(super) mod step;
