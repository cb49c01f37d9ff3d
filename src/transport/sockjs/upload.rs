//! Reading the body of a request: bounded in size, in time and by the byte budget.

use crate::budget::{Budget, Charge};
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::sync::Arc;
use std::time::Duration;

/// A body and its charge.
pub(super) struct Upload {
    pub(super) body: BytesMut,
    pub(super) charge: Charge,
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

/// Reads a body of `bytes_max` octets at most, of which no piece may take longer than `patience`.
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
    loop {
        let frame = match tokio::time::timeout(patience, incoming.frame()).await {
            Err(_) => return Err(Problem::TooSlow),
            Ok(None) => return Ok(Upload { body, charge }),
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
