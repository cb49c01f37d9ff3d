//! The slot for the receiver of a session, and a batch that was handed over to a receiver.

use super::response_chunk::{BatchProgress, ResponseChunk};
use crate::http::connection::HttpConnection;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

/// The slot that represents the current receiver of a session.
pub(crate) struct ReceiverSlot {
    pub(crate) receiver_id: u64,
    /// Number of bytes that the response may still carry.
    pub(crate) remaining_bytes: usize,
    /// Chunks that the body of the response takes next. The flag is set for the last chunk of the response.
    pub(crate) chunks: VecDeque<(ResponseChunk, bool)>,
    /// Wakes the task that sends the body of the response.
    pub(crate) body_waker: Option<Waker>,
    pub(crate) http_connection: Arc<HttpConnection>,
}

/// A batch that was handed over to a receiver.
pub(crate) struct HandedBatch {
    pub(crate) progress: Arc<BatchProgress>,
    /// Number of bytes of the envelope that precede the output.
    pub(crate) head_bytes: usize,
    /// Number of bytes of the whole batch, including the envelope.
    pub(crate) total_bytes: usize,
    pub(crate) http_connection: Arc<HttpConnection>,
}

impl ReceiverSlot {
    /// Queues a chunk of `bytes` bytes. If this uses up `remaining_bytes`, the chunk is the last one of the response.
    /// Returns the waker of the body.
    pub(crate) fn push(&mut self, chunk: ResponseChunk, bytes: usize) -> Option<Waker> {
        self.remaining_bytes = self.remaining_bytes.saturating_sub(bytes);
        self.chunks.push_back((chunk, self.remaining_bytes == 0));
        self.body_waker.take()
    }
}
