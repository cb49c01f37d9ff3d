//! The limits that a client can reach.

use std::fmt;

/// Defines [`Limit`]: rows of `/// documentation`, variant, and the name of the option that sets the limit.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $option:literal,)+) => {
        /// A limit that a client can reach. Each is set by one option of the broker.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Limit {
            $($(#[$doc])* $name,)+
        }

        impl Limit {
            pub const ALL: &'static [Limit] = &[$(Limit::$name,)+];

            /// Returns the name of the option that sets the limit.
            pub const fn option(self) -> &'static str {
                match self {
                    $(Limit::$name => $option,)+
                }
            }
        }
    };
}

limits! {
    /// Logins that are checked at the same time.
    AuthWaiting = "auth-waiting-max",
    /// Size of a frame before CONNECTED.
    ConnectFrameBytes = "connect-frame-bytes-max",
    /// Connections from all addresses.
    Connections = "connections-max",
    /// Connections from one address.
    ConnectionsPerAddress = "connections-per-address-max",
    /// Length of a destination.
    DestinationBytes = "destination-bytes-max",
    /// Size of a frame after CONNECTED.
    FrameBytes = "frame-bytes-max",
    /// Frames of one client within a second.
    FramesPerSecond = "frames-per-second-max",
    /// Length of a header line.
    HeaderBytes = "header-bytes-max",
    /// Header lines of a frame.
    HeaderCount = "header-count-max",
    /// Length of an identifier that the client chooses.
    IdBytes = "id-bytes-max",
    /// Memory that clients make the broker use.
    MemoryBytes = "memory-bytes-max",
    /// Size of the deliveries that wait for one client.
    OutboundQueueBytes = "outbound-queue-bytes-max",
    /// Size of the messages in a work queue.
    QueueBytes = "queue-bytes-max",
    /// Messages in a work queue.
    QueueMessages = "queue-messages-max",
    /// Work queues that exist at the same time.
    Queues = "queues-max",
    /// Size of an HTTP request of SockJS.
    SockjsSendBytes = "sockjs-send-bytes-max",
    /// SockJS sessions over HTTP.
    SockjsSessions = "sockjs-sessions-max",
    /// SockJS sessions over HTTP from one address.
    SockjsSessionsPerAddress = "sockjs-sessions-per-address-max",
    /// Time without progress of a client that reads, or that sends a frame.
    StallTimeout = "stall-timeout",
    /// Memory of the subscriptions of a session.
    SubscriptionBytes = "subscription-bytes-max",
    /// Subscriptions of a session.
    Subscriptions = "subscriptions-max",
    /// Temporary queues of a session.
    TempQueues = "temp-queues-max",
    /// Length of the list of recipients.
    ToBytes = "to-bytes-max",
    /// Recipients of a message.
    ToNames = "to-names-max",
    /// Size of the open transactions of a session.
    TransactionBytes = "transaction-bytes-max",
    /// Frames of a transaction.
    TransactionFrames = "transaction-frames-max",
    /// Open transactions of a session.
    Transactions = "transactions-max",
    /// Unsettled deliveries of a subscription.
    Unsettled = "unsettled-max",
    /// Size of a WebSocket message.
    WsMessageBytes = "ws-message-bytes-max",
}

impl fmt::Display for Limit {
    /// Writes the name of the option.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.option())
    }
}

impl Limit {
    /// Returns whether the limit is about the size of one frame, the time of its arrival, or the size of one
    /// transaction. A client that answers a message with such a frame or transaction reaches the limit again at every
    /// redelivery of the message.
    pub const fn is_on_one_request(self) -> bool {
        self.is_size_of_message()
            || matches!(
                self,
                Limit::HeaderBytes
                    | Limit::HeaderCount
                    | Limit::ToBytes
                    | Limit::ToNames
                    | Limit::DestinationBytes
                    | Limit::IdBytes
                    | Limit::StallTimeout
                    | Limit::TransactionFrames
                    | Limit::TransactionBytes
            )
    }

    /// Returns whether the limit is on the size of one frame or WebSocket message, for which RFC 6455 has the close
    /// code 1009.
    pub const fn is_size_of_message(self) -> bool {
        matches!(self, Limit::ConnectFrameBytes | Limit::FrameBytes | Limit::WsMessageBytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_limits_differ() {
        let mut options: Vec<_> = Limit::ALL.iter().map(|limit| limit.option()).collect();
        options.sort_unstable();
        options.dedup();
        assert_eq!(options.len(), Limit::ALL.len());
    }
}
