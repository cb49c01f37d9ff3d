//! What a session wishes: the connection task does it, in order.

use super::Closing;
use crate::destination::{Destination, Owner, Selector, UserPath};
use crate::outbound_queue::{Key, Tag};
use crate::users::Credentials;
use crate::users::permissions::{Denied, Verb};
use bytes::Bytes;
use stompbox_frames::stomp::{Frame, Version};

/// A RECEIPT that is owed.
pub type Receipt = Box<str>;

/// What the session wishes; the connection task does it, in order.
///
/// Every receipt in an action must come back by [`complete`](super::Session::complete) or
/// [`refuse`](super::Session::refuse): those that come behind it wait for it.
#[derive(Debug)]
pub enum Action {
    /// Write this frame (ends in NUL LF).
    Write(Bytes),
    /// Write a heart-beat: one LF.
    HeartBeat,
    /// Check these credentials and call [`authenticated`](super::Session::authenticated); until then no
    /// further frame is handled.
    Authenticate(Credentials),
    /// The name of the program of the client in the last [`Action::Authenticate`].
    Agent(Box<str>),
    /// Check the new token in these credentials and call [`renewed`](super::Session::renewed); until then no further
    /// frame is handled.
    Renew {
        /// With nothing but the token.
        credentials: Credentials,
        /// Owed.
        receipt: Option<Receipt>,
    },
    /// CONNECTED was written: the decoder learns the version, the limits of a signed-in client apply.
    Established(Version),
    /// Open this session's temporary queue for the subscription that follows, before anything names it. It lives as long
    /// as the session, unless that subscription is refused.
    OpenTemp(Destination),
    /// Route a SEND, then complete or refuse.
    Publish(Publish),
    /// Route what the broker itself has to say to this session. If it cannot be, nothing follows from it.
    Report(Publish),
    /// Subscribe, then complete or refuse.
    Subscribe(Subscribe),
    /// End a subscription (what is still in the outbound queue for it goes back), then complete.
    Unsubscribe {
        /// Which.
        key: Key,
        /// Owed.
        receipt: Option<Receipt>,
    },
    /// The connection is lost: each of these deliveries is the one that the client was working on in its subscription,
    /// if it was written. Always before [`Action::Close`].
    Lost(Vec<(Key, Tag)>),
    /// Settle deliveries of a work queue, then complete.
    Settle {
        /// What.
        settle: Settle,
        /// Owed.
        receipt: Option<Receipt>,
    },
    /// Apply all steps or none, then complete or refuse.
    Commit {
        /// In order.
        steps: Vec<Step>,
        /// Owed.
        receipt: Option<Receipt>,
    },
    /// Something may not be done: log and count it.
    Denied {
        /// What.
        verb: Verb,
        /// With what.
        destination: Box<str>,
        /// By which rule.
        denied: Denied,
    },
    /// Log that a header of a SEND was ignored, since Stompbox does not support it.
    IgnoredHeader {
        /// The name of the header.
        name: &'static str,
        /// Why the header is ignored, and what to use instead.
        reason: &'static str,
        /// Whether `strict-headers` refuses a SEND with this header.
        can_be_refused: bool,
    },
    /// A limit was met (its option's name): count it.
    Limit(&'static str),
    /// Flush, linger and close. The last action.
    Close(Closing),
}

/// A SEND to be routed.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Where to, resolved.
    pub to: Target,
    /// MESSAGE's `destination`: as given on SEND, without the user's name.
    pub shown: Box<str>,
    /// The frame: headers and body.
    pub frame: Frame,
    /// Headers that the broker sets, each in place of one of that name.
    pub extra: Vec<(&'static str, Box<str>)>,
    /// Of a user's sessions only this one.
    pub session: Option<Box<str>>,
    /// Owed once it is done; `None` in a transaction.
    pub receipt: Option<Receipt>,
}

impl Publish {
    /// Returns the number of recipients: the users, or 1 for a single destination.
    pub fn recipients(&self) -> usize {
        match &self.to {
            Target::One(_) => 1,
            Target::Users(owners, _) => owners.len(),
        }
    }
}

/// Where a SEND goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One destination; `/temp-queue/x` is its address, a user's has its owner.
    One(Destination),
    /// The same destination of many users.
    Users(Vec<Owner>, UserPath),
}

/// What a refusal is about: what must be taken back where it costs no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedAction {
    /// A SEND.
    Publish,
    /// The subscription of this name.
    Subscribe(Key),
    /// Anything else: it ends the conversation in any case.
    Other,
}

/// A SUBSCRIBE to be done.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The session's name for it, used on deliveries.
    pub key: Key,
    /// To what, resolved.
    pub selector: Selector,
    /// Credit in messages, at least 1 and at most `unsettled-max`.
    pub prefetch: u32,
    /// Credit in bytes, if the client asked for one. It applies if it is less than `prefetch-bytes`.
    pub prefetch_bytes: Option<usize>,
    /// Of presence: all names, however many.
    pub names: bool,
    /// Owed.
    pub receipt: Option<Receipt>,
}

/// Deliveries of a work queue that the client settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The subscription.
    pub key: Key,
    /// Places in the queue, in the order of delivery; never 0, never empty.
    pub tags: Vec<Tag>,
    /// How the client settles them.
    pub disposition: Disposition,
}

/// How a client settles a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// ACK: the message is done.
    Accepted,
    /// NACK: the message is delivered again.
    Returned,
    /// NACK with `requeue:false`: the message is not delivered again.
    Rejected,
}

/// One step of a transaction.
#[derive(Clone, Debug)]
pub enum Step {
    /// A SEND.
    Publish(Box<Publish>),
    /// An ACK or a NACK.
    Settle(Settle),
}

/// What to do with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryAction {
    /// Write prefix and tail.
    Write {
        /// Report its tag to the queue as accepted once it is written (auto mode).
        settle_when_written: bool,
    },
    /// The subscription is gone: not sent.
    Skip,
    /// The subscription has too many unsettled deliveries (`unsettled-max`): the slow-consumer outcome.
    UnsettledCountExceeded,
    /// All unsettled deliveries of the session take too much memory (`subscription-bytes-max`): the slow-consumer
    /// outcome.
    UnsettledBytesExceeded,
}
