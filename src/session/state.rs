//! The state of a session.

use stompbox_frames::stomp::HeartBeat;

/// The state of a session; see the diagram in the documentation of [`session`](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// CONNECT was not received yet.
    Connecting,
    /// CONNECT was received, and the caller is checking the credentials.
    Authenticating {
        /// The `heart-beat` header of CONNECT, or 0,0 for version 1.0.
        peer: HeartBeat,
    },
    /// CONNECTED was sent, and frames of the client are executed.
    Connected,
    /// DISCONNECT was received. Its RECEIPT must be sent after earlier receipts, which are still pending.
    Leaving,
    /// The session has ended, by [`Action::Close`](super::action::Action::Close) or
    /// [`Session::finish`](super::machine::Session::finish). It handles no frame and emits no action.
    Closed,
}
