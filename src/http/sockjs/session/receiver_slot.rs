//! The slot for the receiver of a session, and the batches handed over to it.

use super::response_chunk::{BatchProgress, ResponseChunk};
use crate::http::connection::HttpConnection;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

/// The slot for the current receiver of a session.
pub(crate) struct ReceiverSlot {
    pub(crate) receiver_id: u64,
    /// Bytes that the response may still carry.
    pub(crate) remaining_bytes: usize,
    /// Chunks that the body of the response takes next, each with whether it is the last one of the response.
    pub(crate) chunks: VecDeque<(ResponseChunk, bool)>,
    /// Wakes the task that sends the body of the response.
    pub(crate) body_waker: Option<Waker>,
    pub(crate) http_connection: Arc<HttpConnection>,
}

/// A batch that was handed over to a receiver.
pub(crate) struct HandedBatch {
    pub(crate) progress: Arc<BatchProgress>,
    /// Bytes of the envelope before the output.
    pub(crate) head_bytes: usize,
    /// Bytes of the whole batch, envelope included.
    pub(crate) total_bytes: usize,
    pub(crate) http_connection: Arc<HttpConnection>,
}

impl ReceiverSlot {
    /// Queues the next chunk, `bytes` bytes long, which ends the response if it uses up `remaining_bytes`. Returns
    /// the waker of the body.
    pub(crate) fn push(&mut self, chunk: ResponseChunk, bytes: usize) -> Option<Waker> {
        self.remaining_bytes = self.remaining_bytes.saturating_sub(bytes);
        self.chunks.push_back((chunk, self.remaining_bytes == 0));
        self.body_waker.take()
    }
}
