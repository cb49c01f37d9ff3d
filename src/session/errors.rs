//! The table of all ERRORs that a session can send. Each ERROR has a summary in the header `message`. The body says
//! what was wrong and what was expected. If a limit was reached, the body also names the option of the broker that sets
//! the limit.

use super::closing::Closing;
use super::timers::TimeoutOption;
use crate::destination::DestinationError;
use crate::permissions::{AccessDenied, Verb};
use std::borrow::Cow;
use std::fmt::{Display, Formatter, Result, Write};
use stompbox_frames::stomp::{Command, DecodeError, Frame};

/// The texts of an ERROR frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorReply<'a> {
    /// The value of the header `message`.
    pub summary: &'a str,
    /// The body of the frame.
    pub detail: &'a str,
}

/// The reason for which the session rejects a frame. A rejection ends the session. If the client requested
/// `soft-errors`, some rejections leave it open.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) summary: &'static str,
    pub(super) detail: String,
    pub(super) closing: Closing,
    /// An additional header of the ERROR.
    pub(super) extra: Option<(&'static str, Box<str>)>,
    /// The operation that a permission rule denied, and the rule, for the log.
    pub(super) denied: Option<(Verb, AccessDenied)>,
}

/// Defines rejections: the [`Closing`] reason, then rows of `name(arguments) = "summary", "detail", format arguments`.
/// A summary must contain no colon and no backslash. The session may write the ERROR before it knows the version, which
/// determines the escape sequences of headers.
macro_rules! rejections {
    ($closing:ident: $($name:ident($($argument:ident: $kind:ty),*) = $summary:literal, $detail:literal $(, $value:expr)*;)+) => {
        impl Rejection {
            $(pub(super) fn $name($($argument: $kind),*) -> Rejection {
                Rejection { closing: Closing::$closing, ..Rejection::rejected($summary, format!($detail $(, $value)*)) }
            })+
        }
    };
}

/// Defines rejections by a limit: rows of `name(arguments) @ "option" = "summary", "detail", format arguments`.
macro_rules! limits {
    ($($name:ident($($argument:ident: $kind:ty),*) @ $option:literal = $summary:literal, $detail:literal $(, $value:expr)*;)+) => {
        impl Rejection {
            $(pub(super) fn $name($($argument: $kind),*) -> Rejection {
                let detail = format!($detail $(, $value)*);
                let remedy = concat!("The operator of the broker can change `", $option, "`.");
                Rejection { closing: Closing::Limit($option), ..Rejection::rejected($summary, format!("{detail} {remedy}")) }
            })+
        }
    };
}

rejections! {
    Rejected:
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
    foreign_temp_queue(destination: &str) = "not your temporary queue",
        "{} is the address of a temporary queue, which accepts only SEND. SUBSCRIBE to /temp-queue/NAME with a NAME of your choice.", Quoted(destination);
    unknown_temp_queue(destination: &str) = "unknown temporary queue",
        "This session has no temporary queue {}. SUBSCRIBE to it first, or name it in the header reply-to of a SEND.", Quoted(destination);
    no_temp_queue(destination: &str) = "temporary queue not opened",
        "The broker generated an invalid address for {}. This is an error in the broker.", Quoted(destination);
    to_missing() = "missing header",
        "SEND to /users/ has no header `to`, which is required. Send the names of the users, as in to:alice,bob.";
    to_names(detail: &str) = "malformed to header",
        "{detail}";
    reply_to_elsewhere(destination: &str) = "reply-to is not yours",
        "Invalid value {} of the header reply-to: expected /temp-queue/x or /user/queue/x. A service can reply only to the sender. Without this header, replies go to /user/queue/replies.", Quoted(destination);
    renewal_in_transaction() = "token cannot be renewed here",
        "SEND to /auth/refresh cannot be part of a transaction. Send it without the header transaction.";
    no_token() = "missing token",
        "SEND to /auth/refresh contains no token. Send the new token as the body, or in the header Authorization.";
    session_elsewhere(destination: &str) = "session header is not for this destination",
        "The header session is not valid for {}. It selects one session of a user. Send it only to /user/queue/x or /user/NAME/queue/x.", Quoted(destination);
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
    frame_was_rejected(transaction: &str) = "transaction cannot be committed",
        "A frame of the transaction {} was rejected. The whole transaction is discarded.", Quoted(transaction);
    subscription_ended(transaction: &str, subscription: &str) = "transaction cannot be committed",
        "The transaction {} settles deliveries of the subscription {}, which has ended. These deliveries were requeued. The whole transaction is discarded.",
        Quoted(transaction), Quoted(subscription);
}

limits! {
    subscriptions(max: usize) @ "subscriptions-max" = "too many subscriptions",
        "This session already has {max} subscriptions, the maximum.";
    subscription_keys() @ "subscriptions-max" = "too many subscriptions",
        "This session has used all subscription numbers. Open another connection.";
    temp_queues(max: usize) @ "temp-queues-max" = "too many temporary queues",
        "This session already has {max} temporary queues, the maximum.";
    transactions(max: usize) @ "transactions-max" = "too many transactions",
        "This session already has {max} open transactions, the maximum.";
    transaction_frames(id: &str, max: usize) @ "transaction-frames-max" = "transaction too long",
        "The transaction {} already has {max} frames, the maximum.", Quoted(id);
    transaction_bytes(max: usize) @ "transaction-bytes-max" = "transactions too large",
        "With this frame, the open transactions of this session exceed the maximum of {max} bytes.";
    id_bytes(header: &str, bytes: usize, max: usize) @ "id-bytes-max" = "id too long",
        "The header {header} has {bytes} bytes; expected at most {max}.";
    to_bytes(max: usize) @ "to-bytes-max" = "too many recipients",
        "The header `to` exceeds the maximum of {max} bytes.";
    to_elsewhere(destination: &str, max: usize) @ "header-bytes-max" = "header line too long",
        "The header `to` of a SEND to {} exceeds the maximum of {max} bytes. Only a SEND to /users/ may have a longer header `to`.", Quoted(destination);
    recipient(name: &str, max: usize) @ "destination-bytes-max" = "invalid destination",
        "With the name {} from the header `to`, the destination exceeds the maximum of {max} bytes.", Quoted(name);
    to_count(max: usize) @ "to-names-max" = "too many recipients",
        "The header `to` exceeds the maximum of {max} names.";
    frame_rate(max: u32) @ "frames-per-second-max" = "too many frames",
        "The client sent more than {max} frames within one second.";
}

impl Rejection {
    fn rejected(summary: &'static str, detail: String) -> Rejection {
        Rejection { summary, detail, closing: Closing::Rejected, extra: None, denied: None }
    }

    /// Returns the rejection of a CONNECT without a common version. The body has the wording of the example in the
    /// specification.
    pub(super) fn no_common_version() -> Rejection {
        let detail = "Supported protocol versions are 1.0 1.1 1.2".to_owned();
        Rejection {
            extra: Some(("version", "1.0,1.1,1.2".into())),
            ..Rejection::rejected("version mismatch", detail)
        }
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
        let rejection = Rejection::rejected("connect timeout", detail.to_owned());
        Rejection { closing: Closing::ConnectTimeout, ..rejection }
    }

    /// Returns the rejection of a request that a permission rule denies. The log shows the rule, the ERROR does not.
    pub(super) fn denied(verb: Verb, destination: &str, denied: AccessDenied) -> Rejection {
        let what = match verb {
            Verb::Send => "send to",
            Verb::Subscribe => "subscribe to",
        };
        let detail = format!(
            "This user may not {what} {}. The operator of the broker can allow it with a rule (option permission).",
            Quoted(destination)
        );
        Rejection {
            closing: Closing::AccessDenied,
            extra: Some(("destination", destination.into())),
            denied: Some((verb, denied)),
            ..Rejection::rejected("access denied", detail)
        }
    }

    /// Returns the rejection of a session with an expired token.
    pub(super) fn expired() -> Rejection {
        let detail = "The token of this session has expired. Connect with a new token. To keep a session, SEND a new \
                      token to /auth/refresh before the old one expires.";
        Rejection { closing: Closing::Expired, ..Rejection::rejected("token expired", detail.to_owned()) }
    }

    /// Returns the rejection of a session of a user who was removed or has a new passcode.
    pub(super) fn revoked() -> Rejection {
        let detail = "The operator of the broker changed the access of this user. Connect again.";
        Rejection { closing: Closing::Expired, ..Rejection::rejected("access revoked", detail.to_owned()) }
    }

    /// Returns the rejection of a new token that belongs to a different user.
    pub(super) fn other_principal() -> Rejection {
        let detail = "The new token belongs to another user. Open another connection for that user.";
        Rejection {
            closing: Closing::Unauthenticated,
            ..Rejection::rejected("token refused", detail.to_owned())
        }
    }

    pub(super) fn destination(error: DestinationError) -> Rejection {
        let closing = error.limit.map_or(Closing::Rejected, Closing::Limit);
        Rejection { closing, ..Rejection::rejected("invalid destination", error.detail) }
    }

    pub(super) fn reply_to(error: DestinationError) -> Rejection {
        Rejection::rejected("invalid reply-to", format!("Invalid header reply-to: {}", error.detail))
    }

    pub(super) fn undecodable(error: &DecodeError) -> Rejection {
        let closing = error.limit.map_or(Closing::Rejected, Closing::Limit);
        Rejection { closing, ..Rejection::rejected(error.summary, error.detail.clone()) }
    }

    /// Returns the texts of the ERROR.
    pub(super) fn texts(&self) -> ErrorReply<'_> {
        ErrorReply { summary: self.summary, detail: &self.detail }
    }
}

/// Displays text from a client in quotes. Shows at most 100 characters. Replaces control characters, so that a terminal
/// does not interpret them.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        const CHARACTERS_MAX: usize = 100;
        let mut rest = self.0.chars();
        f.write_char('"')?;
        for character in rest.by_ref().take(CHARACTERS_MAX) {
            match character {
                '"' => f.write_char('\'')?,
                character if character.is_control() => f.write_char('\u{fffd}')?,
                character => f.write_char(character)?,
            }
        }
        f.write_str(if rest.as_str().is_empty() { "\"" } else { "…\"" })
    }
}

/// Returns a required header. Rejects the frame if the header is missing.
pub(super) fn required<'a>(frame: &'a Frame, name: &str) -> std::result::Result<Cow<'a, str>, Rejection> {
    frame.header(name).ok_or_else(|| Rejection::missing(frame.command, name))
}
