//! The list of reserved header names.

/// Headers of a SEND that are not copied to the MESSAGE. Some are set by the broker, the others are meant for the
/// broker. The latter include credentials: some clients send them with every frame, and other clients must not see
/// them. Names are compared as in [`is_reserved`](super::is_reserved).
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
