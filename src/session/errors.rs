//! The table of the rejections of frames, which a session sends as ERRORs. Each ERROR has a summary in the header
//! `message`. The body says what was wrong and what was expected. If a limit was reached, the body also names the option
//! of the broker that sets the limit.

use super::timers::TimeoutOption;
use crate::rejection::{Code, Limit, Quoted, Rejection, limits, rejections};
use std::borrow::Cow;
use stompbox_frames::stomp::{Command, DecodeError, Frame, FrameLimit};

/// The texts of an ERROR frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorReply<'a> {
    /// The value of the header `message`.
    pub summary: &'a str,
    /// The body of the frame.
    pub detail: &'a str,
}

rejections! {
    Invalid:
    before_connect(command: Command) = "not connected",
        "{} was received before CONNECT. The first frame must be CONNECT or STOMP.", command.as_str();
    while_authenticating(command: Command) = "not connected",
        "{} was received before CONNECTED was sent. Wait for CONNECTED.", command.as_str();
    connected_already(command: Command) = "already connected",
        "A second {} was received on this connection. Open another connection for another session.", command.as_str();
    server_command(command: Command) = "unexpected command",
        "{} is a server frame; expected a client frame, such as SEND or SUBSCRIBE.", command.as_str();
    heart_beat(value: &str) = "malformed heart-beat header",
        "Invalid value {} of the header heart-beat: expected two numbers of milliseconds with a comma between them, as in 10000,10000.", Quoted(value);
    missing(command: Command, header: &str) = "missing header",
        "{} has no header {header}, which is required.", command.as_str();
    unsupported_header(command: Command, name: &str, value: &str, instead: &str) = "unsupported header",
        "{} has the header {name} with the value {}, which Stompbox does not support: {instead} Send the frame without this header.", command.as_str(), Quoted(value);
    conflicting_headers(name: &str, value: &str, other: &str, other_value: &str) = "conflicting headers",
        "The headers {name} (value {}) and {other} (value {}) set the same limit to different values. Send only one of them.", Quoted(value), Quoted(other_value);
    ack_mode(value: &str) = "unknown ack mode",
        "Invalid value {} of the header ack: expected auto, client or client-individual.", Quoted(value);
    malformed_prefetch(name: &str, value: &str, expected: &str) = "malformed prefetch header",
        "Invalid value {} of the header {name}: expected {expected}.", Quoted(value);
    subscribed_already(name: &str) = "duplicate subscription",
        "This session already has the subscription {}. Use another id, or UNSUBSCRIBE first.", Quoted(name);
    not_subscribed(command: Command, name: &str) = "unknown subscription",
        "{} names the subscription {}, which this session does not have. Send the id of an active subscription.", command.as_str(), Quoted(name);
    ambiguous_unsubscribe(destination: &str) = "ambiguous UNSUBSCRIBE",
        "This session has several subscriptions to {}. Send UNSUBSCRIBE with the id of one of them in the header id.", Quoted(destination);
    renewal_in_transaction() = "token cannot be renewed here",
        "SEND to /auth/refresh cannot be part of a transaction. Send it without the header transaction.";
    no_token() = "missing token",
        "SEND to /auth/refresh contains no token. Send the new token as the body, or in the header Authorization.";
    nack_in_1_0() = "NACK is not known in 1.0",
        "STOMP 1.0 has no NACK. To use NACK, connect with the header accept-version:1.2 or accept-version:1.1.";
    requeue(value: &str) = "malformed requeue header",
        "Invalid value {} of the header requeue: expected true or false. With true, the broker delivers the message again. With false, it moves the message to the dead letter queue.", Quoted(value);
    begun_already(id: &str) = "duplicate transaction",
        "The transaction {} is already open. Use another name, or COMMIT or ABORT it first.", Quoted(id);
    no_transaction(command: Command, id: &str) = "unknown transaction",
        "{} names the transaction {}, which is not open. BEGIN it first.", command.as_str(), Quoted(id);
}

rejections! {
    NotSettled:
    not_unsettled(command: Command, id: &str, hint: &str) = "nothing to settle",
        "{} names the message {}, which was not delivered to this session or is already settled. After a reconnect, wait until the MESSAGE is delivered again.{hint}", command.as_str(), Quoted(id);
    not_delivered_to(command: Command, id: &str, named: &str) = "nothing to settle",
        "{} has the id {} and the subscription {}, but no such delivery is unsettled. Copy the header subscription from the MESSAGE, or leave it out. After a reconnect, wait until the MESSAGE is delivered again.", command.as_str(), Quoted(id), Quoted(named);
    delivered_to_other(command: Command, id: &str, named: &str, other: &str) = "nothing to settle",
        "{} has the id {} and the subscription {}, but this message was delivered to the subscription {}. Copy the header subscription from the MESSAGE, or leave it out.", command.as_str(), Quoted(id), Quoted(named), Quoted(other);
    reserved(command: Command, id: &str) = "already in a transaction",
        "{} names the message {}, which a frame of an open transaction already settles. Settle each delivery once, or ABORT that transaction first.", command.as_str(), Quoted(id);
    ambiguous_message(command: Command, id: &str, hint: &str) = "ambiguous message-id",
        "{} names the message {}, which was delivered to several subscriptions. Name one of them in the header subscription.{hint}", command.as_str(), Quoted(id);
}

limits! {
    subscriptions(max: usize) @ Subscriptions = "too many subscriptions",
        "This session already has {max} subscriptions, the maximum.";
    subscription_keys() @ Subscriptions = "too many subscriptions",
        "This session has used all subscription numbers. Open another connection.";
    transactions(max: usize) @ Transactions = "too many transactions",
        "This session already has {max} open transactions, the maximum.";
    id_bytes(header: &str, bytes: usize, max: usize) @ IdBytes = "id too long",
        "The header {header} has {bytes} bytes; expected at most {max}.";
    frame_rate(max: u32) @ FramesPerSecond = "too many frames",
        "The client sent more than {max} frames within one second.";
}

impl Rejection {
    /// Returns the rejection of a CONNECT without a common version. The body has the wording of the example in the
    /// specification.
    pub(super) fn no_common_version() -> Rejection {
        Rejection::new(Code::Invalid, "version mismatch", "Supported protocol versions are 1.0 1.1 1.2")
    }

    /// Returns the rejection of a session without a complete CONNECT in time.
    pub(super) fn connect_timeout(expired: TimeoutOption) -> Rejection {
        let detail = match expired {
            TimeoutOption::Silence => {
                "No data was received within `connect-silence`, and CONNECT is not complete. Send the whole CONNECT \
                 frame, including its NUL byte, at once, or raise connect-silence."
            }
            TimeoutOption::Timeout => {
                "CONNECT was not complete within `connect-timeout`. Send the whole CONNECT frame, including its NUL \
                 byte, at once, or raise connect-timeout."
            }
        };
        Rejection::new(Code::Timeout, "connect timeout", detail)
    }

    /// Returns the rejection of a session with an expired token.
    pub(super) fn expired() -> Rejection {
        let detail = "The token of this session has expired. Connect with a new token. To keep a session, SEND a new \
                      token to /auth/refresh before the old one expires.";
        Rejection::new(Code::Expired, "token expired", detail)
    }

    /// Returns the rejection of a session of a user who was removed or has a new passcode.
    pub(super) fn revoked() -> Rejection {
        let detail = "The operator of the broker changed the access of this user. Connect again.";
        Rejection::new(Code::Expired, "access revoked", detail)
    }

    /// Returns the rejection of a new token that belongs to a different user.
    pub(super) fn other_principal() -> Rejection {
        let detail = "The new token belongs to another user. Open another connection for that user.";
        Rejection::new(Code::Unauthenticated, "token refused", detail)
    }

    /// Returns the rejection of bytes that are not a valid frame. The size of a frame has another limit before the
    /// session `is_established`.
    pub(super) fn undecodable(error: &DecodeError, is_established: bool) -> Rejection {
        let Some(exceeded) = error.limit else {
            return Rejection::new(Code::Invalid, error.summary, error.detail.clone());
        };
        let limit = match exceeded {
            FrameLimit::FrameBytes if !is_established => Limit::ConnectFrameBytes,
            FrameLimit::FrameBytes => Limit::FrameBytes,
            FrameLimit::HeaderCount => Limit::HeaderCount,
            FrameLimit::HeaderBytes => Limit::HeaderBytes,
            FrameLimit::ToBytes => Limit::ToBytes,
        };
        let detail = format!("{} {}, or raise {limit}.", error.detail, exceeded.advice());
        Rejection::by_limit(limit, error.summary, detail)
    }
}

/// Returns the texts of the ERROR for a rejection.
pub(super) fn texts(rejection: &Rejection) -> ErrorReply<'_> {
    ErrorReply { summary: rejection.summary, detail: &rejection.detail }
}

/// Returns a required header. Rejects the frame if the header is missing.
pub(super) fn required<'a>(frame: &'a Frame, name: &str) -> std::result::Result<Cow<'a, str>, Rejection> {
    frame.header(name).ok_or_else(|| Rejection::missing(frame.command, name))
}
