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
    /// The token is over, or its user is no more let in.
    Expired,
    /// It asked for what it may not have.
    Denied,
    /// The peer broke the protocol, or asked for what is not there.
    Rejected,
    /// A limit was met, by its option's name.
    Limit(&'static str),
    /// Outbox overflow, no progress, or too many unsettled: the option of the limit that was met.
    SlowConsumer(&'static str),
    /// The broker stops.
    Shutdown,
}

impl Closing {
    /// The reason in logs and metrics: one word for one thing.
    pub fn as_str(self) -> &'static str {
        match self {
            Closing::Disconnected => "disconnected",
            Closing::PeerLeft => "peer-left",
            Closing::HeartbeatLost => "heart-beat-lost",
            Closing::ConnectTimeout => "connect-timeout",
            Closing::Unauthenticated => "unauthenticated",
            Closing::Expired => "expired",
            Closing::Denied => "denied",
            Closing::Rejected => "rejected",
            Closing::Limit(_) => "limit",
            Closing::SlowConsumer(_) => "slow-consumer",
            Closing::Shutdown => "shutdown",
        }
    }

    /// Whether the client may have failed at a message: it is gone without a word, stopped answering, or did what is
    /// refused. What it was working on then counts as failed, or a message that makes its consumer misbehave would be
    /// delivered for ever. An orderly end, and one that has nothing to do with the client's work, counts nothing.
    pub fn is_lost(self) -> bool {
        match self {
            Closing::PeerLeft
            | Closing::HeartbeatLost
            | Closing::Denied
            | Closing::Rejected
            | Closing::Limit(_)
            | Closing::SlowConsumer(_) => true,
            Closing::Disconnected
            | Closing::ConnectTimeout
            | Closing::Unauthenticated
            | Closing::Expired
            | Closing::Shutdown => false,
        }
    }

    /// The option whose limit was met, if that is why.
    pub fn limit(self) -> Option<&'static str> {
        match self {
            Closing::Limit(option) | Closing::SlowConsumer(option) => Some(option),
            _ => None,
        }
    }
}
