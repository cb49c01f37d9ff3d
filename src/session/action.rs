//! The output of a session: a list of actions.

use super::closing::Closing;
use crate::auth::Credentials;
use crate::command::{Publish, Settle, Step, Subscribe};
use crate::destination::Destination;
use crate::outbound_queue::{Key, Tag};
use crate::rejection::{Denial, Limit};
use bytes::Bytes;
use std::sync::Arc;
use stompbox_frames::stomp::Version;

/// A `receipt` header that the client expects to get back in a RECEIPT. Clones stand for the same header.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The value of the header.
    pub id: Arc<str>,
}

impl Receipt {
    /// Returns whether both are clones of one receipt. Equal values do not suffice, because a client may use a value
    /// again before its RECEIPT was sent.
    pub(super) fn is_same(&self, other: &Receipt) -> bool {
        Arc::ptr_eq(&self.id, &other.id)
    }
}

impl<T: Into<Arc<str>>> From<T> for Receipt {
    fn from(id: T) -> Receipt {
        Receipt { id: id.into() }
    }
}

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
    Publish {
        /// The message and its audience. It is boxed, because moving it costs more than an allocation.
        publish: Box<Publish>,
        /// The receipt to complete, if the client requested one.
        receipt: Option<Receipt>,
    },
    /// Route an error report to this session. If this fails, the session continues.
    Report(Box<Publish>),
    /// Subscribe, then complete the receipt, or report the failure.
    Subscribe {
        /// The destination and the options.
        subscribe: Subscribe,
        /// The receipt to complete, if the client requested one.
        receipt: Option<Receipt>,
    },
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
        steps: Vec<Step>,
        /// The receipt to complete, if the client requested one.
        receipt: Option<Receipt>,
    },
    /// Log and count a request that a permission rule denies.
    AccessDenied(Box<Denial>),
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
    Limit(Limit),
    /// Write all pending output, then close the connection. This is the last action of a session.
    Close(Closing),
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
