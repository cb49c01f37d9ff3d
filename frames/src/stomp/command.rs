//! The first line of a frame.

/// A command of STOMP 1.0, 1.1 or 1.2, of client or server. Case-sensitive on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Command {
    Connect, Stomp, Send, Subscribe, Unsubscribe, Ack, Nack, Begin, Commit, Abort, Disconnect,
    Connected, Message, Receipt, Error,
}
impl Command {
    /// The command as it stands on the wire.
    pub fn as_str(self) -> &'static str { unimplemented!() }
    /// Whether the frame may carry a body: SEND, MESSAGE and ERROR only.
    pub fn may_have_body(self) -> bool { unimplemented!() }
    /// Whether header values are never escaped: CONNECT, STOMP, CONNECTED.
    pub fn is_literal(self) -> bool { unimplemented!() }
}
