//! The state of a SockJS session over HTTP, which its requests share with the connection task of the application.
//!
//! ```text
//!   xhr_send ── send ──> inbound ── poll_input ─> HttpWire ──> application
//!   receiver <── poll_chunk ── slot <── poll_hand_over ── HttpWire <── application
//! ```
//!
//! This module buffers little. Of the application's output, it buffers at most the batch that the receiver is taking.
//! Of the client's input, it buffers at most [`INBOUND_BYTES_MAX`] bytes, or one larger request.
//!
//! While the state is locked, the code takes no other lock and drops no [`ResponseChunk`]. Dropping a chunk wakes the
//! task, and this wake locks the state.

use super::lifecycle::{AttachOutcome, CloseFrame, Delays, Detached, Due, replaces_heartbeats};
use super::receiver_slot::{HandedBatch, ReceiverSlot};
use super::registry::{Registered, Registry};
use super::response_chunk::{ProgressListener, ResponseChunk};
use super::state::SharedSessionState;
use crate::http::connection::HttpConnection;
use crate::http::sockjs::inbound_messages::InboundMessages;
use crate::http::sockjs::routes::ResponseFormat;
use crate::limits::connection_limiter::ConnectionPermit;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use stompbox_frames::sockjs::{Quoting, SockJsFrame};

/// Maximum number of input bytes that wait for the application. A single larger request is accepted if no others wait.
const INBOUND_BYTES_MAX: usize = 64 * 1024;

/// A SockJS session over HTTP. Its requests share it with the application's task.
pub(crate) struct SharedSession {
    id: Box<str>,
    /// Fingerprint of the credentials with which the session was opened ([`crate::http::sockjs::identity`]).
    identity: u64,
    /// Whether the page that opened the session may act for its user. If so, only such pages can continue the session.
    is_own_page: bool,
    registry: Weak<Registry<SharedSession>>,
    state: Mutex<SharedSessionState>,
    /// Admits one sending request at a time, in order of arrival.
    send_order: tokio::sync::Mutex<()>,
}

/// The error of an operation on a session that has been closed or is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionClosed;

impl SharedSession {
    pub(crate) fn new(
        id: &str,
        (identity, is_own_page): (u64, bool),
        registry: Weak<Registry<SharedSession>>,
        delays: Delays,
        format: ResponseFormat,
        permit: ConnectionPermit,
    ) -> Arc<SharedSession> {
        Arc::new(SharedSession {
            id: id.into(),
            identity,
            is_own_page,
            registry,
            state: Mutex::new(SharedSessionState::new(delays, format, permit)),
            send_order: tokio::sync::Mutex::new(()),
        })
    }

    /// Returns whether a request may use this session. Its `identity` must match. If the page that opened the session
    /// may act for its user, `is_own_page` must be set: the page of the request may act for its user, too.
    pub(crate) fn matches_identity(&self, identity: u64, is_own_page: bool) -> bool {
        self.identity == identity && (is_own_page || !self.is_own_page)
    }

    // ---- a receiving request ----

    /// Attaches a receiver with this response format. Returns its ID, and the chunks that it must send first. If there
    /// is no ID, the body ends after these chunks. The receiver was rejected then, or its response is already complete.
    pub(crate) fn attach(
        &self,
        format: ResponseFormat,
        http_connection: &Arc<HttpConnection>,
        now: Instant,
    ) -> (Option<u64>, VecDeque<Bytes>) {
        let mut initial_chunks = VecDeque::from([format.prelude.clone()]);
        initial_chunks.retain(|chunk| !chunk.is_empty());
        let mut state = self.state.lock();
        let first = match state.lifecycle.attach(now) {
            AttachOutcome::First => Some(format.encode(&SockJsFrame::Open)),
            AttachOutcome::Next => None,
            AttachOutcome::Rejected(close) => {
                drop(state);
                initial_chunks
                    .push_back(format.encode(&SockJsFrame::Close { code: close.code, reason: close.reason }));
                return (None, initial_chunks);
            }
        };
        state.last_receiver_id += 1;
        let receiver_id = state.last_receiver_id;
        let used_bytes = first.as_ref().map_or(0, Bytes::len);
        let remaining_bytes = format.response_bytes_max.saturating_sub(used_bytes);
        initial_chunks.extend(first);
        state.format = format;
        if remaining_bytes == 0 {
            state.lifecycle.detach(Detached::Complete, now);
        } else {
            let slot = ReceiverSlot {
                receiver_id,
                remaining_bytes,
                chunks: VecDeque::new(),
                body_waker: None,
                http_connection: http_connection.clone(),
            };
            state.slot = Some(slot);
        }
        let task = state.task_waker.clone();
        drop(state);
        task.into_iter().for_each(Waker::wake);
        ((remaining_bytes > 0).then_some(receiver_id), initial_chunks)
    }

    /// Returns the next chunk for the receiver with this ID, and whether it is the last one of the response.
    pub(crate) fn poll_chunk(
        &self,
        receiver_id: u64,
        cx: &mut Context<'_>,
    ) -> Poll<(Option<ResponseChunk>, bool)> {
        let mut state = self.state.lock();
        let Some(slot) = state.slot.as_mut().filter(|slot| slot.receiver_id == receiver_id) else {
            return Poll::Ready((None, true));
        };
        let Some((chunk, last)) = slot.chunks.pop_front() else {
            match &mut slot.body_waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => slot.body_waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        };
        let slot = if last { state.slot.take() } else { None };
        let task = if last { state.task_waker.clone() } else { None };
        if last {
            state.lifecycle.detach(Detached::Complete, Instant::now());
        }
        drop(state);
        drop(slot);
        // Wake the task, because the deadline has changed.
        task.into_iter().for_each(Waker::wake);
        Poll::Ready((Some(chunk), last))
    }

    /// Ends the session, because the client of its receiver has disconnected.
    pub(crate) fn abort(&self, receiver_id: u64) {
        let mut state = self.state.lock();
        if state.slot.as_ref().is_none_or(|slot| slot.receiver_id != receiver_id) {
            return;
        }
        state.lifecycle.detach(Detached::Aborted, Instant::now());
        if state.lifecycle.is_gone() {
            return self.remove(state);
        }
        // The session was closed earlier. It stays in the registry, so that later requests get its close frame.
        let slot = state.slot.take();
        drop(state);
        drop(slot);
    }

    // ---- a sending request ----

    /// Returns whether the client is authenticated. The request bodies of other clients have a lower limit.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.state.lock().is_authenticated
    }

    /// Passes the messages of a sending request to the application. Waits until there is room for them. Discards them
    /// if the session is over.
    pub(crate) async fn send(&self, sent: InboundMessages) {
        let _guard = self.send_order.lock().await;
        let mut sent = Some(sent);
        poll_fn(|cx| {
            let mut state = self.state.lock();
            let bytes = sent.as_ref().map_or(0, |sent| sent.payload.bytes());
            if state.discards_input || !state.lifecycle.is_live() {
                return Poll::Ready(());
            }
            if state.inbound_bytes > 0 && state.inbound_bytes + bytes > INBOUND_BYTES_MAX {
                state.sender_waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            state.inbound_bytes += bytes;
            state.inbound.extend(sent.take());
            let task = state.task_waker.clone();
            drop(state);
            task.into_iter().for_each(Waker::wake);
            Poll::Ready(())
        })
        .await;
    }

    // ---- the application ----

    /// Takes the messages of the next sending request.
    pub(crate) fn poll_input(&self, cx: &mut Context<'_>) -> Poll<Result<InboundMessages, SessionClosed>> {
        let mut state = self.state.lock();
        state.register_task(cx);
        if let Some(sent) = state.inbound.pop_front() {
            state.inbound_bytes -= sent.payload.bytes();
            let sender = state.sender_waker.take();
            drop(state);
            sender.into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(sent));
        }
        if state.lifecycle.is_live() { Poll::Pending } else { Poll::Ready(Err(SessionClosed)) }
    }

    /// Returns whether the session is over. Messages that its client sent earlier may still be unread.
    pub(crate) fn is_over(&self) -> bool {
        !self.state.lock().lifecycle.is_live()
    }

    /// Returns `Ready` if a receiver is attached. Otherwise the task is woken when a receiver attaches.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        state.register_task(cx);
        if state.slot.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Returns the name of the transport of the current receiver or, if there is none, of the last one.
    pub(crate) fn transport(&self) -> &'static str {
        self.state.lock().format.name
    }

    /// Returns the quoting of the current receiver or, if there is none, of the last one. The next receiver probably
    /// uses the same.
    pub(crate) fn quoting(&self) -> Quoting {
        self.state.lock().format.quoting
    }

    /// Hands a batch over to the receiver. Waits until a receiver is attached that uses this quoting and has taken all
    /// earlier chunks. `make` builds the batch in the response format, and returns it with the length of the envelope
    /// before the output.
    pub(crate) fn poll_hand_over(
        self: &Arc<SharedSession>,
        cx: &mut Context<'_>,
        quoting: Quoting,
        make: impl FnOnce(&ResponseFormat) -> (ResponseChunk, usize),
    ) -> Poll<Result<HandedBatch, SessionClosed>> {
        let mut locked = self.state.lock();
        let state = &mut *locked;
        state.register_task(cx);
        if !state.lifecycle.is_live() {
            return Poll::Ready(Err(SessionClosed));
        }
        // If the receiver that has just attached uses another quoting, attaching it has already woken the task.
        let slot =
            state.slot.as_mut().filter(|slot| slot.chunks.is_empty() && state.format.quoting == quoting);
        let Some(slot) = slot else { return Poll::Pending };
        let (chunk, head_bytes) = make(&state.format);
        let total_bytes = bytes::Buf::remaining(&chunk);
        let (chunk, progress) = chunk.with_listener(self.clone());
        let handed =
            HandedBatch { progress, head_bytes, total_bytes, http_connection: slot.http_connection.clone() };
        let body_waker = slot.push(chunk, total_bytes);
        state.lifecycle.record_output(Instant::now());
        drop(locked);
        body_waker.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(handed))
    }

    /// Restarts the time for which the session waits for a receiver. The last response is on its way or has just
    /// arrived.
    pub(crate) fn restart_disconnect_delay(&self, now: Instant) {
        self.state.lock().lifecycle.restart_disconnect_delay(now);
    }

    /// Discards the input that waits, and all input that arrives later.
    pub(crate) fn discard_input(&self) {
        let mut state = self.state.lock();
        state.discards_input = true;
        let sender = state.sender_waker.take();
        let inbound = std::mem::take(&mut state.inbound);
        state.inbound_bytes = 0;
        drop(state);
        drop(inbound);
        sender.into_iter().for_each(Waker::wake);
    }

    /// Marks the client as authenticated. `heartbeat_interval` is the interval of the application's heartbeats.
    pub(crate) fn set_authenticated(&self, heartbeat_interval: Option<Duration>) {
        let mut state = self.state.lock();
        state.is_authenticated = true;
        if replaces_heartbeats(heartbeat_interval) {
            state.lifecycle.disable_heartbeats();
        }
    }

    /// Closes the session for the application. The current receiver gets the close frame. Receivers that attach soon
    /// afterwards get it, too.
    pub(crate) fn close(self: &Arc<SharedSession>, close: CloseFrame, now: Instant) {
        let mut state = self.state.lock();
        if !state.lifecycle.is_live() {
            return;
        }
        state.lifecycle.close(close, now);
        let frame = SockJsFrame::Close { code: close.code, reason: close.reason };
        let last = ResponseChunk::from(state.format.encode(&frame));
        let body_waker = state.slot.as_mut().and_then(|slot| {
            slot.chunks.push_back((last, true));
            slot.body_waker.take()
        });
        let permit = state.permit.take();
        drop(state);
        drop(permit);
        self.discard_input();
        body_waker.into_iter().for_each(Waker::wake);
        if let Some(registry) = self.registry.upgrade() {
            registry.close(self);
        }
    }

    /// Removes a session that is gone from the registry. Wakes the application's task and the sending request that
    /// waits.
    fn remove(&self, mut state: parking_lot::MutexGuard<'_, SharedSessionState>) {
        let slot = state.slot.take();
        let permit = state.permit.take();
        let wakers = [state.task_waker.clone(), state.sender_waker.take()];
        drop(state);
        drop((slot, permit));
        if let Some(registry) = self.registry.upgrade() {
            registry.remove(self);
        }
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Registered for SharedSession {
    fn id(&self) -> &str {
        &self.id
    }

    fn deadline(&self) -> Option<Instant> {
        self.state.lock().lifecycle.deadline()
    }

    /// Queues a heartbeat for the receiver if one is due. Ends the session if it had no receiver for too long.
    fn expire(&self, now: Instant) {
        let mut state = self.state.lock();
        match state.lifecycle.expire(now) {
            None => {}
            Some(Due::Gone) => self.remove(state),
            Some(Due::Heartbeat) => {
                let heartbeat = state.format.encode(&SockJsFrame::Heartbeat);
                // While the response takes a batch, a heartbeat is unnecessary and would only queue.
                let slot = state.slot.as_mut().filter(|slot| slot.chunks.is_empty());
                let body_waker =
                    slot.and_then(|slot| slot.push(ResponseChunk::from(heartbeat.clone()), heartbeat.len()));
                drop(state);
                body_waker.into_iter().for_each(Waker::wake);
            }
        }
    }
}

impl ProgressListener for SharedSession {
    fn wake(&self) {
        let task = self.state.lock().task_waker.clone();
        task.into_iter().for_each(Waker::wake);
    }
}
