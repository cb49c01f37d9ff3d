//! The state that the requests of a SockJS session share with the application's task.

use super::lifecycle::{Delays, SessionLifecycle};
use super::receiver_slot::ReceiverSlot;
use crate::http::sockjs::inbound_messages::InboundMessages;
use crate::http::sockjs::routes::ResponseFormat;
use crate::limits::connection_limiter::ConnectionPermit;
use std::collections::VecDeque;
use std::task::{Context, Waker};

/// The state of a session, which is locked while a request or the application's task uses it.
pub(super) struct SharedSessionState {
    pub(super) lifecycle: SessionLifecycle,
    /// Wakes the application's task.
    pub(super) task_waker: Option<Waker>,
    pub(super) inbound: VecDeque<InboundMessages>,
    pub(super) inbound_bytes: usize,
    /// Wakes the sending request that waits until there is room for its messages.
    pub(super) sender_waker: Option<Waker>,
    pub(super) is_authenticated: bool,
    /// Whether input from the client is discarded.
    pub(super) discards_input: bool,
    /// Response format of the current receiver or, if there is none, of the last one.
    pub(super) format: ResponseFormat,
    pub(super) slot: Option<ReceiverSlot>,
    pub(super) last_receiver_id: u64,
    /// The connection permit. It is released when the session is closed. The registry limits the number of closed
    /// sessions.
    pub(super) permit: Option<ConnectionPermit>,
}

impl SharedSessionState {
    /// Creates the state of a session without a receiver.
    pub(super) fn new(
        delays: Delays,
        format: ResponseFormat,
        permit: ConnectionPermit,
    ) -> SharedSessionState {
        SharedSessionState {
            lifecycle: SessionLifecycle::new(delays),
            task_waker: None,
            inbound: VecDeque::new(),
            inbound_bytes: 0,
            sender_waker: None,
            is_authenticated: false,
            discards_input: false,
            format,
            slot: None,
            last_receiver_id: 0,
            permit: Some(permit),
        }
    }

    /// Registers the application's task. It is woken at the next change.
    pub(super) fn register_task(&mut self, cx: &mut Context<'_>) {
        match &mut self.task_waker {
            Some(task) => task.clone_from(cx.waker()),
            None => self.task_waker = Some(cx.waker().clone()),
        }
    }
}
