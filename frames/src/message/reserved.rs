//! The lists of reserved header names.

/// Headers of a SEND that a MESSAGE does not contain. The broker sets some of them itself. The others are for the
/// broker only. These include credentials, which some clients send with every frame, and which other clients must not
/// see. [`is_reserved`](super::is_reserved) compares names with this list.
pub const RESERVED: &[&str] = &[
    "destination",
    "message-id",
    "subscription",
    "ack",
    "content-length",
    "seq",
    "epoch",
    "redelivered",
    "delivery-count",
    "dead-reason",
    "dead-origin",
    "dead-deliveries",
    "user-name",
    "session",
    "receipt",
    "transaction",
    "login",
    "passcode",
    "authorization",
    "access_token",
];

/// The headers among [`RESERVED`] that the broker adds to a message with [`MessageParts::extra`](super::MessageParts::extra).
pub const RESERVED_EXTRA: &[&str] =
    &["seq", "epoch", "dead-reason", "dead-origin", "dead-deliveries", "user-name", "session"];
