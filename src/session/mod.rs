//! One STOMP conversation, sans-IO.
use crate::destination::{Destination, Selector};
use crate::outbox::{Key, Parcel, Tag};
use crate::users::{Credentials, Principal, Refused};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stompbox_frames::stomp::{DecodeError, Frame, HeartBeat, Version};

/// Limits and habits of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The broker's own heart-beat, milliseconds (`heart-beat`, default 10000,10000).
    pub heart_beat: HeartBeat,
    /// `connect-silence` (10 s): from the start or the last octet, until CONNECT is complete.
    pub connect_silence: Duration,
    /// `connect-timeout` (60 s): in all until CONNECT is complete.
    pub connect_timeout: Duration,
    /// `destination-bytes-max` (1024).
    pub destination_bytes_max: usize,
    /// `subscriptions-max` (1000).
    pub subscriptions_max: usize,
    /// `transactions-max` (100).
    pub transactions_max: usize,
    /// `transaction-frames-max` (10000): frames in one open transaction.
    pub transaction_frames_max: usize,
    /// `transaction-bytes-max` (4 MiB): octets parked in all open transactions of a connection.
    pub transaction_bytes_max: usize,
    /// `temp-queues-max` (100).
    pub temp_queues_max: usize,
    /// `unsettled-max` (10000): unsettled deliveries of a subscription in a client mode.
    pub unsettled_max: usize,
    /// `prefetch-count` (100) unless the SUBSCRIBE says otherwise.
    pub prefetch_count: u32,
    /// `frames-per-second-max` (0: off).
    pub frames_per_second_max: u32,
    /// `server` header of CONNECTED, "stompbox/0.1.0".
    pub server: &'static str,
}

/// A RECEIPT that is owed.
pub type Receipt = Box<str>;

/// What the session wishes; the connection task does it, in order.
#[derive(Debug)]
pub enum Action {
    /// Write this frame (ends in NUL LF).
    Write(Bytes),
    /// Write a heart-beat: one LF.
    HeartBeat,
    /// Check these credentials and call [`Session::authenticated`]; until then no further frame is handled.
    Authenticate(Credentials),
    /// CONNECTED was written: the decoder learns the version, the limits of a signed-in client apply.
    Established(Version),
    /// Open this session's temporary queue, before anything names it.
    OpenTemp(Destination),
    /// Route a SEND, then [`Session::complete`] or [`Session::refuse`].
    Publish(Publish),
    /// Subscribe, then complete or refuse.
    Subscribe(Subscribe),
    /// End a subscription (what is still in the outbox for it goes back), then complete.
    Unsubscribe { /** Which. */ key: Key, /** Owed. */ receipt: Option<Receipt> },
    /// Settle deliveries of a work queue, then complete.
    Settle { /** What. */ settle: Settle, /** Owed. */ receipt: Option<Receipt> },
    /// Apply all steps or none, then complete or refuse.
    Commit { /** In order. */ steps: Vec<Step>, /** Owed. */ receipt: Option<Receipt> },
    /// A limit was met (its option's name): count it.
    Limit(&'static str),
    /// Flush, linger and close. The last action.
    Close(Closing),
}

/// A SEND to be routed.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Where to, resolved (`/temp-queue/x` to its address).
    pub destination: Destination,
    /// As given on SEND: MESSAGE's `destination`.
    pub shown: Box<str>,
    /// The frame: headers and body.
    pub frame: Frame,
    /// The address that replaces `reply-to:/temp-queue/x`.
    pub reply_to: Option<Destination>,
    /// Owed once it is done; `None` in a transaction.
    pub receipt: Option<Receipt>,
}

/// A SUBSCRIBE to be done.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The session's name for it, used on parcels.
    pub key: Key,
    /// To what, resolved.
    pub selector: Selector,
    /// Credit in messages.
    pub prefetch: u32,
    /// Owed.
    pub receipt: Option<Receipt>,
}

/// Deliveries of a work queue that the client settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The subscription.
    pub key: Key,
    /// Places in the queue; never 0.
    pub tags: Vec<Tag>,
    /// ACK (`true`) or NACK.
    pub accepted: bool,
}

/// One step of a transaction.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Step { Publish(Publish), Settle(Settle) }

/// What to do with a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Write prefix and tail. `settle_when_written`: report its tag to the queue as accepted then (auto mode).
    Write { /** See there. */ settle_when_written: bool },
    /// The subscription is gone: not sent.
    Skip,
    /// The subscription has too many unsettled deliveries: the slow-consumer outcome.
    TooManyUnsettled,
}

/// Why a connection ends. Expected ends are values, logged and counted in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Closing {
    /// DISCONNECT.
    Disconnected,
    /// The peer closed or reset the socket.
    PeerLeft,
    /// Nothing heard for twice the heart-beat.
    HeartbeatLost,
    /// No complete CONNECT in time.
    ConnectTimeout,
    /// Login refused.
    Unauthenticated,
    /// The peer broke the protocol, or asked for what is not there.
    Rejected,
    /// A limit was met, by its option's name.
    Limit(&'static str),
    /// Outbox overflow, no progress, or too many unsettled.
    SlowConsumer,
    /// The broker stops.
    Shutdown,
}

/// The conversation.
#[derive(Debug)]
pub struct Session { _private: () }
impl Session {
    /// A session that awaits CONNECT. `id` is shown in CONNECTED; `addresses` makes unguessable names (the
    /// part behind `/temp-queue/`, starting with `~`) for temporary queues.
    pub fn new(options: Arc<Options>, id: String, addresses: Arc<dyn Fn() -> String + Send + Sync>, now: Instant) -> Session { let _ = (options, id, addresses, now); unimplemented!() }
    /// A frame has come.
    pub fn handle(&mut self, frame: Frame, now: Instant, actions: &mut Vec<Action>) { let _ = (frame, now, actions); unimplemented!() }
    /// The octets were no frame.
    pub fn malformed(&mut self, error: &DecodeError, actions: &mut Vec<Action>) { let _ = (error, actions); unimplemented!() }
    /// The answer to [`Action::Authenticate`].
    pub fn authenticated(&mut self, result: Result<Principal, Refused>, now: Instant, actions: &mut Vec<Action>) { let _ = (result, now, actions); unimplemented!() }
    /// An action is done: its RECEIPT, with further headers.
    pub fn complete(&mut self, receipt: Option<Receipt>, extra: &[(&str, &str)], actions: &mut Vec<Action>) { let _ = (receipt, extra, actions); unimplemented!() }
    /// The broker or the connection refuses an action, or ends the conversation: ERROR and close.
    pub fn refuse(&mut self, receipt: Option<Receipt>, error: Reject<'_>, closing: Closing, actions: &mut Vec<Action>) { let _ = (receipt, error, closing, actions); unimplemented!() }
    /// A parcel is about to be written: appends its prefix.
    pub fn deliver(&mut self, parcel: &Parcel, prefix: &mut BytesMut) -> Delivery { let _ = (parcel, prefix); unimplemented!() }
    /// Any octet was received.
    pub fn heard(&mut self, now: Instant) { let _ = now; unimplemented!() }
    /// Any octet was written.
    pub fn wrote(&mut self, now: Instant) { let _ = now; unimplemented!() }
    /// When [`Session::expire`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> { unimplemented!() }
    /// Heart-beats and timeouts that are due.
    pub fn expire(&mut self, now: Instant, actions: &mut Vec<Action>) { let _ = (now, actions); unimplemented!() }
    /// Octets parked in transactions.
    pub fn parked_bytes(&self) -> usize { unimplemented!() }
    /// Open transactions.
    pub fn open_transactions(&self) -> usize { unimplemented!() }
    /// The version, once negotiated; 1.2 before.
    pub fn version(&self) -> Version { unimplemented!() }
    /// The signed-in user's name.
    pub fn user(&self) -> Option<&str> { unimplemented!() }
    /// The id shown in CONNECTED.
    pub fn id(&self) -> &str { unimplemented!() }
}

/// Contents of an ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject<'a> {
    /// `message`.
    pub summary: &'a str,
    /// The body.
    pub detail: &'a str,
}
