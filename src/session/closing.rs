//! Why a conversation ends.

/// Why a connection ends. Expected ends are values, logged and counted in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// DISCONNECT.
    Disconnected,
    /// The peer closed or reset the socket.
    PeerLeft,
    /// The peer closed or reset the socket and had never sent a byte on it: a health check, or a port scan.
    NoData,
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
    /// The first bytes were those of another protocol.
    WrongProtocol,
    /// A limit was met, by its option's name.
    Limit(&'static str),
    /// Outbox overflow, no progress, or too many unsettled: the option of the limit that was met.
    SlowConsumer(&'static str),
    /// The broker stops.
    Shutdown,
}

impl Closing {
    /// The reasons of all kinds ([`Closing::as_str`]).
    pub const REASONS: [&'static str; 13] = [
        Closing::Disconnected.as_str(),
        Closing::PeerLeft.as_str(),
        Closing::NoData.as_str(),
        Closing::HeartbeatLost.as_str(),
        Closing::ConnectTimeout.as_str(),
        Closing::Unauthenticated.as_str(),
        Closing::Expired.as_str(),
        Closing::Denied.as_str(),
        Closing::Rejected.as_str(),
        Closing::WrongProtocol.as_str(),
        Closing::Limit("").as_str(),
        Closing::SlowConsumer("").as_str(),
        Closing::Shutdown.as_str(),
    ];

    /// The reason in logs and metrics: one word for one thing.
    pub const fn as_str(self) -> &'static str {
        match self {
            Closing::Disconnected => "disconnected",
            Closing::PeerLeft => "peer-left",
            Closing::NoData => "no-data",
            Closing::HeartbeatLost => "heart-beat-lost",
            Closing::ConnectTimeout => "connect-timeout",
            Closing::Unauthenticated => "unauthenticated",
            Closing::Expired => "expired",
            Closing::Denied => "denied",
            Closing::Rejected => "rejected",
            Closing::WrongProtocol => "wrong-protocol",
            Closing::Limit(_) => "limit",
            Closing::SlowConsumer(_) => "slow-consumer",
            Closing::Shutdown => "shutdown",
        }
    }

    /// Returns whether the client may have failed at a message: its connection broke, it stopped answering, or a frame
    /// was refused. The delivery that it was working on then counts as failed; otherwise a message that makes its
    /// consumer misbehave would be delivered for ever. An orderly end, and one without relation to the client's work,
    /// does not count.
    pub fn is_lost(self) -> bool {
        match self {
            Closing::PeerLeft
            | Closing::HeartbeatLost
            | Closing::Denied
            | Closing::Rejected
            | Closing::Limit(_)
            | Closing::SlowConsumer(_) => true,
            Closing::Disconnected
            | Closing::NoData
            | Closing::ConnectTimeout
            | Closing::Unauthenticated
            | Closing::Expired
            | Closing::WrongProtocol
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason behind this one. A new reason has to be entered here, or this does not compile.
    fn next(closing: Closing) -> Option<Closing> {
        Some(match closing {
            Closing::Disconnected => Closing::PeerLeft,
            Closing::PeerLeft => Closing::NoData,
            Closing::NoData => Closing::HeartbeatLost,
            Closing::HeartbeatLost => Closing::ConnectTimeout,
            Closing::ConnectTimeout => Closing::Unauthenticated,
            Closing::Unauthenticated => Closing::Expired,
            Closing::Expired => Closing::Denied,
            Closing::Denied => Closing::Rejected,
            Closing::Rejected => Closing::WrongProtocol,
            Closing::WrongProtocol => Closing::Limit("frame-bytes-max"),
            Closing::Limit(_) => Closing::SlowConsumer("stall-timeout"),
            Closing::SlowConsumer(_) => Closing::Shutdown,
            Closing::Shutdown => return None,
        })
    }

    #[test]
    fn every_reason_is_in_the_list_from_which_metrics_begin() {
        let mut reasons = Vec::new();
        let mut closing = Some(Closing::Disconnected);
        while let Some(one) = closing {
            reasons.push(one.as_str());
            closing = next(one);
        }
        assert_eq!(reasons, Closing::REASONS);
    }
}
