//! Ends the connection of a client that is too slow, with an ERROR.

use super::connection::Connection;
use super::wire::Wire;
use crate::session::{Closing, ErrorReply, Slowness};
use std::time::Instant;

impl<W: Wire> Connection<W> {
    /// Ends the output of a slow client with an ERROR after the frame in flight.
    pub(super) fn end_slow_consumer(&mut self, slowness: Slowness, now: Instant) {
        let option = slowness.option();
        self.context.metrics.limit_hit(option);
        let detail = match slowness {
            Slowness::Overflow => format!(
                "More than {} bytes waited for this client, which is the most that {option} allows, and what had not \
                 been sent was dropped. Read faster, subscribe to less, or raise {option}.",
                self.context.outbound_queue.outbound_queue_bytes_max
            ),
            Slowness::Stalled => format!(
                "This client took nothing for {:?} although {} bytes and more waited for it: the limit {option} was \
                 met, and what had not been sent was dropped. Read without such pauses, or raise {option}.",
                self.context.options.stall_timeout,
                self.out.pending()
            ),
            Slowness::Unsettled(key) => self.session.too_many_unsettled(key),
            Slowness::UnsettledBytes => format!(
                "{} deliveries to this session wait for an ACK or NACK of this client. They take {} bytes, and {option} \
                 allows {}. What had not been sent was dropped. Acknowledge messages as they are handled, subscribe with \
                 ack:auto, or raise {option}.",
                self.session.unsettled(),
                self.session.held_bytes(),
                self.context.session.subscription_bytes_max
            ),
            Slowness::UnsettledMemory => format!(
                "{} broadcast messages wait for an ACK or NACK of this client, and the broker holds {} bytes \
                 for all its clients, which is nearly as much as {option} allows. What had not been sent was dropped. \
                 Acknowledge messages as they are handled, subscribe with ack:auto, or raise {option}.",
                self.session.unsettled_broadcasts(),
                self.context.budget.used()
            ),
        };
        self.cut_output(now);
        let reject = ErrorReply { summary: "slow consumer", detail: &detail };
        self.end_with(reject, Closing::SlowConsumer(slowness), now);
    }
}
