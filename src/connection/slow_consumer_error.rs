//! The ERROR for a slow consumer, and the end of its connection.
//!
//! This module does not decide whether a client is a slow consumer. The following places decide, and then call
//! `end_slow_consumer`:
//!
//! | reason | place |
//! |---|---|
//! | Too many bytes wait for the client. | [`crate::outbound_queue`] |
//! | The client does not read data that waits for it. | `stalls_at` in `connection::state::io` |
//! | Too many deliveries are unsettled. | `receive` in [`crate::connection::outbound`] |

use super::state::Connection;
use crate::session::{Closing, ErrorReply, Slowness};
use crate::wire::Wire;
use std::time::Instant;

impl<W: Wire> Connection<W> {
    /// Drops the output of a slow consumer, except the frame in flight, and closes the connection with an ERROR.
    pub(super) fn end_slow_consumer(&mut self, slowness: Slowness, now: Instant) {
        let option = slowness.limit();
        self.context.metrics.limit_hit(option);
        let detail = match slowness {
            Slowness::Overflow => format!(
                "More than {} bytes waited for this client ({option}). The broker dropped unsent messages. Read \
                 faster, subscribe to fewer destinations, or raise {option}.",
                self.context.outbound_queue.outbound_queue_bytes_max
            ),
            Slowness::Stalled => format!(
                "This client read nothing for {:?} ({option}). At least {} bytes waited for it. The broker dropped \
                 unsent messages. Read without long pauses, or raise {option}.",
                self.context.options.stall_timeout,
                self.io.out.pending()
            ),
            Slowness::Unsettled(key) => self.session.too_many_unsettled(key),
            Slowness::UnsettledBytes => format!(
                "{} deliveries to this session wait for an ACK or NACK. They use {} bytes, and {option} allows {}. \
                 The broker dropped unsent messages. Acknowledge messages as they are handled, subscribe with \
                 ack:auto, or raise {option}.",
                self.session.unsettled(),
                self.session.held_bytes(),
                self.context.session.subscription_bytes_max
            ),
            Slowness::UnsettledMemory => format!(
                "{} broadcast messages wait for an ACK or NACK. The memory of the broker is nearly full: it uses {} \
                 bytes ({option}). The broker dropped unsent messages. Acknowledge messages as they are handled, \
                 subscribe with ack:auto, or raise {option}.",
                self.session.unsettled_broadcasts(),
                self.context.budget.used()
            ),
        };
        self.cut_output(now);
        let reply = ErrorReply { summary: "slow consumer", detail: &detail };
        self.end_with(reply, Closing::SlowConsumer(slowness), now);
    }
}
