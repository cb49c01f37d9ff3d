//! Reading the body of a request: bounded in size, in time and by the byte budget.

use crate::budget::{Budget, Charge};
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A body and its charge.
pub(super) struct Upload {
    pub(super) body: BytesMut,
    _charge: Charge,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// More octets than allowed.
    TooLarge,
    /// No progress for too long.
    TooSlow,
    /// The byte budget is used up.
    NoMemory,
    /// The client left.
    Broken,
}

/// Each so many octets earn a client one more patience, so that a trickle does not hold a connection for long.
const EARNING_BYTES: usize = 32 * 1024;

/// Reads a body of `bytes_max` octets at most; no piece may take longer than `patience`, nor all of them for long.
pub(super) async fn read(
    mut incoming: impl Body + Unpin,
    bytes_max: usize,
    patience: Duration,
    budget: &Arc<Budget>,
) -> Result<Upload, Problem> {
    let announced = incoming.size_hint().lower();
    if announced > bytes_max as u64 {
        return Err(Problem::TooLarge);
    }
    let mut charge = budget.charge(0);
    // Not what is announced: whoever announces much and sends nothing costs nothing.
    let mut body = BytesMut::new();
    let began = Instant::now();
    loop {
        let earned = 1 + u32::try_from(body.len() / EARNING_BYTES).unwrap_or(u32::MAX);
        let deadline = (began + patience.saturating_mul(earned)).min(Instant::now() + patience);
        let frame = match tokio::time::timeout_at(deadline, incoming.frame()).await {
            Err(_) => return Err(Problem::TooSlow),
            Ok(None) => return Ok(Upload { body, _charge: charge }),
            Ok(Some(Err(_))) => return Err(Problem::Broken),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(mut data) = frame.into_data() else { continue };
        if data.remaining() > bytes_max - body.len() {
            return Err(Problem::TooLarge);
        }
        if budget.is_exhausted() {
            return Err(Problem::NoMemory);
        }
        charge.resize(body.len() + data.remaining());
        while data.has_remaining() {
            let piece = data.chunk();
            body.extend_from_slice(piece);
            let octets = piece.len();
            data.advance(octets);
        }
    }
}
