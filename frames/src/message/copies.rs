//! Copies of a message's tail in other forms, each made when the first client needs it, and kept while there is room.

use crate::sockjs::{Quoting, quote};
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::sync::OnceLock;

/// Up to `N` copies.
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

// Not derived: that would ask for a `G: Default`.
impl<G, const N: usize> Default for Copies<G, N> {
    fn default() -> Self {
        Copies { slots: std::array::from_fn(|_| OnceLock::new()) }
    }
}

impl<G, const N: usize> Copies<G, N> {
    /// Bytes that a copy is said to hold beside its own: the block around all of them. Each copy says so again; to
    /// count too much is safe.
    const OVERHEAD_BYTES: usize = size_of::<Self>();

    /// Returns the copy in `slot`. If there is none it is made, and kept if `guard`, called with the bytes that it
    /// holds, agrees; otherwise it is the caller's own.
    pub(super) fn get_or_make(
        copies: &OnceLock<Box<Self>>,
        slot: usize,
        make: impl FnOnce() -> Bytes,
        guard: impl FnOnce(usize) -> Option<G>,
    ) -> Cow<'_, Bytes> {
        if let Some(kept) = copies.get().and_then(|copies| copies.slots[slot].get()) {
            return Cow::Borrowed(&kept.bytes);
        }
        let bytes = make();
        match guard(bytes.len() + Self::OVERHEAD_BYTES) {
            None => Cow::Owned(bytes),
            Some(guard) => {
                // Two clients may come here at once: one of the copies stays.
                let kept = copies.get_or_init(Box::default).slots[slot]
                    .get_or_init(|| CachedCopy { bytes, _guard: guard });
                Cow::Borrowed(&kept.bytes)
            }
        }
    }
}

/// Returns `tail` without its last LF, quoted, in an allocation of just its size.
pub(super) fn in_quotes(quoting: Quoting, tail: &[u8]) -> Bytes {
    let text = tail.strip_suffix(b"\n").unwrap_or(tail);
    // A line or a field in sixteen bytes; a body of JSON takes more and grows.
    let mut out = BytesMut::with_capacity(text.len() + text.len() / 8 + 32);
    quote(quoting, text, &mut out);
    Bytes::from(Vec::from(out).into_boxed_slice())
}
