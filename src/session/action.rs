//! The output of a session: a list of actions.

use super::closing::Closing;
use crate::auth::Credentials;
use crate::destination::{Destination, Owner, Selector, UserPath};
use crate::outbound_queue::{Key, Tag};
use crate::permissions::{AccessDenied, Verb};
use bytes::Bytes;
use stompbox_frames::stomp::{Frame, Version};

/// The value of a `receipt` header. The client gets it back in a RECEIPT.
pub type Receipt = Box<str>;

/// A request of the session to the connection task. The task executes actions in order.
///
/// The connection task must pass every receipt in an action to [`complete`](super::machine::Session::complete) or
/// [`close_with_error`](super::machine::Session::close_with_error). Until then, the receipts of later frames wait.
#[derive(Debug)]
pub enum Action {
    /// Write this frame. It ends with NUL LF.
    Write(Bytes),
    /// Write a heartbeat: one LF.
    HeartBeat,
    /// Check these credentials and call [`authenticated`](super::machine::Session::authenticated). No further frame may
    /// be handled before that call.
    Authenticate(Credentials),
    /// The name of the client program. Follows the [`Action::Authenticate`] of the same CONNECT.
    Agent(Box<str>),
    /// Check the new token in these credentials and call [`token_renewed`](super::machine::Session::token_renewed). No
    /// further frame may be handled before that call.
    Renew {
        /// Credentials that contain only the token.
        credentials: Credentials,
        /// The receipt to complete, if the client requested one.
        receipt: Option<Receipt>,
    },
    /// Set the decoder to the negotiated version and apply the limits of an authenticated client. Follows the
    /// [`Action::Write`] of CONNECTED.
    Established(Version),
    /// Open a temporary queue of this session with this address. The [`Action::Subscribe`] that needs the queue
    /// follows. The queue exists until the session ends, or until the broker rejects that subscription.
    OpenTemp(Destination),
    /// Route a SEND, then complete its receipt, or report the failure.
    Publish(Publish),
    /// Route an error report to this session. If this fails, the session continues.
    Report(Publish),
    /// Subscribe, then complete the receipt, or report the failure.
    Subscribe(Subscribe),
    /// End a subscription, then complete the receipt. The broker requeues the unsettled deliveries of a work queue.
    /// This includes deliveries that are still in the outbound queue.
    Unsubscribe {
        /// The key of the subscription.
        key: Key,
        /// The receipt to complete, if the client requested one.
        receipt: Option<Receipt>,
    },
    /// The client is lost. Each entry is the oldest unsettled delivery of one subscription. The client was probably
    /// processing this delivery. If the broker has written it, it counts as failed. [`Action::Close`] follows.
    Lost(Vec<(Key, Tag)>),
    /// Settle deliveries of a work queue, then complete the receipt.
    Settle {
        /// The deliveries, and how they are settled.
        settle: Settle,
        /// The receipt to complete, if the client requested one.
        receipt: Option<Receipt>,
    },
    /// Apply all steps or none, then complete the receipt, or report the failure.
    Commit {
        /// The steps of the transaction, in the order of their frames.
        steps: Vec<CommitOperation>,
        /// The receipt to complete, if the client requested one.
        receipt: Option<Receipt>,
    },
    /// Log and count a request that a permission rule denies.
    AccessDenied {
        /// The operation that was denied.
        verb: Verb,
        /// The destination that the client used.
        destination: Box<str>,
        /// The rule that denies the request, or another reason for the denial.
        denied: AccessDenied,
    },
    /// Log that the session ignored an unsupported header of a SEND.
    IgnoredHeader {
        /// The name of the header.
        name: &'static str,
        /// Why the header is ignored, and what to use instead.
        reason: &'static str,
        /// Whether `strict-headers` rejects a SEND with this header.
        can_be_rejected: bool,
    },
    /// Count that the limit of this option was reached.
    Limit(&'static str),
    /// Write all pending output, then close the connection. This is the last action of a session.
    Close(Closing),
}

/// A SEND that the broker must route.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The target, after the session has resolved it.
    pub to: SendTarget,
    /// The `destination` of the MESSAGE. It is the `destination` of the SEND without the name of a user.
    pub display_destination: Box<str>,
    /// The SEND frame, with its headers and body.
    pub frame: Frame,
    /// The headers that the broker sets. Each replaces a header with the same name in the frame.
    pub extra: Vec<(&'static str, Box<str>)>,
    /// The ID of the only session that receives a message to a user. `None` if all sessions of the user receive it.
    pub session: Option<Box<str>>,
    /// The receipt to complete after routing. `None` for a SEND in a transaction.
    pub receipt: Option<Receipt>,
}

impl Publish {
    /// Returns the number of recipients.
    pub fn recipients(&self) -> usize {
        match &self.to {
            SendTarget::One(_) => 1,
            SendTarget::Users(owners, _) => owners.len(),
        }
    }
}

/// The target of a SEND.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendTarget {
    /// One destination. For a temporary queue, it is the address, not the session's own name `/temp-queue/x`. A user
    /// destination contains its owner.
    One(Destination),
    /// The same user destination of many users.
    Users(Vec<Owner>, UserPath),
}

/// The action that the broker rejected. If the client requested `soft-errors`, the session undoes only this action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedAction {
    /// The routing of a SEND.
    Publish,
    /// The subscription with this key.
    Subscribe(Key),
    /// Any other action. Its rejection always ends the session.
    Other,
}

/// A SUBSCRIBE that the broker must execute.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The key that the session has given to the subscription. Each delivery of the subscription contains it.
    pub key: Key,
    /// The resolved destination or pattern.
    pub selector: Selector,
    /// Prefetch limit in messages, at least 1 and at most `unsettled-max`.
    pub prefetch: u32,
    /// Prefetch limit in bytes, if the client requested one. The lower of this limit and the option `prefetch-bytes`
    /// applies.
    pub prefetch_bytes: Option<usize>,
    /// Whether a presence report contains all user names, even if there are more than `presence-names-max`. Applies to
    /// presence destinations only.
    pub names: bool,
    /// The receipt to complete, if the client requested one.
    pub receipt: Option<Receipt>,
}

/// Deliveries of a work queue that the client settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The key of the subscription.
    pub key: Key,
    /// The tags of the deliveries in the queue, in the order of delivery. The list is not empty. It contains no 0.
    pub tags: Vec<Tag>,
    /// The way in which the client settles the deliveries.
    pub disposition: Disposition,
}

/// The way in which a client settles a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// ACK: the message is processed.
    Accepted,
    /// NACK: the message is requeued.
    Returned,
    /// NACK with `requeue:false`: the message is dead-lettered.
    Rejected,
}

/// One step of a transaction.
#[derive(Clone, Debug)]
pub enum CommitOperation {
    /// The routing of a SEND.
    Publish(Box<Publish>),
    /// The settlement of an ACK or a NACK.
    Settle(Settle),
}

/// The decision of the session about a delivery that is about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryAction {
    /// Write the prefix, and the tail of the message.
    Write {
        /// Whether to settle the delivery as accepted when it is written. True for a work queue in auto mode.
        settle_when_written: bool,
    },
    /// Discard the delivery because the subscription has ended.
    Skip,
    /// Apply the slow-consumer policy: the subscription has too many unsettled deliveries (`unsettled-max`).
    UnsettledCountExceeded,
    /// Apply the slow-consumer policy: the unsettled deliveries of all subscriptions take too much memory
    /// (`subscription-bytes-max`).
    UnsettledBytesExceeded,
}
