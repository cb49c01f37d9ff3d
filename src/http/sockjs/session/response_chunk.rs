//! A chunk of a response. It consists of several pieces, so that shared tails are not copied. It records how many of
//! its bytes the socket has taken, which shows whether a batch was written or lost.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A listener for the progress of a batch.
pub(crate) trait ProgressListener: Send + Sync {
    /// Wakes the task that waits for the batch, because the socket has taken bytes or the batch is complete.
    fn wake(&self);
}

/// The progress of a batch on its way through the HTTP connection.
pub(crate) struct BatchProgress {
    taken: AtomicUsize,
    completed: AtomicBool,
    wakeups_enabled: AtomicBool,
    listener: Arc<dyn ProgressListener>,
}

impl BatchProgress {
    /// Returns the number of bytes that the socket has taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Returns whether the socket will take no more bytes of the batch. All bytes are taken then, or the batch is lost.
    pub(crate) fn is_complete(&self) -> bool {
        self.completed.load(Ordering::SeqCst)
    }

    /// Enables wakeups. Progress before this call is not reported, so the caller must check
    /// [`is_complete`](BatchProgress::is_complete) and [`taken`](BatchProgress::taken) afterwards.
    pub(crate) fn enable_wakeups(&self) {
        self.wakeups_enabled.store(true, Ordering::SeqCst);
    }

    fn notify(&self) {
        if self.wakeups_enabled.load(Ordering::SeqCst) {
            self.listener.wake();
        }
    }
}

/// A chunk of a response. It consists of pieces that are sent one after the other.
pub struct ResponseChunk {
    pieces: VecDeque<Bytes>,
    remaining: usize,
    progress: Option<Arc<BatchProgress>>,
}

impl ResponseChunk {
    /// Creates a chunk that consists of `pieces` in this order.
    pub(crate) fn new(pieces: impl IntoIterator<Item = Bytes>) -> ResponseChunk {
        let pieces: VecDeque<Bytes> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        ResponseChunk { remaining: pieces.iter().map(Bytes::len).sum(), pieces, progress: None }
    }

    /// Attaches `listener` to the chunk. After [`enable_wakeups`](BatchProgress::enable_wakeups), the listener is woken
    /// whenever the socket takes bytes, and when it will take no more. If the chunk is dropped before the socket has
    /// taken all of it, the listener is woken even without `enable_wakeups`.
    pub(crate) fn with_listener(
        mut self,
        listener: Arc<dyn ProgressListener>,
    ) -> (ResponseChunk, Arc<BatchProgress>) {
        let progress = Arc::new(BatchProgress {
            taken: AtomicUsize::new(0),
            completed: AtomicBool::new(false),
            wakeups_enabled: AtomicBool::new(false),
            listener,
        });
        self.progress = Some(progress.clone());
        (self, progress)
    }
}

impl From<Bytes> for ResponseChunk {
    fn from(piece: Bytes) -> ResponseChunk {
        ResponseChunk::new([piece])
    }
}

impl Buf for ResponseChunk {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.remaining, "advanced beyond the end");
        self.remaining -= bytes;
        let mut left = bytes;
        while left > 0
            && let Some(piece) = self.pieces.front_mut()
        {
            let taken = left.min(piece.len());
            piece.advance(taken);
            left -= taken;
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        if let Some(progress) = &self.progress
            && bytes > 0
        {
            progress.taken.fetch_add(bytes, Ordering::AcqRel);
            // Dropping the chunk reports the last bytes. The drop follows at once.
            if self.remaining > 0 {
                progress.notify();
            }
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            *slot = IoSlice::new(piece);
            used += 1;
        }
        used
    }
}

impl Drop for ResponseChunk {
    fn drop(&mut self) {
        if let Some(progress) = &self.progress {
            progress.completed.store(true, Ordering::SeqCst);
            if self.remaining > 0 {
                progress.listener.wake();
            } else {
                progress.notify();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl ProgressListener for Counter {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn bytes_are_taken_in_order_for_any_step_size() {
        let pieces = || [b"one".as_slice(), b"", b"three", b"x"].map(Bytes::from_static);
        for step in 1..=9 {
            let mut chunk = ResponseChunk::new(pieces());
            let mut seen = Vec::new();
            while chunk.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 4];
                let used = chunk.chunks_vectored(&mut slices);
                let next: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
                assert_eq!(next.len(), chunk.remaining());
                let taken = step.min(next.len());
                seen.extend_from_slice(&next[..taken]);
                chunk.advance(taken);
            }
            assert_eq!(seen, b"onethreex");
        }
    }

    #[test]
    fn progress_reports_the_bytes_taken_and_completion() {
        let counter = Arc::new(Counter::default());
        let (mut chunk, progress) =
            ResponseChunk::from(Bytes::from_static(b"12345")).with_listener(counter.clone());
        chunk.advance(1);
        assert_eq!(counter.0.load(Ordering::Relaxed), 0, "wakeups are not enabled");
        progress.enable_wakeups();
        chunk.advance(1);
        assert_eq!(
            (progress.taken(), progress.is_complete(), counter.0.load(Ordering::Relaxed)),
            (2, false, 1)
        );
        drop(chunk);
        assert_eq!(
            (progress.taken(), progress.is_complete(), counter.0.load(Ordering::Relaxed)),
            (2, true, 2)
        );
    }

    #[test]
    fn chunk_dropped_before_completion_wakes_even_without_a_waiter() {
        let counter = Arc::new(Counter::default());
        for (taken, wakes) in [(5, 0), (4, 1)] {
            let (mut chunk, _) =
                ResponseChunk::from(Bytes::from_static(b"12345")).with_listener(counter.clone());
            chunk.advance(taken);
            drop(chunk);
            assert_eq!(counter.0.swap(0, Ordering::Relaxed), wakes);
        }
    }
}
