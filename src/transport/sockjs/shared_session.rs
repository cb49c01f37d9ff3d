//! What the requests of one SockJS session share with the application that converses on it.
//!
//! ```text
//!   xhr_send ── send ──> inbound ── take ──> HttpWire ──> application
//!   receiver <── poll_chunk ── slot <── hand_over ─── HttpWire <── application
//! ```
//!
//! Nothing is buffered here: of what the application writes, at most the batch that the receiver is taking; of
//! what clients send, one request more than fits [`INBOUND_BYTES_MAX`]. Locks nothing else while it is locked, and
//! drops no [`ResponseChunk`] meanwhile, for they wake.

use super::receiver::Receiver;
use super::receiver_slot::{HandedBatch, ReceiverSlot};
use super::registry::Registry;
use super::response_chunk::{ProgressListener, ResponseChunk};
use super::routes::ResponseFormat;
use super::session::{Attached, CloseFrame, Delays, Detached, Due, Session, replaces_heartbeats};
use crate::budget::Charge;
use crate::transport::connection_limiter::ConnectionPermit;
use crate::transport::http_connection::HttpConnection;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use stompbox_frames::sockjs::{Frame, Payload, Quoting};

/// Bytes that clients may have sent ahead of the application.
const INBOUND_BYTES_MAX: usize = 64 * 1024;

/// One SockJS session over HTTP.
pub(super) struct SharedSession {
    id: Box<str>,
    /// Whose it is, see [`super::identity`].
    identity: u64,
    /// Whether a page opened it that may speak for its user: no other page goes on with it.
    is_own_page: bool,
    registry: Weak<Registry>,
    state: Mutex<State>,
    /// Requests that send wait in the order in which they came.
    send_order: tokio::sync::Mutex<()>,
}

struct State {
    session: Session,
    /// The application's task.
    task: Option<Waker>,
    inbound: VecDeque<Sent>,
    inbound_bytes: usize,
    sender: Option<Waker>,
    trusted: bool,
    /// What clients send is dropped.
    discards_input: bool,
    /// The way of the receiver, or of the last one.
    way: ResponseFormat,
    slot: Option<ReceiverSlot>,
    next_ticket: u64,
    /// Given back when the session is over; that it still says so is bounded by the registry.
    permit: Option<ConnectionPermit>,
}

/// What a client sent with one request; its memory is charged.
pub(super) struct Sent {
    pub(super) payload: Payload,
    _charge: Charge,
}

impl Sent {
    /// `charge` is for `payload`.
    pub(super) fn new(payload: Payload, charge: Charge) -> Sent {
        Sent { payload, _charge: charge }
    }
}

/// Nobody hears any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionClosed;

impl SharedSession {
    pub(super) fn new(
        id: &str,
        (identity, is_own_page): (u64, bool),
        registry: Weak<Registry>,
        delays: Delays,
        way: ResponseFormat,
        permit: ConnectionPermit,
    ) -> Arc<SharedSession> {
        let state = State {
            session: Session::new(delays),
            task: None,
            inbound: VecDeque::new(),
            inbound_bytes: 0,
            sender: None,
            trusted: false,
            discards_input: false,
            way,
            slot: None,
            next_ticket: 0,
            permit: Some(permit),
        };
        Arc::new(SharedSession {
            id: id.into(),
            identity,
            is_own_page,
            registry,
            state: Mutex::new(state),
            send_order: tokio::sync::Mutex::new(()),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether a request of this identity, and of a page that may speak for its user or not, is of this session.
    pub(super) fn is_of(&self, identity: u64, is_own_page: bool) -> bool {
        self.identity == identity && (is_own_page || !self.is_own_page)
    }

    // ---- a receiving request ----

    /// A receiver on `way`; it may be refused, and then says so and ends.
    pub(super) fn attach(
        self: &Arc<SharedSession>,
        way: ResponseFormat,
        line: &Arc<HttpConnection>,
        now: Instant,
    ) -> Receiver {
        let mut script = VecDeque::from([way.prelude.clone()]);
        script.retain(|chunk| !chunk.is_empty());
        let mut state = self.state.lock();
        let first = match state.session.attach(now) {
            Attached::First => Some(way.whole(&Frame::Open)),
            Attached::Next => None,
            Attached::Refused(close) => {
                drop(state);
                script.push_back(way.whole(&Frame::Close { code: close.code, reason: close.reason }));
                return Receiver::new(self.clone(), None, script);
            }
        };
        state.next_ticket += 1;
        let ticket = state.next_ticket;
        let used = first.as_ref().map_or(0, Bytes::len);
        let room = way.room.saturating_sub(used);
        script.extend(first);
        state.way = way;
        if room == 0 {
            state.session.detach(Detached::Complete, now);
        } else {
            let slot = ReceiverSlot { ticket, room, chunks: VecDeque::new(), body: None, line: line.clone() };
            state.slot = Some(slot);
        }
        let task = state.task.clone();
        drop(state);
        task.into_iter().for_each(Waker::wake);
        Receiver::new(self.clone(), (room > 0).then(|| (ticket, line.attach())), script)
    }

    /// The next chunk of the receiver with this ticket, and whether its response ends with it.
    pub(super) fn poll_chunk(
        &self,
        ticket: u64,
        cx: &mut Context<'_>,
    ) -> Poll<(Option<ResponseChunk>, bool)> {
        let mut state = self.state.lock();
        let Some(slot) = state.slot.as_mut().filter(|slot| slot.ticket == ticket) else {
            return Poll::Ready((None, true));
        };
        let Some((chunk, last)) = slot.chunks.pop_front() else {
            match &mut slot.body {
                Some(body) => body.clone_from(cx.waker()),
                None => slot.body = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        };
        let slot = if last { state.slot.take() } else { None };
        let task = if last { state.task.clone() } else { None };
        if last {
            state.session.detach(Detached::Complete, Instant::now());
        }
        drop(state);
        drop(slot);
        // The deadline is another one now.
        task.into_iter().for_each(Waker::wake);
        Poll::Ready((Some(chunk), last))
    }

    /// The client cut its receiver off: the session is over.
    pub(super) fn abort(&self, ticket: u64) {
        let mut state = self.state.lock();
        if state.slot.as_ref().is_none_or(|slot| slot.ticket != ticket) {
            return;
        }
        state.session.detach(Detached::Aborted, Instant::now());
        if state.session.is_gone() {
            return self.part(state);
        }
        // It was closing, and somebody else may still ask why.
        let slot = state.slot.take();
        drop(state);
        drop(slot);
    }

    // ---- a sending request ----

    /// Whether the client has proved who it is; before, a request of its may have few bytes.
    pub(super) fn is_trusted(&self) -> bool {
        self.state.lock().trusted
    }

    /// Hands on what the client sent, when there is room. What comes for a session that is over is dropped.
    pub(super) async fn send(&self, sent: Sent) {
        let _turn = self.send_order.lock().await;
        let mut sent = Some(sent);
        poll_fn(|cx| {
            let mut state = self.state.lock();
            let bytes = sent.as_ref().map_or(0, |sent| sent.payload.bytes());
            if state.discards_input || !state.session.is_live() {
                return Poll::Ready(());
            }
            if state.inbound_bytes > 0 && state.inbound_bytes + bytes > INBOUND_BYTES_MAX {
                state.sender = Some(cx.waker().clone());
                return Poll::Pending;
            }
            state.inbound_bytes += bytes;
            state.inbound.extend(sent.take());
            let task = state.task.clone();
            drop(state);
            task.into_iter().for_each(Waker::wake);
            Poll::Ready(())
        })
        .await;
    }

    // ---- the application ----

    /// What a client sent, one request at a time.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Result<Sent, SessionClosed>> {
        let mut state = self.state.lock();
        state.register(cx);
        if let Some(sent) = state.inbound.pop_front() {
            state.inbound_bytes -= sent.payload.bytes();
            let sender = state.sender.take();
            drop(state);
            sender.into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(sent));
        }
        if state.session.is_live() { Poll::Pending } else { Poll::Ready(Err(SessionClosed)) }
    }

    /// Returns whether the session is over. Messages that its client sent before may still be unread.
    pub(super) fn is_over(&self) -> bool {
        !self.state.lock().session.is_live()
    }

    /// Whether there is a receiver to write to.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        state.register(cx);
        if state.slot.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The transport of the receiver, or of the last one.
    pub(super) fn transport(&self) -> &'static str {
        self.state.lock().way.name
    }

    /// How the receiver, or else the next one as far as one can tell, wants its messages quoted.
    pub(super) fn quoting(&self) -> Quoting {
        self.state.lock().way.quoting
    }

    /// Gives the receiver a batch made by `make` of the envelope around it, as soon as there is one that has taken
    /// all that it was given and wants this quoting.
    pub(super) fn poll_hand_over(
        self: &Arc<SharedSession>,
        cx: &mut Context<'_>,
        quoting: Quoting,
        make: impl FnOnce(&ResponseFormat) -> (ResponseChunk, usize),
    ) -> Poll<Result<HandedBatch, SessionClosed>> {
        let mut locked = self.state.lock();
        let state = &mut *locked;
        state.register(cx);
        if !state.session.is_live() {
            return Poll::Ready(Err(SessionClosed));
        }
        // Another receiver that came this moment wakes the task.
        let slot = state.slot.as_mut().filter(|slot| slot.chunks.is_empty() && state.way.quoting == quoting);
        let Some(slot) = slot else { return Poll::Pending };
        let (segments, head) = make(&state.way);
        let total = bytes::Buf::remaining(&segments);
        let (segments, progress) = segments.watched(self.clone());
        let handed = HandedBatch { progress, head, total, line: slot.line.clone() };
        let body = slot.put(segments, total);
        state.session.note_output(Instant::now());
        drop(locked);
        body.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(handed))
    }

    /// When [`SharedSession::expire`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.state.lock().session.deadline()
    }

    /// A heart-beat for the receiver, or the end of a session that nobody has polled in time.
    pub(super) fn expire(&self, now: Instant) {
        let mut state = self.state.lock();
        match state.session.expire(now) {
            None => {}
            Some(Due::Gone) => self.part(state),
            Some(Due::Heartbeat) => {
                let beat = state.way.whole(&Frame::Heartbeat);
                // Behind a batch that is still being taken it would only queue.
                let slot = state.slot.as_mut().filter(|slot| slot.chunks.is_empty());
                let body = slot.and_then(|slot| slot.put(ResponseChunk::from(beat.clone()), beat.len()));
                drop(state);
                body.into_iter().for_each(Waker::wake);
            }
        }
    }

    /// The last response is still on its way, or has just arrived.
    pub(super) fn delay(&self, now: Instant) {
        self.state.lock().session.delay(now);
    }

    /// The application takes nothing more: neither what waits nor what is about to come.
    pub(super) fn discard_input(&self) {
        let mut state = self.state.lock();
        state.discards_input = true;
        let sender = state.sender.take();
        let inbound = std::mem::take(&mut state.inbound);
        state.inbound_bytes = 0;
        drop(state);
        drop(inbound);
        sender.into_iter().for_each(Waker::wake);
    }

    /// The client has proved who it is, and the application's own heart-beats begin.
    pub(super) fn trust(&self, beats: Option<Duration>) {
        let mut state = self.state.lock();
        state.trusted = true;
        if replaces_heartbeats(beats) {
            state.session.disable_heartbeats();
        }
    }

    /// The application ends the session: its receiver, and every later one for a while, is told why.
    pub(super) fn close(self: &Arc<SharedSession>, close: CloseFrame, now: Instant) {
        let mut state = self.state.lock();
        if !state.session.is_live() {
            return;
        }
        state.session.close(close, now);
        let frame = Frame::Close { code: close.code, reason: close.reason };
        let last = ResponseChunk::from(state.way.whole(&frame));
        let body = state.slot.as_mut().and_then(|slot| {
            slot.chunks.push_back((last, true));
            slot.body.take()
        });
        let permit = state.permit.take();
        drop(state);
        drop(permit);
        self.discard_input();
        body.into_iter().for_each(Waker::wake);
        if let Some(registry) = self.registry.upgrade() {
            registry.close(self);
        }
    }

    /// Nobody reaches the session any more: takes it out of the registry and tells everybody who waits.
    fn part(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        let slot = state.slot.take();
        let permit = state.permit.take();
        let wakers = [state.task.clone(), state.sender.take()];
        drop(state);
        drop((slot, permit));
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(self);
        }
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl State {
    fn register(&mut self, cx: &mut Context<'_>) {
        match &mut self.task {
            Some(task) => task.clone_from(cx.waker()),
            None => self.task = Some(cx.waker().clone()),
        }
    }
}

impl ProgressListener for SharedSession {
    fn wake(&self) {
        let task = self.state.lock().task.clone();
        task.into_iter().for_each(Waker::wake);
    }
}
