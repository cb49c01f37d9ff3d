//! Where a conversation stands.

use stompbox_frames::stomp::HeartBeat;

/// See the diagram in the doc of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// CONNECT has not come.
    Connecting,
    /// CONNECT has come; whether it is let in is being found out elsewhere.
    Authenticating {
        /// What CONNECT said; 0,0 for version 1.0.
        peer: HeartBeat,
    },
    /// CONNECTED was sent.
    Connected,
    /// DISCONNECT has come, and receipts are owed that must leave before its own.
    Leaving,
    /// Close was wished for: nothing is handled, nothing is emitted.
    Closed,
}
