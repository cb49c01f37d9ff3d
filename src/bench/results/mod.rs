//! The results of a measurement: statistics, the report and its table.

pub(super) mod delivery_stats;
pub(super) mod number;
pub(super) mod report;
pub(super) mod table;
