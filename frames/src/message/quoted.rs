//! The tails of a message as they stand in a SockJS string, each made when the first client needs it.

use super::Form;
use crate::sockjs::{Quoting, quote};
use bytes::{Bytes, BytesMut};
use std::sync::OnceLock;

/// All quoted tails of one message.
#[derive(Debug)]
pub(super) struct QuotedTails<G> {
    primary: PerQuoting<G>,
    /// Few messages have other tails than the primary one, and few clients read those.
    older: OnceLock<Box<[PerQuoting<G>; 2]>>,
}

/// One tail in every [`Quoting`], in the order of [`Quoting::ALL`].
type PerQuoting<G> = [OnceLock<Quoted<G>>; 3];

#[derive(Debug)]
struct Quoted<G> {
    octets: Bytes,
    _guard: G,
}

// Not derived: that would ask for a `G: Default`.
impl<G> Default for QuotedTails<G> {
    fn default() -> Self {
        QuotedTails { primary: none(), older: OnceLock::new() }
    }
}

impl<G> QuotedTails<G> {
    /// Octets that a quoted tail is said to hold beside its own: what stands around all of them. Whoever makes
    /// the second one says so again; to count too much is safe.
    const OVERHEAD_BYTES: usize = size_of::<QuotedTails<G>>();
    /// The same for the tails of older versions.
    const OLDER_OVERHEAD_BYTES: usize = size_of::<QuotedTails<G>>() + size_of::<[PerQuoting<G>; 2]>();

    /// The quoted form of `tail`, which is that of `form`. `guard` is called with the octets held, if it is
    /// made now.
    pub(super) fn get_or_quote<'a>(
        &self,
        form: Form,
        quoting: Quoting,
        tail: impl FnOnce() -> &'a Bytes,
        guard: impl FnOnce(usize) -> G,
    ) -> &Bytes {
        let older = || self.older.get_or_init(|| Box::new([none(), none()]));
        let (slots, overhead) = match form {
            Form::Primary => (&self.primary, Self::OVERHEAD_BYTES),
            Form::V1_1 => (&older()[0], Self::OLDER_OVERHEAD_BYTES),
            Form::V1_0 => (&older()[1], Self::OLDER_OVERHEAD_BYTES),
        };
        let quoted = slots[quoting as usize].get_or_init(|| {
            let octets = in_quotes(quoting, tail());
            let _guard = guard(octets.len() + overhead);
            Quoted { octets, _guard }
        });
        &quoted.octets
    }
}

fn none<G>() -> PerQuoting<G> {
    std::array::from_fn(|_| OnceLock::new())
}

/// `tail` without its last LF, quoted, in an allocation of just its size.
fn in_quotes(quoting: Quoting, tail: &[u8]) -> Bytes {
    let text = tail.strip_suffix(b"\n").unwrap_or(tail);
    // A line or a field in sixteen octets; a body of JSON takes more and grows.
    let mut out = BytesMut::with_capacity(text.len() + text.len() / 8 + 32);
    quote(quoting, text, &mut out);
    Bytes::from(Vec::from(out).into_boxed_slice())
}
