//! A counter of the work that a thread does for connections.
//!
//! A frame can cost far more than its length suggests. An UNSUBSCRIBE requeues messages, and a SEND is matched against
//! wildcard subscriptions. The code that does such work reports it here with [`add`]. The connection task reads the
//! counter before and after each step. It ends its poll when its poll budget is used up ([`crate::connection`]).
//!
//! Each thread has one counter. Code in `drop` can therefore report work, and functions need no parameter for the
//! counter.
//!
//! One unit is about 100 ns of one core. Reports are estimates. They may be inexact, but all work must be reported.

use std::cell::Cell;

thread_local! {
    static DONE: Cell<u64> = const { Cell::new(0) };
}

/// Cost of handling one frame, without the work that the frame causes in the broker.
pub const FRAME: usize = 6;
/// Number of bytes that can be read, parsed, copied or written for one unit.
pub const BYTES_PER_UNIT: usize = 512;
/// Cost of one system call that reads or writes.
pub const SYSTEM_CALL: usize = 20;
/// Cost of turning one delivery into a frame.
pub const DELIVERY: usize = 2;
/// Cost of delivering one message of a work queue to a consumer, or of requeuing it.
pub const QUEUE_MESSAGE: usize = 3;
/// Cost of creating or removing a subscription.
pub const SUBSCRIPTION: usize = 8;
/// Cost of authenticating a client: verifying the signature of a token, or forwarding a login. Other tasks and threads
/// do this work. It is reported for the connection, to slow down a client that authenticates again and again.
pub const AUTHENTICATION: usize = 1000;
/// Number of bytes of JSON that can be parsed for one unit.
pub const JSON_BYTES_PER_UNIT: usize = 64;
/// Number of small records that can be visited for one unit. Nodes of a trie and entries of a list are such records.
pub const VISITS_PER_UNIT: usize = 8;

/// Reports `units` of work done by this thread.
pub fn add(units: usize) {
    DONE.with(|done| done.set(done.get().wrapping_add(units as u64)));
}

/// Reports visits of small records.
pub fn add_visits(visits: usize) {
    add(visits.div_ceil(VISITS_PER_UNIT));
}

/// Reports bytes that were read, parsed, copied or written.
pub fn add_bytes(bytes: usize) {
    add(bytes / BYTES_PER_UNIT);
}

/// Returns the units that this thread has reported so far. Only the difference of two results is meaningful.
pub fn done() -> u64 {
    DONE.with(Cell::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_per_thread() {
        let before = done();
        add(3);
        add_visits(VISITS_PER_UNIT + 1);
        add_bytes(2 * BYTES_PER_UNIT);
        assert_eq!(done() - before, 3 + 2 + 2);
        let elsewhere = std::thread::spawn(|| {
            let before = done();
            add(5);
            done() - before
        });
        assert_eq!(elsewhere.join().expect("the thread does not panic"), 5);
        assert_eq!(done() - before, 7);
    }
}
