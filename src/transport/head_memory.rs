//! The memory for the heads of HTTP requests, which hyper keeps in a buffer of each connection.
//!
//! The buffer grows with the data that arrives, and does not shrink until the connection closes or is upgraded. Once it
//! has held more than [`SMALL_BYTES_MAX`] bytes, it is charged at its maximum size. A request with such a large head is
//! refused if there is no memory for it. Smaller heads are part of the fixed cost of a connection, so that clients with
//! ordinary heads are always served.

use super::full::InputRefusals;
use crate::budget::{Budget, Charge};
use crate::metrics::Metrics;
use std::net::IpAddr;
use std::sync::Arc;

/// Maximum size of hyper's buffer for the head of a request.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Maximum size of a head that is not charged.
pub(super) const SMALL_BYTES_MAX: usize = 4 * 1024;
/// The memory for heads is the byte budget divided by this.
const HEADS_PART: usize = 8;
const MEMORY: &str = "memory-bytes-max";

/// The memory for the heads of HTTP requests of all connections.
#[derive(Debug)]
pub struct HeadMemory {
    share: Arc<Budget>,
    metrics: Arc<Metrics>,
    refusals: InputRefusals,
}

impl HeadMemory {
    /// Creates the share of heads in `budget`.
    pub fn new(budget: &Arc<Budget>, metrics: Arc<Metrics>) -> Arc<HeadMemory> {
        let share = budget.share_of(HEADS_PART);
        Arc::new(HeadMemory { share, metrics, refusals: InputRefusals::default() })
    }

    /// Charges a buffer that holds up to `bytes` bytes. Returns `None` if there is no memory for it.
    pub(super) fn charge(&self, bytes: usize) -> Option<Charge> {
        let mut charge = self.share.charge(0);
        charge.try_grow(bytes).then_some(charge)
    }

    /// Records in the metrics and in the log that a request of the client at `address` is refused.
    pub(super) fn refused(&self, address: IpAddr) {
        self.metrics.limit_hit(MEMORY);
        self.refusals.log(MEMORY, address);
    }

    /// Returns the response to a request whose head does not fit.
    pub(super) fn refusal(&self) -> String {
        let body = format!(
            "The heads of the requests of all clients may hold {} bytes (a part of {MEMORY}), and there is no room for \
             this one. Send at most {SMALL_BYTES_MAX} bytes of headers, come back later, or raise {MEMORY}.\n",
            self.share.bytes_max()
        );
        format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=UTF-8\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
    }
}
