//! Why a conversation ends.

/// Why a connection ends. Expected ends are values, logged and counted in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// DISCONNECT.
    Disconnected,
    /// The peer closed or reset the socket.
    PeerLeft,
    /// Nothing heard for twice the heart-beat.
    HeartbeatLost,
    /// No complete CONNECT in time.
    ConnectTimeout,
    /// Login refused.
    Unauthenticated,
    /// The peer broke the protocol, or asked for what is not there.
    Rejected,
    /// A limit was met, by its option's name.
    Limit(&'static str),
    /// Outbox overflow, no progress, or too many unsettled.
    SlowConsumer,
    /// The broker stops.
    Shutdown,
}
