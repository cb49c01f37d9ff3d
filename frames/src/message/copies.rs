//! Translated and quoted copies of a message's tail. A copy is created when the first client needs it. It is stored if
//! the caller provides a guard for its memory.

use crate::sockjs::{Quoting, quote};
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::sync::OnceLock;

/// A set of at most `N` copies, created on demand.
#[derive(Debug)]
pub(super) struct Copies<G, const N: usize> {
    slots: [OnceLock<CachedCopy<G>>; N],
}

/// A copy and the guard of its memory.
#[derive(Debug)]
struct CachedCopy<G> {
    bytes: Bytes,
    _guard: G,
}

// A derived implementation would require `G: Default`.
impl<G, const N: usize> Default for Copies<G, N> {
    fn default() -> Self {
        Copies { slots: std::array::from_fn(|_| OnceLock::new()) }
    }
}

impl<G, const N: usize> Copies<G, N> {
    /// Bytes to charge for a copy in addition to its contents: the size of the block with all slots. All copies in a
    /// block share it, but each one is charged for the whole block. The estimate is too high, which is safe.
    const OVERHEAD_BYTES: usize = size_of::<Self>();

    /// Returns the copy in `slot`. If the slot is empty, creates a copy with `make`. Then calls `guard` with the number
    /// of bytes that the copy takes. If `guard` returns a guard, stores the copy. Otherwise, the copy belongs to the
    /// caller.
    pub(super) fn get_or_make(
        copies: &OnceLock<Box<Self>>,
        slot: usize,
        make: impl FnOnce() -> Bytes,
        guard: impl FnOnce(usize) -> Option<G>,
    ) -> Cow<'_, Bytes> {
        if let Some(cached) = copies.get().and_then(|copies| copies.slots[slot].get()) {
            return Cow::Borrowed(&cached.bytes);
        }
        let bytes = make();
        match guard(bytes.len() + Self::OVERHEAD_BYTES) {
            None => Cow::Owned(bytes),
            Some(guard) => {
                // If two threads create the copy at the same time, both use the copy that is stored first.
                let cached = copies.get_or_init(Box::default).slots[slot]
                    .get_or_init(|| CachedCopy { bytes, _guard: guard });
                Cow::Borrowed(&cached.bytes)
            }
        }
    }
}

/// Returns `tail` quoted, without its last LF, in an allocation of exactly its size.
pub(super) fn quoted_copy(quoting: Quoting, tail: &[u8]) -> Bytes {
    let text = tail.strip_suffix(b"\n").unwrap_or(tail);
    // Reserve one eighth more than the text, for escapes. JSON often has more escapes, so that the buffer grows.
    let mut out = BytesMut::with_capacity(text.len() + text.len() / 8 + 32);
    quote(quoting, text, &mut out);
    Bytes::from(Vec::from(out).into_boxed_slice())
}
