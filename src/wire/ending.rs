//! The end of the input of a wire, and the closing message to its client.

/// The way in which the reading side ended.
#[derive(Debug)]
pub enum ReadEnd {
    /// The client closed its side as the wire prescribes.
    Closed,
    /// The socket failed.
    Failed,
    /// The client violated the protocol of the wire itself (not STOMP). [`Wire::write_close`](super::Wire::write_close)
    /// reports that to the client.
    ProtocolError(&'static str),
    /// A limit of the wire was reached: the name of its option.
    Limit(&'static str),
}

/// The code and the reason that a wire sends to its client when the session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseInfo {
    /// A close code (RFC 6455 §7.4.1); 3000 to 4999 are an application's own.
    pub code: u16,
    /// The reason for people, in a few words.
    pub reason: &'static str,
}
