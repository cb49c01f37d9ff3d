//! One chunk of a response, in as many pieces as it was made of: shared tails are not copied. Knows how much of
//! itself the socket has taken, so that a batch is known to be written, or lost.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Whoever waits for a flight.
pub(super) trait ProgressListener: Send + Sync {
    /// Bytes were taken, or the flight is over.
    fn wake(&self);
}

/// A batch on its way through the HTTP connection.
pub(super) struct BatchProgress {
    taken: AtomicUsize,
    completed: AtomicBool,
    expected: AtomicBool,
    waits: Arc<dyn ProgressListener>,
}

impl BatchProgress {
    /// Bytes that the socket has taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Whether nothing more of it will be taken.
    pub(super) fn is_complete(&self) -> bool {
        self.completed.load(Ordering::SeqCst)
    }

    /// Has whoever waits woken from now on. What has landed before is not told: look behind this.
    pub(super) fn expect(&self) {
        self.expected.store(true, Ordering::SeqCst);
    }

    fn tell(&self) {
        if self.expected.load(Ordering::SeqCst) {
            self.waits.wake();
        }
    }
}

/// The pieces.
pub struct ResponseChunk {
    pieces: VecDeque<Bytes>,
    remaining: usize,
    progress: Option<Arc<BatchProgress>>,
}

impl ResponseChunk {
    /// These pieces, one after the other.
    pub(super) fn new(pieces: impl IntoIterator<Item = Bytes>) -> ResponseChunk {
        let pieces: VecDeque<Bytes> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        ResponseChunk { remaining: pieces.iter().map(Bytes::len).sum(), pieces, progress: None }
    }

    /// Has `waits` woken, once that is [`expect`](BatchProgress::expect)ed, as the socket takes bytes, and when it will
    /// take no more; in any case if not all was taken.
    pub(super) fn watched(mut self, waits: Arc<dyn ProgressListener>) -> (ResponseChunk, Arc<BatchProgress>) {
        let progress = Arc::new(BatchProgress {
            taken: AtomicUsize::new(0),
            completed: AtomicBool::new(false),
            expected: AtomicBool::new(false),
            waits,
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

    fn advance(&mut self, octets: usize) {
        assert!(octets <= self.remaining, "advanced beyond the end");
        self.remaining -= octets;
        let mut left = octets;
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
            && octets > 0
        {
            progress.taken.fetch_add(octets, Ordering::AcqRel);
            // The last bytes are told of when the whole is dropped, which follows at once.
            if self.remaining > 0 {
                progress.tell();
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
                progress.waits.wake();
            } else {
                progress.tell();
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
    fn octets_leave_in_order_however_they_are_taken() {
        let pieces = || [b"one".as_slice(), b"", b"three", b"x"].map(Bytes::from_static);
        for step in 1..=9 {
            let mut segments = ResponseChunk::new(pieces());
            let mut seen = Vec::new();
            while segments.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 4];
                let used = segments.chunks_vectored(&mut slices);
                let next: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
                assert_eq!(next.len(), segments.remaining());
                let taken = step.min(next.len());
                seen.extend_from_slice(&next[..taken]);
                segments.advance(taken);
            }
            assert_eq!(seen, b"onethreex");
        }
    }

    #[test]
    fn a_flight_tells_what_was_taken_and_whether_more_will_be() {
        let counter = Arc::new(Counter::default());
        let (mut segments, progress) =
            ResponseChunk::from(Bytes::from_static(b"12345")).watched(counter.clone());
        segments.advance(1);
        assert_eq!(counter.0.load(Ordering::Relaxed), 0, "nobody asked for it");
        progress.expect();
        segments.advance(1);
        assert_eq!(
            (progress.taken(), progress.is_complete(), counter.0.load(Ordering::Relaxed)),
            (2, false, 1)
        );
        drop(segments);
        assert_eq!(
            (progress.taken(), progress.is_complete(), counter.0.load(Ordering::Relaxed)),
            (2, true, 2)
        );
    }

    #[test]
    fn a_loss_is_told_whether_or_not_anybody_waits() {
        let counter = Arc::new(Counter::default());
        for (taken, told) in [(5, 0), (4, 1)] {
            let (mut segments, _) =
                ResponseChunk::from(Bytes::from_static(b"12345")).watched(counter.clone());
            segments.advance(taken);
            drop(segments);
            assert_eq!(counter.0.swap(0, Ordering::Relaxed), told);
        }
    }
}
