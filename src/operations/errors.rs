//! The table of the rejections of requests. A rejection says what was wrong and what was expected.

use super::transaction::TransactionName;
use crate::permissions::Verb;
use crate::rejection::{Code, Quoted, Rejection, limits, rejections};

rejections! {
    Invalid:
    foreign_temp_queue(destination: &str) = "not your temporary queue",
        "{} is the address of a temporary queue, which accepts only SEND. SUBSCRIBE to /temp-queue/NAME with a NAME of your choice.", Quoted(destination);
    unknown_temp_queue(destination: &str) = "unknown temporary queue",
        "This session has no temporary queue {}. SUBSCRIBE to it first, or name it in the header reply-to of a SEND.", Quoted(destination);
    to_missing() = "missing header",
        "SEND to /users/ has no header `to`, which is required. Send the names of the users, as in to:alice,bob.";
    reply_to_elsewhere(destination: &str) = "reply-to is not yours",
        "Invalid value {} of the header reply-to: expected /temp-queue/x or /user/queue/x. A service can reply only to the sender. Without this header, replies go to /user/queue/replies.", Quoted(destination);
    session_elsewhere(destination: &str) = "session header is not for this destination",
        "The header session is not valid for {}. It selects one session of a user. Send it only to /user/queue/x or /user/NAME/queue/x.", Quoted(destination);
}

rejections! {
    NotSettled:
    frame_was_rejected(transaction: TransactionName<'_>) = "transaction cannot be committed",
        "A frame of the {transaction} was rejected. The whole transaction is discarded.";
    subscription_ended(transaction: TransactionName<'_>, subscription: &str) = "transaction cannot be committed",
        "The {transaction} settles deliveries of the subscription {}, which has ended. These deliveries were requeued. The whole transaction is discarded.", Quoted(subscription);
}

rejections! {
    Internal:
    no_temp_queue(destination: &str) = "temporary queue not opened",
        "The broker generated an invalid address for {}. This is an error in the broker.", Quoted(destination);
}

limits! {
    temp_queues(max: usize) @ TempQueues = "too many temporary queues",
        "This session already has {max} temporary queues, the maximum.";
    to_bytes(max: usize) @ ToBytes = "too many recipients",
        "The header `to` exceeds the maximum of {max} bytes.";
    to_elsewhere(destination: &str, max: usize) @ HeaderBytes = "header line too long",
        "The header `to` of a SEND to {} exceeds the maximum of {max} bytes. Only a SEND to /users/ may have a longer header `to`.", Quoted(destination);
    recipient(name: &str, max: usize) @ DestinationBytes = "invalid destination",
        "With the name {} from the header `to`, the destination exceeds the maximum of {max} bytes.", Quoted(name);
    to_count(max: usize) @ ToNames = "too many recipients",
        "The header `to` exceeds the maximum of {max} names.";
    transaction_frames(transaction: TransactionName<'_>, max: usize) @ TransactionFrames = "transaction too long",
        "The {transaction} already has {max} frames, the maximum.";
    transaction_bytes(max: usize) @ TransactionBytes = "transactions too large",
        "With this frame, the open transactions of this session exceed the maximum of {max} bytes.";
}

impl Rejection {
    /// Returns the rejection of a request that a permission rule denies. The log shows the rule, the client does not
    /// see it.
    pub(crate) fn access_denied(verb: Verb, destination: &str, rule: &str) -> Rejection {
        let what = match verb {
            Verb::Send => "send to",
            Verb::Subscribe => "subscribe to",
        };
        let detail = format!(
            "This user may not {what} {}. The operator of the broker can allow it with a rule (option permission).",
            Quoted(destination)
        );
        Rejection::denied(verb.as_str(), destination, rule, detail)
    }

    pub(crate) fn reply_to(error: Rejection) -> Rejection {
        Rejection::new(
            Code::Invalid,
            "invalid reply-to",
            format!("Invalid header reply-to: {}", error.detail),
        )
    }

    pub(crate) fn to_names(error: Rejection) -> Rejection {
        Rejection::new(Code::Invalid, "malformed to header", error.detail)
    }
}
