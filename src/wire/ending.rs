//! The end of the input of a wire, and the closing message to its client.

use crate::rejection::Limit;

/// The reason why a wire has no more input.
#[derive(Debug)]
pub enum ReadEnd {
    /// The client closed its side in the way that the transport prescribes.
    Closed,
    /// Reading from the socket failed.
    Failed,
    /// The client violated the protocol of the transport (not STOMP). [`Wire::write_close`](super::Wire::write_close)
    /// reports the violation to the client.
    ProtocolError(&'static str),
    /// The client exceeded a limit of the transport.
    Limit(Limit),
}

/// The code and the reason that a wire sends to its client when the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseInfo {
    /// A close code (RFC 6455 §7.4.1). Applications may use the codes 3000 to 4999 as they like.
    pub code: u16,
    /// The reason in a few words, for a person who reads it.
    pub reason: &'static str,
}
