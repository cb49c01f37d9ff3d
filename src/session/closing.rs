//! Reasons for which a connection ends.

use crate::outbound_queue::Key;
use crate::rejection::{Code, Limit, Rejection};

/// The reason for which a connection ends. Expected reasons are values of this type, not errors. The broker therefore
/// logs and counts them in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// The client sent DISCONNECT.
    Disconnected,
    /// The peer closed or reset the socket.
    PeerLeft,
    /// The peer closed or reset the socket and had sent no byte, like a health check or a port scan.
    NoData,
    /// The client was silent for `heart-beat-tolerance` times the interval of its heartbeats.
    HeartbeatLost,
    /// No complete CONNECT was received within `connect-silence` or `connect-timeout`.
    ConnectTimeout,
    /// The login failed.
    Unauthenticated,
    /// The token has expired, or the user's access was revoked.
    Expired,
    /// A permission rule denied a request of the client.
    AccessDenied,
    /// The client violated the protocol, or requested something that does not exist.
    Rejected,
    /// The broker could not do what the client requested, for example because a store failed.
    Unavailable,
    /// The client acknowledged a delivery that it cannot settle, such as a delivery of its previous connection. Or it
    /// sent COMMIT for a transaction that cannot be committed.
    NotSettled,
    /// The first bytes belong to another protocol.
    WrongProtocol,
    /// A limit was reached.
    Limit(Limit),
    /// The client receives or acknowledges too slowly.
    SlowConsumer(Slowness),
    /// The broker is stopping.
    Shutdown,
}

/// The way in which a client is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slowness {
    /// The client's outbound queue overflowed (`outbound-queue-bytes-max`).
    Overflow,
    /// The client read nothing for `stall-timeout` while data was waiting to be written to it.
    Stalled,
    /// The client did not acknowledge the deliveries of this subscription (`unsettled-max`).
    Unsettled(Key),
    /// The unacknowledged deliveries of all of the client's subscriptions took too much memory
    /// (`subscription-bytes-max`).
    UnsettledBytes,
    /// The client had many unacknowledged deliveries while the broker had little memory left (`memory-bytes-max`).
    UnsettledMemory,
}

impl Slowness {
    /// Returns the limit that was reached.
    pub fn limit(self) -> Limit {
        match self {
            Slowness::Overflow => Limit::OutboundQueueBytes,
            Slowness::Stalled => Limit::StallTimeout,
            Slowness::Unsettled(_) => Limit::Unsettled,
            Slowness::UnsettledBytes => Limit::SubscriptionBytes,
            Slowness::UnsettledMemory => Limit::MemoryBytes,
        }
    }

    /// Returns whether processing a message may have made the client slow. An overflow or a lack of memory has another
    /// cause: the amount of published messages.
    fn is_lost(self) -> bool {
        match self {
            Slowness::Stalled | Slowness::Unsettled(_) | Slowness::UnsettledBytes => true,
            Slowness::Overflow | Slowness::UnsettledMemory => false,
        }
    }
}

impl From<&Rejection> for Closing {
    /// Returns the reason for which a rejected request ends its session.
    fn from(rejection: &Rejection) -> Closing {
        match rejection.code {
            Code::Invalid => Closing::Rejected,
            Code::NotStored | Code::Internal => Closing::Unavailable,
            Code::Unauthenticated | Code::LoginNotChecked => Closing::Unauthenticated,
            Code::Expired => Closing::Expired,
            Code::AccessDenied => Closing::AccessDenied,
            Code::NotSettled => Closing::NotSettled,
            Code::Timeout => Closing::ConnectTimeout,
            Code::Limit => rejection.limit.map_or(Closing::Rejected, Closing::Limit),
        }
    }
}

impl Closing {
    /// The names of all reasons. [`Closing::as_str`] returns them.
    pub const REASONS: [&'static str; 15] = [
        Closing::Disconnected.as_str(),
        Closing::PeerLeft.as_str(),
        Closing::NoData.as_str(),
        Closing::HeartbeatLost.as_str(),
        Closing::ConnectTimeout.as_str(),
        Closing::Unauthenticated.as_str(),
        Closing::Expired.as_str(),
        Closing::AccessDenied.as_str(),
        Closing::Rejected.as_str(),
        Closing::Unavailable.as_str(),
        Closing::NotSettled.as_str(),
        Closing::WrongProtocol.as_str(),
        Closing::Limit(Limit::MemoryBytes).as_str(),
        Closing::SlowConsumer(Slowness::Overflow).as_str(),
        Closing::Shutdown.as_str(),
    ];

    /// Returns the name of the reason in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Closing::Disconnected => "disconnected",
            Closing::PeerLeft => "peer-left",
            Closing::NoData => "no-data",
            Closing::HeartbeatLost => "heart-beat-lost",
            Closing::ConnectTimeout => "connect-timeout",
            Closing::Unauthenticated => "unauthenticated",
            Closing::Expired => "expired",
            Closing::AccessDenied => "denied",
            Closing::Rejected => "rejected",
            Closing::Unavailable => "unavailable",
            Closing::NotSettled => "not-settled",
            Closing::WrongProtocol => "wrong-protocol",
            Closing::Limit(_) => "limit",
            Closing::SlowConsumer(_) => "slow-consumer",
            Closing::Shutdown => "shutdown",
        }
    }

    /// Returns whether the client may have failed while it processed a message. It left without DISCONNECT, stopped
    /// responding or violated the protocol. Or it sent a frame or a transaction that is too large.
    ///
    /// The delivery that the client was processing then counts as failed. Otherwise the broker would redeliver a
    /// message that makes its consumer fail forever. An orderly end is not a failure. An ERROR with a cause outside of
    /// the message is not a failure either. Such causes are stale ACKs, permission rules, a store that fails, overflows
    /// of the outbound queue, and limits on rates or totals.
    pub fn is_lost(self) -> bool {
        match self {
            Closing::PeerLeft | Closing::HeartbeatLost | Closing::Rejected => true,
            Closing::SlowConsumer(slowness) => slowness.is_lost(),
            Closing::Limit(limit) => limit.is_on_one_request(),
            Closing::Disconnected
            | Closing::NoData
            | Closing::ConnectTimeout
            | Closing::Unauthenticated
            | Closing::Expired
            | Closing::AccessDenied
            | Closing::Unavailable
            | Closing::NotSettled
            | Closing::WrongProtocol
            | Closing::Shutdown => false,
        }
    }

    /// Returns the limit that was reached. Returns `None` if the reason is not a limit.
    pub fn limit(self) -> Option<Limit> {
        match self {
            Closing::Limit(limit) => Some(limit),
            Closing::SlowConsumer(slowness) => Some(slowness.limit()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the reason that follows this one. The match is exhaustive, so a new reason must be added here.
    fn next(closing: Closing) -> Option<Closing> {
        Some(match closing {
            Closing::Disconnected => Closing::PeerLeft,
            Closing::PeerLeft => Closing::NoData,
            Closing::NoData => Closing::HeartbeatLost,
            Closing::HeartbeatLost => Closing::ConnectTimeout,
            Closing::ConnectTimeout => Closing::Unauthenticated,
            Closing::Unauthenticated => Closing::Expired,
            Closing::Expired => Closing::AccessDenied,
            Closing::AccessDenied => Closing::Rejected,
            Closing::Rejected => Closing::Unavailable,
            Closing::Unavailable => Closing::NotSettled,
            Closing::NotSettled => Closing::WrongProtocol,
            Closing::WrongProtocol => Closing::Limit(Limit::MemoryBytes),
            Closing::Limit(_) => Closing::SlowConsumer(Slowness::Overflow),
            Closing::SlowConsumer(_) => Closing::Shutdown,
            Closing::Shutdown => return None,
        })
    }

    #[test]
    fn only_close_reasons_that_a_message_may_cause_count_as_lost() {
        let mut lost = vec![Slowness::Stalled, Slowness::Unsettled(1), Slowness::UnsettledBytes];
        lost.retain(|&slowness| Closing::SlowConsumer(slowness).is_lost());
        assert_eq!(lost.len(), 3, "{lost:?}");
        assert!(!Closing::SlowConsumer(Slowness::Overflow).is_lost());
        assert!(!Closing::SlowConsumer(Slowness::UnsettledMemory).is_lost());
        for (limit, is_lost) in [
            (Limit::FrameBytes, true),
            (Limit::WsMessageBytes, true),
            (Limit::HeaderCount, true),
            (Limit::StallTimeout, true),
            (Limit::TransactionBytes, true),
            (Limit::MemoryBytes, false),
            (Limit::FramesPerSecond, false),
            (Limit::QueueMessages, false),
            (Limit::Subscriptions, false),
            (Limit::Transactions, false),
        ] {
            assert_eq!(Closing::Limit(limit).is_lost(), is_lost, "{limit:?}");
        }
        let all = std::iter::successors(Some(Closing::Disconnected), |&closing| next(closing));
        let lost: Vec<_> = all.filter(|closing| closing.is_lost()).collect();
        assert_eq!(lost, [Closing::PeerLeft, Closing::HeartbeatLost, Closing::Rejected]);
    }

    #[test]
    fn reasons_lists_every_close_reason() {
        let mut reasons = Vec::new();
        let mut closing = Some(Closing::Disconnected);
        while let Some(one) = closing {
            reasons.push(one.as_str());
            closing = next(one);
        }
        assert_eq!(reasons, Closing::REASONS);
    }
}
