//! The place of a session's receiver, and what is on its way through it.

use super::response_chunk::{BatchProgress, ResponseChunk};
use crate::transport::http_connection::HttpConnection;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

/// The place of the receiver.
pub(super) struct ReceiverSlot {
    pub(super) ticket: u64,
    /// Bytes that the response may still take.
    pub(super) room: usize,
    /// What its body takes next; the last chunk of a response is marked.
    pub(super) chunks: VecDeque<(ResponseChunk, bool)>,
    pub(super) body: Option<Waker>,
    pub(super) line: Arc<HttpConnection>,
}

/// A batch that was handed over.
pub(super) struct HandedBatch {
    pub(super) progress: Arc<BatchProgress>,
    /// Bytes before and in all of it.
    pub(super) head: usize,
    pub(super) total: usize,
    pub(super) line: Arc<HttpConnection>,
}

impl ReceiverSlot {
    /// The next chunk, which ends the response if it takes all its room. Returns who is to be woken.
    pub(super) fn put(&mut self, segments: ResponseChunk, octets: usize) -> Option<Waker> {
        self.room = self.room.saturating_sub(octets);
        self.chunks.push_back((segments, self.room == 0));
        self.body.take()
    }
}
