//! How a client that is too slow is told so.

use super::drive::Connection;
use super::wire::Wire;
use crate::outbox::Key;
use crate::session::{Closing, Reject};
use std::time::Instant;

/// In what a client is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slowness {
    /// Its outbox overflowed (`outbox-bytes-max`).
    Overflow,
    /// It took nothing for `stall-timeout` although something waited for it.
    Stalled,
    /// It did not acknowledge what this subscription delivered (`unsettled-max`).
    Unsettled(Key),
    /// It did not acknowledge what all of its subscriptions delivered (`subscription-bytes-max`).
    UnsettledBytes,
}

impl Slowness {
    /// The option of the limit that was met.
    fn option(self) -> &'static str {
        match self {
            Slowness::Overflow => "outbox-bytes-max",
            Slowness::Stalled => "stall-timeout",
            Slowness::Unsettled(_) => "unsettled-max",
            Slowness::UnsettledBytes => "subscription-bytes-max",
        }
    }
}

impl<W: Wire> Connection<W> {
    /// Tells a client that it is too slow: ERROR behind the frame in flight, nothing else.
    pub(super) fn end_slow_consumer(&mut self, slowness: Slowness, now: Instant) {
        let option = slowness.option();
        self.hub.metrics.limit_hit(option);
        let detail = match slowness {
            Slowness::Overflow => format!(
                "More than {} bytes waited for this client, which is the most that {option} allows, and what had not \
                 been sent was dropped. Read faster, subscribe to less, or raise {option}.",
                self.hub.outbox.outbox_bytes_max
            ),
            Slowness::Stalled => format!(
                "This client took nothing for {:?} although {} bytes and more waited for it: the limit {option} was \
                 met, and what had not been sent was dropped. Read without such pauses, or raise {option}.",
                self.hub.options.stall_timeout,
                self.out.pending()
            ),
            Slowness::Unsettled(key) => self.session.too_many_unsettled(key),
            Slowness::UnsettledBytes => format!(
                "The deliveries to this session that wait for ACK or NACK take {} bytes, and {option} allows {}. \
                 Acknowledge what you receive, subscribe with ack:auto, or raise {option}.",
                self.session.held_bytes(),
                self.hub.session.subscription_bytes_max
            ),
        };
        self.drop_unsent(now);
        let reject = Reject { summary: "slow consumer", detail: &detail };
        self.end_with(reject, Closing::SlowConsumer(option), now);
    }
}
