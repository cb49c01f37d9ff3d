//! The receiver of a SockJS session: the body of a response that carries messages to the client.

use super::response_chunk::ResponseChunk;
use super::shared_session::SharedSession;
use crate::http::connection::{AttachedReceiver, HttpConnection};
use crate::http::sockjs::routes::ResponseFormat;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// The body of the response to a receiving request. It continues as long as the session has messages for it.
pub struct SockJsReceiver {
    session: Arc<SharedSession>,
    /// ID of this receiver in its session. `None` if it was rejected, or if the session has no more chunks for it.
    receiver_id: Option<u64>,
    /// Keeps the connection marked as having a receiver attached.
    attached: Option<AttachedReceiver>,
    /// Chunks that precede those of the session.
    initial_chunks: VecDeque<Bytes>,
    /// Whether the body ends after `initial_chunks`.
    has_ended: bool,
}

impl SockJsReceiver {
    /// Attaches a receiver with this response format to `session`, and to the connection of the request. If the session
    /// rejects the receiver, the body consists of a close frame, and the connection is not marked.
    pub(crate) fn attach(
        session: Arc<SharedSession>,
        format: ResponseFormat,
        http_connection: &Arc<HttpConnection>,
        now: Instant,
    ) -> SockJsReceiver {
        let (receiver_id, initial_chunks) = session.attach(format, http_connection, now);
        let attached = receiver_id.map(|_| http_connection.attach());
        SockJsReceiver { session, receiver_id, attached, initial_chunks, has_ended: false }
    }

    /// Returns the next chunk of the body, or `None` at its end.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<ResponseChunk>> {
        if let Some(chunk) = self.initial_chunks.pop_front() {
            self.has_ended |= self.initial_chunks.is_empty() && self.receiver_id.is_none();
            return Poll::Ready(Some(ResponseChunk::from(chunk)));
        }
        let Some(receiver_id) = self.receiver_id.filter(|_| !self.has_ended) else {
            return Poll::Ready(None);
        };
        let (chunk, last) = match self.session.poll_chunk(receiver_id, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        if last {
            self.receiver_id = None;
            self.attached = None;
            self.has_ended = true;
        }
        Poll::Ready(chunk)
    }

    /// Returns whether the body has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended && self.initial_chunks.is_empty()
    }
}

impl Drop for SockJsReceiver {
    fn drop(&mut self) {
        if let Some(receiver_id) = self.receiver_id {
            self.session.abort(receiver_id);
        }
    }
}
