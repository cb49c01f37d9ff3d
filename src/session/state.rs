//! The states of a session.

use stompbox_frames::stomp::HeartBeat;

/// The state of a session. The documentation of [`session`](super) has a diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionState {
    /// The session waits for CONNECT.
    Connecting,
    /// CONNECT was received, and the caller is checking the credentials.
    Authenticating {
        /// The `heart-beat` header of CONNECT, or 0,0 for version 1.0.
        peer: HeartBeat,
    },
    /// CONNECTED was sent, and frames of the client are executed.
    Connected,
    /// DISCONNECT was received. Its RECEIPT waits for earlier receipts, which are still pending.
    Leaving,
    /// The session has ended, by [`Action::Close`](super::action::Action::Close) or
    /// [`Session::finish`](super::machine::Session::finish). It handles no frame and emits no action.
    Closed,
}
