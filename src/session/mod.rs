//! One STOMP session, sans-IO. Inputs are frames, the time, and results of earlier actions; outputs are [`Action`]s.
//!
//! ```text
//!                  CONNECT, STOMP                       authenticated(Ok)
//!  Connecting ----------------------> Authenticating ----------------------> Connected
//!      |        Authenticate               |                CONNECTED,           |   |
//!      |                                   |                Established          |   | DISCONNECT while
//!      | any other frame,                  | authenticated(Err)                  |   | receipts are pending
//!      | connect timeout                   |                        DISCONNECT,  |   v
//!      |                                   |                        a frame that | Leaving
//!      |                                   |                        breaks a rule|   | the last pending
//!      |                                   |                        or a limit,  |   | receipt is complete
//!      v                                   v                        no heartbeat v   v
//!    Closed <------------------------------+-------------------------------------+---+
//!         ERROR if a frame is rejected or the session fails, then Close.
//!         `close_with_error` leads here from every state, `malformed` from every state but Leaving.
//! ```
//!
//! In `Closed` the session handles no frame and emits no action: frames after DISCONNECT, or after a frame that was
//! answered by ERROR, are never executed. The caller must therefore execute the actions of one call before it makes the
//! next call.
//!
//! A session does not use sockets, clocks, random numbers or logs. Time is the argument `now`. Unguessable names come
//! from a function that is passed to [`Session::new`]. The session does not use the broker either: it requests
//! operations on messages as actions, and the caller reports the result with [`Session::complete`] or
//! [`Session::close_with_error`].
//!
//! Choices where the specification leaves one:
//!
//! - `host` may have any value or be missing.
//! - In 1.2 the `id` of an ACK may also be a `message-id`.
//! - An ACK for a subscription in auto mode is ignored.
//! - UNSUBSCRIBE of an unknown subscription succeeds without an effect.
//! - No two deliveries of all sessions have the same `ack`. A value that a client kept from its previous connection
//!   therefore settles nothing on the next one.
//!
//! Headers of other brokers that STOMP does not define are in [`extensions`].

mod access;
mod access_cache;
mod acknowledge;
mod action;
mod closing;
mod connect;
mod ending;
mod errors;
pub mod extensions;
mod memory;
mod options;
mod prefetch;
mod receipts;
mod send;
mod state;
mod subscribe;
mod subscriptions;
mod temp;
mod timers;
mod transactions;
mod unsettled;

#[cfg(test)]
mod tests;

pub use action::{
    Action, CommitOperation, DeliveryAction, Disposition, Publish, Receipt, RejectedAction, SendTarget,
    Settle, Subscribe,
};
pub use closing::{Closing, Slowness};
pub use errors::ErrorReply;
pub use options::Options;

use crate::auth::{Principal, Refused};
use crate::outbound_queue::Delivery;
use crate::permissions::Permissions;
use access::may_be_soft;
use access_cache::AccessCache;
use bytes::BytesMut;
use errors::{Rejection, required};
use extensions::WarnedHeaders;
use receipts::Receipts;
use state::State;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::message::{self, DeliveryHeaders};
use stompbox_frames::stomp::{Command, DecodeError, Frame, Version};
use subscriptions::{AckMode, Subscription, Subscriptions};
use temp::TempQueues;
use timers::{HeartbeatEvent, RateLimiter, Timers};
use transactions::{Discarded, Transactions};
use unsettled::{AckId, AckIdBuffer, AckPrefix};

/// A generator of unguessable names for temporary queues: the part after `/temp-queue/`, starting with `~`.
type Addresses = dyn Fn() -> String + Send + Sync;

/// A STOMP session: the sans-IO state machine of one connection.
///
/// `repr(C)` keeps the order of the fields: those that a delivery uses come first.
#[repr(C)]
pub struct Session {
    state: State,
    version: Version,
    /// Whether the client requested `soft-errors`.
    soft_errors: bool,
    ack_prefix: AckPrefix,
    timers: Timers,
    subscriptions: Subscriptions,
    options: Arc<Options>,
    principal: Principal,
    receipts: Receipts,
    addresses: Arc<Addresses>,
    id: Box<str>,
    /// The permission rules; `None` before the client is authenticated.
    permissions: Option<Arc<Permissions>>,
    access_cache: AccessCache,
    rate: RateLimiter,
    transactions: Transactions,
    temps: TempQueues,
    /// State that few sessions need; `None` until it is used.
    rare: Option<Box<RareState>>,
}

/// State that few sessions need. It is boxed to keep [`Session`] small.
#[derive(Debug, Default)]
struct RareState {
    /// The ignored headers that were logged already.
    warned: WarnedHeaders,
    /// The `message` header of the ERROR that ended the session.
    error: Option<Box<str>>,
    /// Transactions that were aborted or rejected and whose frames are not freed yet.
    discarded: Vec<Discarded>,
}

impl Session {
    /// Creates a session that waits for CONNECT.
    ///
    /// `id` must be random: CONNECTED shows it, and `ack` values contain a part of it. `addresses` generates
    /// unguessable names for temporary queues: the part after `/temp-queue/`, starting with `~`.
    pub fn new(options: Arc<Options>, id: String, addresses: Arc<Addresses>, now: Instant) -> Session {
        Session {
            options,
            addresses,
            ack_prefix: AckPrefix::of(&id),
            id: id.into(),
            principal: Principal::default(),
            permissions: None,
            access_cache: AccessCache::default(),
            soft_errors: false,
            version: Version::V1_2,
            state: State::Connecting,
            timers: Timers::new(now),
            rate: RateLimiter::default(),
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            transactions: Transactions::default(),
            temps: TempQueues::default(),
            rare: None,
        }
    }

    /// Handles a frame of the client. Must not be called between [`Action::Authenticate`] and
    /// [`Session::authenticated`].
    pub fn handle(&mut self, frame: Frame, now: Instant, actions: &mut Vec<Action>) {
        let mut receipt = receipts::requested(&frame);
        let receipt_fits = receipt.as_deref().map_or(Ok(()), |receipt| self.check_id("receipt", receipt));
        if receipt_fits.is_err() {
            receipt = None;
        }
        if self.is_expired(now) && self.state == State::Connected {
            return self.fail(receipt, &Rejection::expired(), actions);
        }
        let command = frame.command;
        let (transaction, destination) = self.transaction_and_destination(&frame);
        let handled = match self.state {
            State::Connected if receipt_fits.is_err() => receipt_fits,
            State::Connecting => self.connect(&frame, actions),
            State::Authenticating { .. } => Err(Rejection::while_authenticating(frame.command)),
            State::Connected => self.handle_connected(frame, &mut receipt, now, actions),
            State::Leaving | State::Closed => Ok(()),
        };
        if let Err(rejection) = handled {
            self.reject(command, (transaction.as_deref(), destination), receipt, rejection, actions);
        }
    }

    /// Returns the transaction and the destination of a frame whose rejection may leave the session open.
    fn transaction_and_destination(&self, frame: &Frame) -> (Option<Box<str>>, Option<Box<str>>) {
        if !self.soft_errors || !may_be_soft(frame.command) {
            return (None, None);
        }
        let in_transactions = matches!(frame.command, Command::Send | Command::Ack | Command::Nack);
        let transaction = frame.header("transaction").filter(|_| in_transactions);
        (transaction.map(Box::from), frame.header("destination").map(Box::from))
    }

    /// Ends the session because the received bytes are not a valid frame.
    pub fn malformed(&mut self, error: &DecodeError, actions: &mut Vec<Action>) {
        if self.state != State::Leaving {
            let receipt = error.receipt.as_deref().map(Receipt::from);
            self.fail(receipt, &Rejection::undecodable(error), actions);
        }
    }

    /// Handles the result of [`Action::Authenticate`]. `permissions` are the current rules.
    pub fn authenticated(
        &mut self,
        result: Result<Principal, Refused>,
        permissions: Arc<Permissions>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let State::Authenticating { peer } = self.state else { return };
        match result {
            Ok(principal) => {
                self.permissions = Some(permissions);
                self.establish(principal, peer, now, actions);
            }
            Err(refused) => {
                let closing = refused.limit.map_or(Closing::Unauthenticated, Closing::Limit);
                let texts = ErrorReply { summary: refused.summary, detail: &refused.detail };
                self.write_error(None, texts, None, closing, actions);
            }
        }
    }

    /// Reports that an action is done. Its RECEIPT, with the headers `extra`, is sent when all earlier receipts are
    /// complete.
    pub fn complete(&mut self, receipt: Option<Receipt>, extra: &[(&str, &str)], actions: &mut Vec<Action>) {
        let Some(receipt) = receipt else { return };
        if self.state == State::Closed {
            return;
        }
        let frame = self.encode_receipt(&receipt, extra);
        self.receipts.complete(&receipt, frame);
        self.release_receipts(actions);
    }

    /// Sends the completed receipts that no earlier receipt holds back.
    fn release_receipts(&mut self, actions: &mut Vec<Action>) {
        while let Some(frame) = self.receipts.pop() {
            actions.push(Action::Write(frame));
        }
        if self.state == State::Leaving && self.receipts.is_empty() {
            self.close(Closing::Disconnected, actions);
        }
    }

    /// Decides what to do with a delivery that is about to be written. For [`DeliveryAction::Write`] appends the start
    /// of the MESSAGE, with the headers of this subscription, to `prefix`.
    pub fn deliver(&mut self, delivery: &Delivery, prefix: &mut BytesMut) -> DeliveryAction {
        let (version, ack_prefix, unsettled_max) =
            (self.version, self.ack_prefix, self.options.unsettled_max);
        let is_full = self.subscriptions.unsettled_bytes() >= self.options.subscription_bytes_max;
        let deliver = |subscription: &mut Subscription| {
            let mut buffer = AckIdBuffer::default();
            let mut ack = None;
            if let AckMode::Client(_) = subscription.mode {
                // Deliveries of a work queue (tag != 0) are bounded by the prefetch limit of the consumer instead.
                if delivery.tag == 0 && subscription.unsettled.len() >= unsettled_max {
                    return DeliveryAction::UnsettledCountExceeded;
                }
                if delivery.tag == 0 && is_full {
                    return DeliveryAction::UnsettledBytesExceeded;
                }
                let number = subscription.unsettled.deliver(delivery.tag, delivery.message.id());
                if version == Version::V1_2 {
                    ack = Some(AckId { key: delivery.key, number }.format_into(ack_prefix, &mut buffer));
                }
            }
            let subscription_id = subscription.id.as_deref();
            message::prefix(
                prefix,
                version,
                DeliveryHeaders { subscription: subscription_id, ack, count: delivery.count },
            );
            DeliveryAction::Write {
                settle_when_written: subscription.mode == AckMode::Auto && delivery.tag != 0,
            }
        };
        self.subscriptions.change(delivery.key, deliver).unwrap_or(DeliveryAction::Skip)
    }

    /// Records that at least one byte was received.
    pub fn note_input(&mut self, now: Instant) {
        self.timers.note_input(now);
    }

    /// Records that at least one byte was written.
    pub fn note_output(&mut self, now: Instant) {
        self.timers.note_output(now);
    }

    /// Returns the time at which [`Session::expire`] must be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting => self.timers.connect_deadline(&self.options),
            State::Connected => {
                [self.timers.heartbeat_deadline(), self.principal.expires].into_iter().flatten().min()
            }
            State::Authenticating { .. } | State::Leaving | State::Closed => None,
        }
    }

    /// Handles heartbeats and timeouts that are due.
    pub fn expire(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match self.state {
            State::Connecting => {
                if let Some(expired) = self.timers.expired_timeout(&self.options, now) {
                    self.fail(None, &Rejection::connect_timeout(expired), actions);
                }
            }
            State::Connected if self.is_expired(now) => self.fail(None, &Rejection::expired(), actions),
            State::Connected => match self.timers.poll_heartbeat(now) {
                Some(HeartbeatEvent::Send) => actions.push(Action::HeartBeat),
                Some(HeartbeatEvent::Lost) => self.close(Closing::HeartbeatLost, actions),
                None => {}
            },
            State::Authenticating { .. } | State::Leaving | State::Closed => {}
        }
    }

    /// Returns the negotiated version; 1.2 before CONNECT.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the name of the authenticated user.
    pub fn user(&self) -> Option<&str> {
        self.principal.name.as_deref()
    }

    /// Returns the principal whose permissions apply to this session.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the session id that CONNECTED shows.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Handles a frame in the state `Connected`. On an error `receipt` keeps its value.
    fn handle_connected(
        &mut self,
        frame: Frame,
        receipt: &mut Option<Receipt>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let per_second = self.options.frames_per_second_max;
        if self.rate.exceeded(per_second, now) {
            return Err(Rejection::frame_rate(per_second));
        }
        match frame.command {
            Command::Send => self.send(frame, receipt, actions),
            Command::Subscribe => self.subscribe(&frame, receipt, actions),
            Command::Unsubscribe => self.unsubscribe(&frame, receipt, actions),
            Command::Ack | Command::Nack => self.acknowledge(&frame, receipt, actions),
            Command::Begin => self.begin(&frame, receipt, actions),
            Command::Commit => self.commit(&frame, receipt, actions),
            Command::Abort => self.abort(&frame, receipt, actions),
            Command::Disconnect => {
                self.disconnect(receipt.take(), actions);
                Ok(())
            }
            Command::Connect | Command::Stomp => Err(Rejection::connected_already(frame.command)),
            Command::Connected | Command::Message | Command::Receipt | Command::Error => {
                Err(Rejection::server_command(frame.command))
            }
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("principal", &self.principal)
            .field("version", &self.version)
            .field("state", &self.state)
            .field("subscriptions", &self.subscriptions)
            .field("transactions", &self.transactions)
            .finish_non_exhaustive()
    }
}
