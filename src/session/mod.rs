//! One STOMP conversation, sans-IO: frames, time and answers go in, [`Action`]s come out.
//!
//! ```text
//!                  CONNECT, STOMP                       authenticated(Ok)
//!  Connecting ----------------------> Authenticating ----------------------> Connected
//!      |        Authenticate               |                CONNECTED,           |   |
//!      |                                   |                Established          |   | DISCONNECT while
//!      | any other frame,                  | authenticated(Err)                  |   | receipts are owed
//!      | too late                          |                        DISCONNECT,  |   v
//!      |                                   |                        a frame that | Leaving
//!      |                                   |                        breaks a rule|   | the last of them
//!      |                                   |                        or a limit,  |   | is complete
//!      v                                   v                        no heart-beat v   v
//!    Closed <------------------------------+-------------------------------------+---+
//!         ERROR where somebody has done wrong, then Close; `refuse` and `malformed` lead here from everywhere
//! ```
//!
//! In `Closed` nothing is handled and nothing is emitted: what a client sent behind DISCONNECT, or behind the
//! frame that was answered by ERROR, is never executed. For that to hold, whoever drives a session does the
//! actions of one call before it makes the next.
//!
//! A session knows no socket, no clock, no chance and no log: time is the argument `now`, names that must be
//! unguessable come from a function that is passed in. It knows no broker either: what must be done to
//! messages it wishes for, and hears of it by [`Session::complete`] or [`Session::refuse`].
//!
//! Where the specification leaves a choice: `host` may be anything or be missing; a `message-id` is taken for
//! the `id` of an ACK in 1.2; an ACK on a subscription in auto mode is ignored; UNSUBSCRIBE of an unknown subscription
//! does nothing, successfully; no two deliveries of all sessions have the same `ack`, so that what a client kept from the
//! connection before settles nothing on the next. Headers that other brokers know and STOMP does not are in
//! [`extensions`].

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
    Action, DeliveryAction, Disposition, Publish, Receipt, RefusedAction, Settle, Step, Subscribe, Target,
};
pub use closing::{Closing, Slowness};
pub use errors::ErrorReply;
pub use options::Options;

use crate::outbound_queue::Delivery;
use crate::users::permissions::Permissions;
use crate::users::{Principal, Refused};
use access::may_be_soft;
use access_cache::AccessCache;
use bytes::{Bytes, BytesMut};
use errors::{Rejection, required};
use extensions::Warned;
use receipts::Receipts;
use state::State;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::message::{self, DeliveryHeaders};
use stompbox_frames::stomp::{Command, DecodeError, Frame, Version, encode};
use subscriptions::{Mode, Subscription, Subscriptions};
use temp::TempQueues;
use timers::{HeartbeatEvent, Rate, Timers};
use transactions::{Discarded, Transactions};
use unsettled::{AckId, AckIdBuffer, Token};

/// Makes names that nobody can guess for temporary queues: the part behind `/temp-queue/`, starting with `~`.
type Addresses = dyn Fn() -> String + Send + Sync;

/// The conversation; in memory as it stands here: first what deliveries touch.
#[repr(C)]
pub struct Session {
    state: State,
    version: Version,
    /// Whether the client asked for them.
    soft_errors: bool,
    token: Token,
    timers: Timers,
    subscriptions: Subscriptions,
    options: Arc<Options>,
    principal: Principal,
    receipts: Receipts,
    addresses: Arc<Addresses>,
    id: Box<str>,
    /// The rules; none before it is let in.
    permissions: Option<Arc<Permissions>>,
    access_cache: AccessCache,
    rate: Rate,
    transactions: Transactions,
    temps: TempQueues,
    /// State that few sessions need.
    rare: Option<Box<RareState>>,
}

/// State that few sessions need, in a box of its own.
#[derive(Debug, Default)]
struct RareState {
    /// Ignored headers that were logged.
    warned: Warned,
    /// What the ERROR said with which it ended.
    error: Option<Box<str>>,
    /// Aborted and refused transactions, until their frames are freed.
    discarded: Vec<Discarded>,
}

impl Session {
    /// A session that awaits CONNECT. `id` is random, is shown in CONNECTED and is a part of `ack` values; `addresses`
    /// makes unguessable names (the part behind `/temp-queue/`, starting with `~`) for temporary queues.
    pub fn new(options: Arc<Options>, id: String, addresses: Arc<Addresses>, now: Instant) -> Session {
        Session {
            options,
            addresses,
            token: Token::of(&id),
            id: id.into(),
            principal: Principal::default(),
            permissions: None,
            access_cache: AccessCache::default(),
            soft_errors: false,
            version: Version::V1_2,
            state: State::Connecting,
            timers: Timers::new(now),
            rate: Rate::default(),
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            transactions: Transactions::default(),
            temps: TempQueues::default(),
            rare: None,
        }
    }

    /// A frame has come. Not to be called between [`Action::Authenticate`] and [`Session::authenticated`].
    pub fn handle(&mut self, frame: Frame, now: Instant, actions: &mut Vec<Action>) {
        let mut receipt = asked(&frame);
        let receipt_fits = receipt.as_deref().map_or(Ok(()), |receipt| self.check_id("receipt", receipt));
        if receipt_fits.is_err() {
            receipt = None;
        }
        if self.is_expired(now) && self.state == State::Connected {
            return self.fail(receipt, &Rejection::expired(), actions);
        }
        let command = frame.command;
        let (transaction, destination) = self.part_of(&frame);
        let handled = match self.state {
            State::Connected if receipt_fits.is_err() => receipt_fits,
            State::Connecting => self.connect(&frame, actions),
            State::Authenticating { .. } => Err(Rejection::while_authenticating(frame.command)),
            State::Connected => self.converse(frame, &mut receipt, now, actions),
            State::Leaving | State::Closed => Ok(()),
        };
        if let Err(rejection) = handled {
            self.reject(command, (transaction.as_deref(), destination), receipt, rejection, actions);
        }
    }

    /// Transaction and destination of a frame that may be refused without ending the conversation.
    fn part_of(&self, frame: &Frame) -> (Option<Box<str>>, Option<Box<str>>) {
        if !self.soft_errors || !may_be_soft(frame.command) {
            return (None, None);
        }
        let in_transactions = matches!(frame.command, Command::Send | Command::Ack | Command::Nack);
        let transaction = frame.header("transaction").filter(|_| in_transactions);
        (transaction.map(Box::from), frame.header("destination").map(Box::from))
    }

    /// The bytes were no frame.
    pub fn malformed(&mut self, error: &DecodeError, actions: &mut Vec<Action>) {
        if self.state != State::Leaving {
            let receipt = error.receipt.as_deref().map(Receipt::from);
            self.fail(receipt, &Rejection::undecodable(error), actions);
        }
    }

    /// The answer to [`Action::Authenticate`]; the rules as they are now.
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
                self.error(None, texts, None, closing, actions);
            }
        }
    }

    /// An action is done: its RECEIPT, with further headers. It leaves once all before it are complete.
    pub fn complete(&mut self, receipt: Option<Receipt>, extra: &[(&str, &str)], actions: &mut Vec<Action>) {
        let Some(receipt) = receipt else { return };
        if self.state == State::Closed {
            return;
        }
        let frame = self.encode_receipt(&receipt, extra);
        self.receipts.done(&receipt, frame);
        self.release_receipts(actions);
    }

    /// Those that nothing before them holds up any more.
    fn release_receipts(&mut self, actions: &mut Vec<Action>) {
        while let Some(frame) = self.receipts.pop() {
            actions.push(Action::Write(frame));
        }
        if self.state == State::Leaving && self.receipts.is_empty() {
            self.close(Closing::Disconnected, actions);
        }
    }

    /// A delivery is about to be written: appends its prefix.
    pub fn deliver(&mut self, delivery: &Delivery, prefix: &mut BytesMut) -> DeliveryAction {
        let (version, token, unsettled_max) = (self.version, self.token, self.options.unsettled_max);
        let is_full = self.subscriptions.unsettled_bytes() >= self.options.subscription_bytes_max;
        let deliver = |subscription: &mut Subscription| {
            let mut spelling = AckIdBuffer::default();
            let mut ack = None;
            if let Mode::Client(_) = subscription.mode {
                // A work queue's deliveries are bounded by the credit of its consumer.
                if delivery.tag == 0 && subscription.unsettled.len() >= unsettled_max {
                    return DeliveryAction::UnsettledCountExceeded;
                }
                if delivery.tag == 0 && is_full {
                    return DeliveryAction::UnsettledBytesExceeded;
                }
                let number = subscription.unsettled.deliver(delivery.tag, delivery.message.id());
                if version == Version::V1_2 {
                    ack = Some(AckId { key: delivery.key, number }.spell(token, &mut spelling));
                }
            }
            let subscription_id = subscription.id.as_deref();
            message::prefix(
                prefix,
                version,
                DeliveryHeaders { subscription: subscription_id, ack, count: delivery.count },
            );
            DeliveryAction::Write {
                settle_when_written: subscription.mode == Mode::Auto && delivery.tag != 0,
            }
        };
        self.subscriptions.change(delivery.key, deliver).unwrap_or(DeliveryAction::Skip)
    }

    /// Any byte was received.
    pub fn note_input(&mut self, now: Instant) {
        self.timers.note_input(now);
    }

    /// Any byte was written.
    pub fn note_output(&mut self, now: Instant) {
        self.timers.note_output(now);
    }

    /// When [`Session::expire`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting => self.timers.connect_deadline(&self.options),
            State::Connected => {
                [self.timers.beat_deadline(), self.principal.expires].into_iter().flatten().min()
            }
            State::Authenticating { .. } | State::Leaving | State::Closed => None,
        }
    }

    /// Heart-beats and timeouts that are due.
    pub fn expire(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match self.state {
            State::Connecting => {
                if let Some(late) = self.timers.late(&self.options, now) {
                    self.fail(None, &Rejection::late(late), actions);
                }
            }
            State::Connected if self.is_expired(now) => self.fail(None, &Rejection::expired(), actions),
            State::Connected => match self.timers.beat(now) {
                Some(HeartbeatEvent::Send) => actions.push(Action::HeartBeat),
                Some(HeartbeatEvent::Lost) => self.close(Closing::HeartbeatLost, actions),
                None => {}
            },
            State::Authenticating { .. } | State::Leaving | State::Closed => {}
        }
    }

    /// The version, once negotiated; 1.2 before.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The signed-in user's name.
    pub fn user(&self) -> Option<&str> {
        self.principal.name.as_deref()
    }

    /// Who it acts as.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The id shown in CONNECTED.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A frame in the state `Connected`. On an error the receipt is left where it is.
    fn converse(
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
                self.leave(receipt.take(), actions);
                Ok(())
            }
            Command::Connect | Command::Stomp => Err(Rejection::connected_already(frame.command)),
            Command::Connected | Command::Message | Command::Receipt | Command::Error => {
                Err(Rejection::not_for_servers(frame.command))
            }
        }
    }

    /// The RECEIPT of a frame whose work is done.
    fn receipt(&mut self, receipt: Option<Receipt>, actions: &mut Vec<Action>) {
        let Some(receipt) = receipt else { return };
        let frame = self.encode_receipt(&receipt, &[]);
        if self.receipts.is_empty() {
            actions.push(Action::Write(frame));
        } else {
            self.receipts.ready(frame);
        }
    }

    /// The receipt of a frame whose work is done elsewhere: it travels in an action.
    fn register_receipt(&mut self, receipt: &mut Option<Receipt>) -> Option<Receipt> {
        let receipt = receipt.take()?;
        self.receipts.register_receipt(receipt.clone());
        Some(receipt)
    }

    fn encode_receipt(&self, receipt: &str, extra: &[(&str, &str)]) -> Bytes {
        let headers: Vec<_> = [("receipt-id", receipt)].into_iter().chain(extra.iter().copied()).collect();
        encode::frame(Command::Receipt, self.version, &headers, b"")
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

/// The receipt that a frame asks for; CONNECT and STOMP must not.
fn asked(frame: &Frame) -> Option<Receipt> {
    match frame.command {
        Command::Connect | Command::Stomp => None,
        _ => frame.header("receipt").map(Receipt::from),
    }
}
