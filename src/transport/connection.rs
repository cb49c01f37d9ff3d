//! The connection task: it owns one socket and one conversation, on every wire.
//!
//! ```text
//!            +---------------------- one turn ----------------------+
//!  outbound queue -> | receive: deliveries to frames  ->  write: once a batch  | -> socket
//!  socket -> | read: bytes to frames -> session -> execute actions | -> broker
//!            +------------------------------------------------------+
//! ```
//!
//! Reading pauses while a login is being checked (except to detect that the client has gone), while a COMMIT is under
//! way, while parked frames are checked against new rules, while the connection waits for receivers of what it published (burst patience), while the byte budget is nearly
//! used up, and while the client does not read its answers. Writing never waits for reading.

use super::authentication::PendingAuthentication;
use super::close::Ending;
use super::commit::PendingCommit;
use super::connection_context::{ConnectionContext, random_name};
use super::connection_limiter::ConnectionPermit;
use super::first_bytes::FirstBytes;
use super::input::{HELD_BYTES_MIN, Input};
use super::output_buffer::OutputBuffer;
use super::peer::Peer;
use super::poll_budget::{PollBudget, PollQueuePlace};
use super::read_pause::ReadPause;
use super::subscription_map::SubscriptionMap;
use super::timer::Timer;
use super::wire::{ReadEnd, Wire};
use crate::broker::{Entry, Settlement, Subscription, TempQueue};
use crate::budget::Charge;
use crate::destination::Destination;
use crate::outbound_queue::{Key, OutboundQueue, Tag, batch_wakes};
use crate::session::{Closing, ErrorReply, Session, Slowness};
use crate::users::Handshake;
use crate::work;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use stompbox_frames::stomp::Decoder;

/// Bytes turned into frames ahead of the socket.
const BATCH_BYTES: usize = 128 * 1024;
/// How long after a timeout was seen it is looked at again.
const TIMEOUT_CONFIRMATION: Duration = Duration::from_millis(50);
/// Most iterations of one poll, whatever their work.
const ITERATIONS_MAX: usize = 16;

/// Serves one client from the first byte to the last.
pub fn serve<W: Wire>(context: Arc<ConnectionContext>, wire: W, peer: Peer) -> ConnectionTask<W> {
    context.metrics.opened(wire.name());
    let Peer { permit, handshake } = peer;
    let mut connection = Connection::new(context, wire, permit.address(), handshake);
    connection.wire.open(&mut connection.out);
    ConnectionTask { connection, permit: Some(permit) }
}

/// A client that is being served. Not an `async fn`: its future would hold its arguments beside what it makes of them.
pub struct ConnectionTask<W> {
    connection: Connection<W>,
    permit: Option<ConnectionPermit>,
}

impl<W: Wire> Future for ConnectionTask<W> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.connection.poll(cx));
        // Whoever reads the line may come back at once.
        drop(self.permit.take());
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
    pub(super) context: Arc<ConnectionContext>,
    pub(super) outbound_queue: Arc<OutboundQueue>,
    /// When the socket last took bytes, or last had none to take.
    pub(super) progress_at: Instant,
    /// Silence or a stall was seen: it counts if it is still so then.
    pub(super) timeout_confirmed_at: Option<Instant>,
    pub(super) timer: Timer,
    /// The state of the rules and users by which it was judged.
    pub(super) access_version: u64,
    /// The remaining share of this poll.
    pub(super) poll_budget: PollBudget,
    pub(super) frames_sent: u64,
    pub(super) frames_received: u64,
    /// Bytes of answers (RECEIPT, ERROR) appended since the output was last empty.
    pub(super) answers_bytes: usize,
    /// The COMMIT that is under way.
    pub(super) commit: Option<Box<PendingCommit>>,
    /// Ended, but some of their messages are on their way to the socket and settle when they are written.
    pub(super) ending_subscriptions: SubscriptionMap<Subscription>,
    pub(super) pause: ReadPause,
    /// Whether the limits of a signed-in client hold.
    pub(super) established: bool,
    /// When writing failed. What the client had sent before is still handled, then the connection ends.
    pub(super) output_failed: Option<Instant>,
    /// Whether the refusal was summed up in the log; the end of the connection is then logged at debug.
    pub(super) is_summed_up: bool,
    pub(super) ending: Option<Box<Ending>>,
    /// What is being found out about it, while it is not read from.
    pub(super) pending_authentication: Option<PendingAuthentication>,
    /// The client sends no more; what it had sent is handled first.
    pub(super) input_ended: Option<ReadEnd>,
    /// The charge for the output and the session's lists.
    pub(super) held: Charge,
    /// The charge for unfinished frames, and for frames that are not handled yet.
    pub(super) input: Input,
    pub(super) out: OutputBuffer,
    /// Its position in the queue of connections that used up their share; `None` if it did not.
    turn: Option<Box<PollQueuePlace>>,
    pub(super) session: Session,
    pub(super) decoder: Decoder,
    pub(super) wire: W,
    pub(super) subscriptions: SubscriptionMap<Subscription>,
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
    pub(super) fn new(
        context: Arc<ConnectionContext>,
        wire: W,
        address: IpAddr,
        handshake: Arc<Handshake>,
    ) -> Connection<W> {
        let now = Instant::now();
        let (held, input) = (context.unauthenticated.charge(0), context.unauthenticated_input.input(0));
        let outbound_queue =
            OutboundQueue::new(context.outbound_queue, &context.budget, context.metrics.clone(), now);
        Connection {
            number: context.enter(&outbound_queue),
            session: Session::new(context.session.clone(), random_name(), context.addresses.clone(), now),
            decoder: Decoder::new(context.options.connect_limits),
            parked: context.budget.charge(0),
            subscribed: context.broker.subscription_budget().charge(0),
            subscription_bytes: 0,
            opening: None,
            context,
            wire,
            address,
            outbound_queue,
            out: OutputBuffer::default(),
            subscriptions: SubscriptionMap::default(),
            commit: None,
            ending_subscriptions: SubscriptionMap::default(),
            temps: Vec::new(),
            first_bytes: FirstBytes::default(),
            handshake: Some(handshake),
            pending_authentication: None,
            entry: None,
            access_version: 0,
            pause: ReadPause::default(),
            transactions: 0,
            poll_budget: PollBudget::new(now),
            turn: None,
            established: false,
            output_failed: None,
            is_summed_up: false,
            ending: None,
            input_ended: None,
            answers_bytes: 0,
            held,
            input,
            timeout_confirmed_at: None,
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
            let turn = self.turn.get_or_insert_with(|| Box::new(PollQueuePlace::new(&self.context.permits)));
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
            let _deferral = batch_wakes();
            let now = Instant::now();
            if iteration == 0 {
                self.poll_budget = PollBudget::new(now);
            }
            if self.ending.is_none() && self.context.is_stopping() {
                self.shut_down(cx, now);
            }
            if self.ending.is_none() && self.input.poll_dropped(cx).is_ready() {
                self.end_for_others(now);
            }
            if self.ending.is_some() {
                return self.poll_end(cx);
            }
            self.recheck_access(now);
            let writable = self.output_failed.is_none() && self.wire.poll_ready(cx).is_ready();
            if self.out.pending() == 0 || !writable {
                // Whoever had nothing to take, or from where, has not been slow, however long ago that began.
                self.progress_at = now;
            }
            let room = if writable { BATCH_BYTES.saturating_sub(self.out.pending()) } else { 0 };
            let mut moved = self.receive(cx, room, now);
            // What was written makes room for more only if there was none.
            moved |= self.write(cx, now) && room == 0;
            moved |= self.poll_authentication(cx, now);
            moved |= self.read(cx, now);
            // Only now: a process that was stopped for a while looks at what has come before it judges silence.
            let pending = self.out.pending();
            self.expire(now);
            if self.ending.is_some() {
                continue;
            }
            moved |= self.out.pending() != pending;
            if self.poll_budget.is_used_up() {
                return None;
            }
            if !moved && !self.context.is_stopping() && self.poll_timer(cx, now).is_pending() {
                if self.charge_held() {
                    return Some(Poll::Pending);
                }
                self.end_for_memory(now);
            }
        }
        None
    }

    /// Work queues that found no room in the outbound queue may try again.
    pub(super) fn resume_blocked_queues(&self, now: Instant) {
        if self.outbound_queue.take_blocked() {
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
            if let Some(subscription) =
                self.subscriptions.get(key).or_else(|| self.ending_subscriptions.get(key))
            {
                let tags: Vec<Tag> = run.iter().map(|(_, tag)| *tag).collect();
                subscription.settle(&tags, settlement, now);
            }
        }
    }

    /// What waits outside the outbound queue counts too, once it is more than a few small frames. `false`: unauthenticated hold as
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
        holds_nothing || self.established || !self.context.unauthenticated.is_exhausted()
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
            self.timeout_confirmed_at = None;
            return;
        }
        // A process that was stopped for a while learns of the time before it learns of what has come.
        match self.timeout_confirmed_at {
            None => return self.timeout_confirmed_at = Some(now + TIMEOUT_CONFIRMATION),
            Some(at) if now < at => return,
            Some(_) => self.timeout_confirmed_at = None,
        }
        if stalled {
            return self.end_slow_consumer(Slowness::Stalled, now);
        }
        if input_stalled {
            return self.end_for_stalled_input(now);
        }
        if self.ignores_input() {
            // What the client may have sent meanwhile was not looked at: it is not to blame for silence.
            self.session.note_input(now);
        }
        let mut actions = Vec::new();
        self.session.expire(now, &mut actions);
        self.execute(actions, now);
    }

    /// Ends with an ERROR that no frame of the client's asked for.
    pub(super) fn end_with(&mut self, reject: ErrorReply<'_>, closing: Closing, now: Instant) {
        let mut actions = Vec::new();
        self.session.refuse(None, reject, closing, &mut actions);
        self.execute(actions, now);
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
        if self.wire.reports_shutdown_in_close() || !self.context.options.shutdown_error {
            return self.begin_ending(Closing::Shutdown, now);
        }
        let reject =
            ErrorReply { summary: "shutting down", detail: "The broker stops. Reconnect after a while." };
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
