//! The connection task: it owns one socket and one conversation, on every wire.
//!
//! ```text
//!            +---------------------- one turn ----------------------+
//!  outbox -> | receive: parcels to frames  ->  write: once a batch  | -> socket
//!  socket -> | read: octets to frames -> session -> perform actions | -> broker
//!            +------------------------------------------------------+
//! ```
//!
//! Reading pauses while a login is being checked (except to detect that the client has gone), while a COMMIT is under
//! way, while parked frames are checked against new rules, while the connection waits for receivers of what it published (burst patience), while the byte budget is nearly
//! used up, and while the client does not read its answers. Writing never waits for reading.

use super::by_key::ByKey;
use super::close::Ending;
use super::coalesce::Coalesce;
use super::commit::Committing;
use super::first_bytes::FirstBytes;
use super::hub::{Hub, random_name};
use super::input::{HELD_BYTES_MIN, Input};
use super::pause::Pause;
use super::question::Question;
use super::seats::Seat;
use super::share::{Quantum, Turn};
use super::timer::Timer;
use super::visitor::Visitor;
use super::wire::{ReadEnd, Wire};
use crate::broker::{Entry, Settlement, Subscription, TempQueue};
use crate::budget::Charge;
use crate::destination::Destination;
use crate::outbox::{Key, Outbox, Tag, defer_wakes};
use crate::session::{Closing, Reject, Session, Slowness};
use crate::users::Handshake;
use crate::work;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use stompbox_frames::stomp::Decoder;

/// Octets turned into frames ahead of the socket.
const BATCH_BYTES: usize = 128 * 1024;
/// How long after a timeout was seen it is looked at again.
const SECOND_LOOK: Duration = Duration::from_millis(50);
/// Most iterations of one poll, whatever their work.
const ITERATIONS_MAX: usize = 16;

/// Serves one client from the first octet to the last.
pub fn serve<W: Wire>(hub: Arc<Hub>, wire: W, visitor: Visitor) -> Serving<W> {
    hub.metrics.opened(wire.name());
    let Visitor { seat, handshake } = visitor;
    let mut connection = Connection::new(hub, wire, seat.address(), handshake);
    connection.wire.open(&mut connection.out);
    Serving { connection, seat: Some(seat) }
}

/// A client that is being served. Not an `async fn`: its future would hold its arguments beside what it makes of them.
pub struct Serving<W> {
    connection: Connection<W>,
    seat: Option<Seat>,
}

impl<W: Wire> Future for Serving<W> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.connection.poll(cx));
        // Whoever reads the line may come back at once.
        drop(self.seat.take());
        self.connection.report();
        Poll::Ready(())
    }
}

/// One client.
///
/// In memory as it stands here: first what every turn of a receiver touches, the wire's socket excepted, for where there
/// are many, each line of it comes from far away.
#[repr(C)]
pub(super) struct Connection<W> {
    pub(super) hub: Arc<Hub>,
    pub(super) outbox: Arc<Outbox>,
    /// When the socket last took octets, or last had none to take.
    pub(super) progress_at: Instant,
    /// Silence or a stall was seen: it counts if it is still so then.
    pub(super) second_look: Option<Instant>,
    pub(super) timer: Timer,
    /// The state of the rules and users by which it was judged.
    pub(super) judged_at: u64,
    /// The remaining share of this poll.
    pub(super) quantum: Quantum,
    pub(super) frames_sent: u64,
    pub(super) frames_received: u64,
    /// Octets of answers (RECEIPT, ERROR) appended since the output was last empty.
    pub(super) answers_bytes: usize,
    /// The COMMIT that is under way.
    pub(super) commit: Option<Box<Committing>>,
    /// Ended, but some of their messages are on their way to the socket and settle when they are written.
    pub(super) leaving: ByKey<Subscription>,
    pub(super) pause: Pause,
    /// Whether the limits of a signed-in client hold.
    pub(super) established: bool,
    /// When writing failed. What the client had sent before is still handled, then the connection ends.
    pub(super) output_failed: Option<Instant>,
    /// Whether the refusal was summed up in the log; the end of the connection is then logged at debug.
    pub(super) untold: bool,
    pub(super) ending: Option<Box<Ending>>,
    /// What is being found out about it, while it is not read from.
    pub(super) question: Option<Question>,
    /// The client sends no more; what it had sent is handled first.
    pub(super) input_ended: Option<ReadEnd>,
    /// The charge for the output and the session's lists.
    pub(super) held: Charge,
    /// The charge for unfinished frames, and for frames that are not handled yet.
    pub(super) input: Input,
    pub(super) out: Coalesce,
    /// Its position in the queue of connections that used up their share; `None` if it did not.
    turn: Option<Box<Turn>>,
    pub(super) session: Session,
    pub(super) decoder: Decoder,
    pub(super) wire: W,
    pub(super) subscriptions: ByKey<Subscription>,
    pub(super) temps: Vec<TempQueue>,
    /// A temporary queue that the next subscription is to open.
    pub(super) opening: Option<Destination>,
    /// The memory of this connection's and its session's lists of subscriptions, and of open transactions.
    pub(super) subscribed: Charge,
    /// Bytes of the broker's part of them, as if no other session shared it.
    pub(super) subscription_bytes: usize,
    /// What it has shown before CONNECT; nothing any more once it is let in.
    pub(super) handshake: Option<Arc<Handshake>>,
    /// Its place among those who are online.
    pub(super) entry: Option<Entry>,
    pub(super) parked: Charge,
    pub(super) transactions: usize,
    /// Whether the input is STOMP, until that is known.
    pub(super) first_bytes: FirstBytes,
    pub(super) address: IpAddr,
    pub(super) number: u64,
    pub(super) began_at: Instant,
    pub(super) bytes_received: u64,
    /// Broadcasts that the wire could not carry.
    pub(super) skipped: u64,
    /// Frames that were refused by a rule.
    pub(super) denied: u64,
}

impl<W: Wire> Connection<W> {
    pub(super) fn new(hub: Arc<Hub>, wire: W, address: IpAddr, handshake: Arc<Handshake>) -> Connection<W> {
        let now = Instant::now();
        let (held, input) = (hub.strangers.charge(0), hub.stranger_input.input(0));
        let outbox = Outbox::new(hub.outbox, &hub.budget, hub.metrics.clone(), now);
        Connection {
            number: hub.enter(&outbox),
            session: Session::new(hub.session.clone(), random_name(), hub.addresses.clone(), now),
            decoder: Decoder::new(hub.options.connect_limits),
            parked: hub.budget.charge(0),
            subscribed: hub.broker.subscription_budget().charge(0),
            subscription_bytes: 0,
            opening: None,
            hub,
            wire,
            address,
            outbox,
            out: Coalesce::default(),
            subscriptions: ByKey::default(),
            commit: None,
            leaving: ByKey::default(),
            temps: Vec::new(),
            first_bytes: FirstBytes::default(),
            handshake: Some(handshake),
            question: None,
            entry: None,
            judged_at: 0,
            pause: Pause::default(),
            transactions: 0,
            quantum: Quantum::new(now),
            turn: None,
            established: false,
            output_failed: None,
            untold: false,
            ending: None,
            input_ended: None,
            answers_bytes: 0,
            held,
            input,
            second_look: None,
            timer: Timer::new(now),
            progress_at: now,
            began_at: now,
            frames_received: 0,
            bytes_received: 0,
            frames_sent: 0,
            skipped: 0,
            denied: 0,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(turn) = &mut self.turn {
            ready!(turn.poll(cx));
        }
        let Some(polled) = self.poll_share(cx) else {
            if self.ending.is_none() && !self.charge_held() {
                self.end_for_memory(Instant::now());
            }
            let turn = self.turn.get_or_insert_with(|| Box::new(Turn::new(&self.hub.permits)));
            turn.again();
            // It always waits, be it for the sockets to be looked at.
            ready!(turn.poll(cx));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        self.turn = None;
        polled
    }

    /// Does all work that is ready; `None` if the share of this poll is used up before.
    fn poll_share(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        for iteration in 0..ITERATIONS_MAX {
            let _deferral = defer_wakes();
            let now = Instant::now();
            if iteration == 0 {
                self.quantum = Quantum::new(now);
            }
            if self.ending.is_none() && self.hub.is_stopping() {
                self.shut_down(cx, now);
            }
            if self.ending.is_none() && self.input.poll_dropped(cx).is_ready() {
                self.end_for_others(now);
            }
            if self.ending.is_some() {
                return self.poll_ending(cx);
            }
            self.judge_again(now);
            let writable = self.output_failed.is_none() && self.wire.poll_ready(cx).is_ready();
            if self.out.pending() == 0 || !writable {
                // Whoever had nothing to take, or from where, has not been slow, however long ago that began.
                self.progress_at = now;
            }
            let room = if writable { BATCH_BYTES.saturating_sub(self.out.pending()) } else { 0 };
            let mut moved = self.receive(cx, room, now);
            // What was written makes room for more only if there was none.
            moved |= self.write(cx, now) && room == 0;
            moved |= self.hear_answer(cx, now);
            moved |= self.read(cx, now);
            // Only now: a process that was stopped for a while looks at what has come before it judges silence.
            let pending = self.out.pending();
            self.expire(now);
            if self.ending.is_some() {
                continue;
            }
            moved |= self.out.pending() != pending;
            if self.quantum.is_used_up() {
                return None;
            }
            if !moved && !self.hub.is_stopping() && self.poll_timer(cx, now).is_pending() {
                if self.charge_held() {
                    return Some(Poll::Pending);
                }
                self.end_for_memory(now);
            }
        }
        None
    }

    /// Work queues that found no room in the outbox may try again.
    pub(super) fn resume_starved(&self, now: Instant) {
        if self.outbox.take_starved() {
            for subscription in self.subscriptions.values() {
                work::add(1);
                subscription.resume(now);
            }
        }
    }

    /// Settles deliveries of work queues, one call per run of the same subscription.
    pub(super) fn settle(&self, deliveries: &[(Key, Tag)], settlement: Settlement, now: Instant) {
        for run in deliveries.chunk_by(|left, right| left.0 == right.0) {
            let key = run[0].0;
            if let Some(subscription) = self.subscriptions.get(key).or_else(|| self.leaving.get(key)) {
                let tags: Vec<Tag> = run.iter().map(|(_, tag)| *tag).collect();
                subscription.settle(&tags, settlement, now);
            }
        }
    }

    /// What waits outside the outbox counts too, once it is more than a few small frames. `false`: strangers hold as
    /// much as they may, and this is one of them.
    pub(super) fn charge_held(&mut self) -> bool {
        adjust(&mut self.held, self.out.held_bytes() + self.session.held_bytes());
        let input_bytes = self.input_bytes();
        // Whole frames that wait while reading is paused are charged without a check. Other input is charged before it
        // grows.
        if self.ignores_input() {
            self.input.finish();
            adjust(self.input.charge_mut(), input_bytes);
        } else if input_bytes < self.input.bytes() {
            adjust(self.input.charge_mut(), input_bytes);
        }
        let holds_nothing = self.held.bytes() + self.input.bytes() == 0;
        holds_nothing || self.established || !self.hub.strangers.is_exhausted()
    }

    /// Heart-beats and timeouts.
    fn expire(&mut self, now: Instant) {
        if self.wire.deadline().is_some_and(|at| now >= at) {
            self.wire.expire(now, &mut self.out);
        }
        let stalled = self.stalls_at().is_some_and(|at| now >= at);
        let input_stalled = self.input.stalls_at().is_some_and(|at| now >= at);
        let due = stalled || input_stalled || self.session.deadline().is_some_and(|at| now >= at);
        if self.ending.is_some() || !due {
            self.second_look = None;
            return;
        }
        // A process that was stopped for a while learns of the time before it learns of what has come.
        match self.second_look {
            None => return self.second_look = Some(now + SECOND_LOOK),
            Some(at) if now < at => return,
            Some(_) => self.second_look = None,
        }
        if stalled {
            return self.end_slow_consumer(Slowness::Stalled, now);
        }
        if input_stalled {
            return self.end_for_stalled_input(now);
        }
        if self.ignores_input() {
            // What the client may have sent meanwhile was not looked at: it is not to blame for silence.
            self.session.heard(now);
        }
        let mut actions = Vec::new();
        self.session.expire(now, &mut actions);
        self.perform(actions, now);
    }

    /// Ends with an ERROR that no frame of the client's asked for.
    pub(super) fn end_with(&mut self, reject: Reject<'_>, closing: Closing, now: Instant) {
        let mut actions = Vec::new();
        self.session.refuse(None, reject, closing, &mut actions);
        self.perform(actions, now);
        // A session that was closed already says nothing; the connection ends all the same.
        self.begin_ending(closing, now);
    }

    fn shut_down(&mut self, cx: &mut Context<'_>, now: Instant) {
        // What is waiting still goes out: it is bounded, and so is the time it may take.
        self.receive(cx, usize::MAX, now);
        if self.ending.is_some() {
            return;
        }
        // Clients with automatic reconnection give up after an ERROR, which they take for their own fault.
        if self.wire.tells_shutdown() || !self.hub.options.shutdown_error {
            return self.begin_ending(Closing::Shutdown, now);
        }
        let reject =
            Reject { summary: "shutting down", detail: "The broker stops. Reconnect after a while." };
        self.end_with(reject, Closing::Shutdown, now);
    }
}

/// Changes a charge to `bytes` if the difference is at least [`HELD_BYTES_MIN`]. Fewer bytes than that are not charged.
fn adjust(charge: &mut Charge, bytes: usize) {
    let bytes = if bytes < HELD_BYTES_MIN { 0 } else { bytes };
    if bytes.abs_diff(charge.bytes()) >= HELD_BYTES_MIN || bytes == 0 {
        charge.resize(bytes);
    }
}
