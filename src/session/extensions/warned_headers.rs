//! A set of headers, for one warning per header and connection.

use super::table::TABLE;

/// The headers for which this connection has logged a warning: one bit for each row of the table.
#[derive(Debug, Default)]
pub(in crate::session) struct WarnedHeaders(u128);

const _: () = assert!(TABLE.len() <= 128, "WarnedHeaders has one bit for each row");

impl WarnedHeaders {
    /// Records the row. Returns whether it was recorded for the first time.
    pub(super) fn insert(&mut self, row: usize) -> bool {
        let first = self.0 >> row & 1 == 0;
        self.0 |= 1 << row;
        first
    }
}
