//! Closes the connections of clients that speak the wrong protocol for their port.

use super::state::Connection;
use crate::session::{Closing, ErrorReply};
use crate::wire::Wire;
use crate::wire::first_bytes::NotStomp;
use crate::wire::protocol::{Port, Protocol};
use std::time::Instant;

impl<W: Wire> Connection<W> {
    /// Ends a connection whose first bytes are not STOMP. Sends the reason to the client.
    pub(super) fn reject_first_bytes(&mut self, found: NotStomp, now: Instant) {
        match found {
            NotStomp::Foreign(protocol) => {
                self.context.wrong_protocols.log(protocol, Port::Stomp, self.peer.address);
                self.io.out.copy(&protocol.answer(Port::Stomp, self.context.options.trailing_lf));
                self.io.out.end_frame(None);
                self.begin_ending(Closing::WrongProtocol, now);
            }
            NotStomp::Other => {
                let detail = format!(
                    "The connection began with \"{}\", which is not a STOMP frame. The first frame must be CONNECT: a \
                     line with CONNECT in capitals, then headers, a blank line and a NUL byte. Use a client for STOMP \
                     1.0, 1.1 or 1.2.",
                    self.io.first_bytes.display()
                );
                let reply = ErrorReply { summary: "not STOMP", detail: &detail };
                if !self.io.wire.is_raw_stream() {
                    return self.end_with(reply, Closing::Rejected, now);
                }
                self.context.wrong_protocols.log(Protocol::Unknown, Port::Stomp, self.peer.address);
                self.end_with(reply, Closing::WrongProtocol, now);
            }
        }
    }
}
