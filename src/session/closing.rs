//! Why a conversation ends.

use crate::outbound_queue::Key;

/// Why a connection ends. Expected ends are values, logged and counted in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// DISCONNECT.
    Disconnected,
    /// The peer closed or reset the socket.
    PeerLeft,
    /// The peer closed or reset the socket and had never sent a byte on it: a health check, or a port scan.
    NoData,
    /// The client was silent for `heart-beat-tolerance` times the interval of its heartbeats.
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
    /// The client acknowledged a delivery that it cannot settle, such as one of its connection before, or committed a
    /// transaction that cannot be settled.
    NotSettled,
    /// The first bytes were those of another protocol.
    WrongProtocol,
    /// A limit was met, by its option's name.
    Limit(&'static str),
    /// The client receives or acknowledges too slowly.
    SlowConsumer(Slowness),
    /// The broker stops.
    Shutdown,
}

/// The way in which a client is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slowness {
    /// Its outbound queue overflowed (`outbox-bytes-max`).
    Overflow,
    /// It read nothing for `stall-timeout` although data waited for it.
    Stalled,
    /// It did not acknowledge the deliveries of this subscription (`unsettled-max`).
    Unsettled(Key),
    /// It did not acknowledge the deliveries of all of its subscriptions (`subscription-bytes-max`).
    UnsettledBytes,
    /// It left many deliveries unacknowledged while the broker had little memory left (`memory-bytes-max`).
    UnsettledMemory,
}

impl Slowness {
    /// Returns the option of the limit that was reached.
    pub fn option(self) -> &'static str {
        match self {
            Slowness::Overflow => "outbox-bytes-max",
            Slowness::Stalled => "stall-timeout",
            Slowness::Unsettled(_) => "unsettled-max",
            Slowness::UnsettledBytes => "subscription-bytes-max",
            Slowness::UnsettledMemory => "memory-bytes-max",
        }
    }

    /// Returns whether a message may be the cause. An overflow or a lack of memory depends on how much is published,
    /// not on how a message is handled.
    fn is_lost(self) -> bool {
        match self {
            Slowness::Stalled | Slowness::Unsettled(_) | Slowness::UnsettledBytes => true,
            Slowness::Overflow | Slowness::UnsettledMemory => false,
        }
    }
}

/// Limits on the size and the arrival of one frame, and on one transaction, of a client that is signed in. A client
/// that reacts to a message with such a frame exceeds the limit at every redelivery.
const LIMITS_ON_FRAMES: [&str; 11] = [
    "frame-bytes-max",
    "header-bytes-max",
    "header-count-max",
    "to-bytes-max",
    "to-names-max",
    "destination-bytes-max",
    "id-bytes-max",
    "ws-message-bytes-max",
    "stall-timeout",
    "transaction-frames-max",
    "transaction-bytes-max",
];

impl Closing {
    /// The reasons of all kinds ([`Closing::as_str`]).
    pub const REASONS: [&'static str; 14] = [
        Closing::Disconnected.as_str(),
        Closing::PeerLeft.as_str(),
        Closing::NoData.as_str(),
        Closing::HeartbeatLost.as_str(),
        Closing::ConnectTimeout.as_str(),
        Closing::Unauthenticated.as_str(),
        Closing::Expired.as_str(),
        Closing::Denied.as_str(),
        Closing::Rejected.as_str(),
        Closing::NotSettled.as_str(),
        Closing::WrongProtocol.as_str(),
        Closing::Limit("").as_str(),
        Closing::SlowConsumer(Slowness::Overflow).as_str(),
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
            Closing::NotSettled => "not-settled",
            Closing::WrongProtocol => "wrong-protocol",
            Closing::Limit(_) => "limit",
            Closing::SlowConsumer(_) => "slow-consumer",
            Closing::Shutdown => "shutdown",
        }
    }

    /// Returns whether the client may have failed at a message: it left without DISCONNECT, stopped answering, broke
    /// the protocol, or sent a frame or a transaction that is too large. The delivery that it was working on then
    /// counts as failed; otherwise a message that makes its consumer misbehave would be delivered for ever. An orderly
    /// end does not count. Neither does an ERROR whose cause says nothing about the message: a stale ACK, a rule, an
    /// overflow of the outbound queue, or a limit on the client's rate, on its total, or on the total of all clients.
    pub fn is_lost(self) -> bool {
        match self {
            Closing::PeerLeft | Closing::HeartbeatLost | Closing::Rejected => true,
            Closing::SlowConsumer(slowness) => slowness.is_lost(),
            Closing::Limit(option) => LIMITS_ON_FRAMES.contains(&option),
            Closing::Disconnected
            | Closing::NoData
            | Closing::ConnectTimeout
            | Closing::Unauthenticated
            | Closing::Expired
            | Closing::Denied
            | Closing::NotSettled
            | Closing::WrongProtocol
            | Closing::Shutdown => false,
        }
    }

    /// The option whose limit was met, if that is why.
    pub fn limit(self) -> Option<&'static str> {
        match self {
            Closing::Limit(option) => Some(option),
            Closing::SlowConsumer(slowness) => Some(slowness.option()),
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
            Closing::Rejected => Closing::NotSettled,
            Closing::NotSettled => Closing::WrongProtocol,
            Closing::WrongProtocol => Closing::Limit("memory-bytes-max"),
            Closing::Limit(_) => Closing::SlowConsumer(Slowness::Overflow),
            Closing::SlowConsumer(_) => Closing::Shutdown,
            Closing::Shutdown => return None,
        })
    }

    #[test]
    fn only_an_end_that_a_message_may_have_caused_is_lost() {
        let mut lost = vec![Slowness::Stalled, Slowness::Unsettled(1), Slowness::UnsettledBytes];
        lost.retain(|&slowness| Closing::SlowConsumer(slowness).is_lost());
        assert_eq!(lost.len(), 3, "{lost:?}");
        assert!(!Closing::SlowConsumer(Slowness::Overflow).is_lost());
        assert!(!Closing::SlowConsumer(Slowness::UnsettledMemory).is_lost());
        for (option, is_lost) in [
            ("frame-bytes-max", true),
            ("ws-message-bytes-max", true),
            ("header-count-max", true),
            ("stall-timeout", true),
            ("transaction-bytes-max", true),
            ("memory-bytes-max", false),
            ("frames-per-second-max", false),
            ("queue-messages-max", false),
            ("subscriptions-max", false),
            ("transactions-max", false),
        ] {
            assert_eq!(Closing::Limit(option).is_lost(), is_lost, "{option}");
        }
        let all = std::iter::successors(Some(Closing::Disconnected), |&closing| next(closing));
        let lost: Vec<_> = all.filter(|closing| closing.is_lost()).collect();
        assert_eq!(lost, [Closing::PeerLeft, Closing::HeartbeatLost, Closing::Rejected]);
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
