//! Actions: the output of a session. The connection task executes them in order.

use super::closing::Closing;
use crate::auth::Credentials;
use crate::destination::{Destination, Owner, Selector, UserPath};
use crate::outbound_queue::{Key, Tag};
use crate::permissions::{AccessDenied, Verb};
use bytes::Bytes;
use stompbox_frames::stomp::{Frame, Version};

/// The value of a `receipt` header, to be returned in a RECEIPT.
pub type Receipt = Box<str>;

/// A request of the session to the connection task, which executes actions in order.
///
/// The connection task must pass every receipt in an action to [`complete`](super::machine::Session::complete) or
/// [`close_with_error`](super::machine::Session::close_with_error): later receipts wait for it.
#[derive(Debug)]
pub enum Action {
    /// Write this frame. It ends with NUL LF.
    Write(Bytes),
    /// Write a heartbeat: one LF.
    HeartBeat,
    /// Check these credentials and call [`authenticated`](super::machine::Session::authenticated). No further frame may be
    /// handled before that call.
    Authenticate(Credentials),
    /// The name of the client program, for the preceding [`Action::Authenticate`].
    Agent(Box<str>),
    /// Check the new token in these credentials and call [`token_renewed`](super::machine::Session::token_renewed). No further
    /// frame may be handled before that call.
    Renew {
        /// Credentials that contain only the token.
        credentials: Credentials,
        /// The receipt to complete, if the client requested one.
        receipt: Option<Receipt>,
    },
    /// Set the decoder to the negotiated version and apply the limits of an authenticated client. CONNECTED precedes
    /// this action.
    Established(Version),
    /// Open this session's temporary queue for the subscription that follows, before any other action uses its address.
    /// The queue exists until the session ends, unless that subscription is rejected.
    OpenTemp(Destination),
    /// Route a SEND, then complete its receipt, or report the failure.
    Publish(Publish),
    /// Route an error report of the broker to this session. A failure to route it has no effect on the session.
    Report(Publish),
    /// Subscribe, then complete the receipt, or report the failure.
    Subscribe(Subscribe),
    /// End a subscription, then complete the receipt. Its deliveries that are still in the outbound queue are requeued.
    Unsubscribe {
        /// The key of the subscription.
        key: Key,
        /// The receipt to complete, if the client requested one.
        receipt: Option<Receipt>,
    },
    /// The connection is lost. Each entry is the delivery that the client was processing on one subscription, provided
    /// that the delivery was written. This action always precedes [`Action::Close`].
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
        /// The denied operation.
        verb: Verb,
        /// The destination that the client used.
        destination: Box<str>,
        /// The rule that denies it.
        denied: AccessDenied,
    },
    /// Log that a header of a SEND was ignored because Stompbox does not support it.
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
    /// Flush, linger and close. This is the last action of a session.
    Close(Closing),
}

/// A SEND to be routed.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The resolved target.
    pub to: SendTarget,
    /// The `destination` of the MESSAGE: the one of the SEND, without the name of a user.
    pub display_destination: Box<str>,
    /// The frame with its headers and body.
    pub frame: Frame,
    /// Headers that the broker sets. Each replaces a header of the same name in the frame.
    pub extra: Vec<(&'static str, Box<str>)>,
    /// The id of the only session of the user that receives the message; `None` for all of them.
    pub session: Option<Box<str>>,
    /// The receipt to complete after routing; `None` in a transaction.
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
    /// One destination. `/temp-queue/x` is replaced by its address, and a user destination contains its owner.
    One(Destination),
    /// The same user destination of many users.
    Users(Vec<Owner>, UserPath),
}

/// The action that the broker rejected. With `soft-errors` the session undoes only this action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedAction {
    /// The routing of a SEND.
    Publish,
    /// The subscription with this key.
    Subscribe(Key),
    /// Any other action. Its rejection always ends the session.
    Other,
}

/// A SUBSCRIBE to be executed.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The session's key for the subscription, which its deliveries contain.
    pub key: Key,
    /// The resolved destination or pattern.
    pub selector: Selector,
    /// Prefetch limit in messages, at least 1 and at most `unsettled-max`.
    pub prefetch: u32,
    /// Prefetch limit in bytes, if the client requested one. It applies if it is less than `prefetch-bytes`.
    pub prefetch_bytes: Option<usize>,
    /// For presence destinations: whether all user names are reported, beyond `presence-names-max`.
    pub names: bool,
    /// The receipt to complete, if the client requested one.
    pub receipt: Option<Receipt>,
}

/// Deliveries of a work queue that the client settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The key of the subscription.
    pub key: Key,
    /// Tags of the deliveries in the queue, in the order of delivery. No tag is 0, and the list is not empty.
    pub tags: Vec<Tag>,
    /// How the client settles them.
    pub disposition: Disposition,
}

/// How a client settles a delivery.
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
    /// Write the prefix and the tail.
    Write {
        /// Whether to report the tag to the queue as accepted when the delivery is written (auto mode).
        settle_when_written: bool,
    },
    /// Discard the delivery because the subscription has ended.
    Skip,
    /// The subscription has too many unsettled deliveries (`unsettled-max`): apply the slow-consumer policy.
    UnsettledCountExceeded,
    /// The unsettled deliveries of all subscriptions take too much memory (`subscription-bytes-max`): apply the
    /// slow-consumer policy.
    UnsettledBytesExceeded,
}
