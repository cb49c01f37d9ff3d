//! The slot for the receiver of a session, and the batches handed over to it.

use super::response_chunk::{BatchProgress, ResponseChunk};
use crate::transport::http_connection::HttpConnection;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

/// The slot for the current receiver of a session.
pub(super) struct ReceiverSlot {
    pub(super) ticket: u64,
    /// Bytes that the response may still carry.
    pub(super) room: usize,
    /// Chunks that the body of the response takes next, each with whether it is the last one of the response.
    pub(super) chunks: VecDeque<(ResponseChunk, bool)>,
    pub(super) body: Option<Waker>,
    pub(super) line: Arc<HttpConnection>,
}

/// A batch that was handed over to a receiver.
pub(super) struct HandedBatch {
    pub(super) progress: Arc<BatchProgress>,
    /// Bytes of the envelope before the output.
    /// Bytes of the whole batch, envelope included.
    pub(super) head: usize,
    pub(super) total: usize,
    pub(super) line: Arc<HttpConnection>,
}

impl ReceiverSlot {
    /// Queues the next chunk, `octets` bytes long, which ends the response if it uses up the room. Returns the waker of
    /// the body.
    pub(super) fn put(&mut self, segments: ResponseChunk, octets: usize) -> Option<Waker> {
        self.room = self.room.saturating_sub(octets);
        self.chunks.push_back((segments, self.room == 0));
        self.body.take()
    }
}
