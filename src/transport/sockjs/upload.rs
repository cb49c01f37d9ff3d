//! Reading the body of a request: bounded in size, in time and by the byte budget; and parsing it.

use crate::budget::{Budget, Charge};
use crate::transport::drive::HELD_BYTES_MIN;
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Body;
use hyper::header::CONTENT_TYPE;
use std::sync::Arc;
use std::time::Duration;
use stompbox_frames::sockjs::payload::{self, BadPayload, Payload};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A body and its charge.
pub(super) struct Upload {
    pub(super) body: BytesMut,
    _charge: Charge,
}

impl Upload {
    /// Parses the body. A large one waits for one of `turns` and is parsed by a thread beside those that run connections.
    pub(super) async fn parse(
        self,
        form: bool,
        headers: &HeaderMap,
        turns: &Arc<Semaphore>,
    ) -> (Option<Upload>, Result<Payload, BadPayload>) {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.filter(|_| form).map(str::to_owned);
        let parse = move |body: &[u8]| match form {
            true => payload::form(body, content_type.as_deref()).and_then(|json| payload::array(&json)),
            false => payload::array(body),
        };
        if self.body.len() <= PARSED_AT_ONCE_BYTES {
            let payload = parse(&self.body);
            return (Some(self), payload);
        }
        // Nobody closes the semaphore. The thread holds the permit, for it goes on when the client leaves.
        let turn = turns.clone().acquire_owned().await;
        let parsing = tokio::task::spawn_blocking(move || {
            let payload = parse(&self.body);
            drop(turn);
            (Some(self), payload)
        });
        // It fails only while the broker stops.
        parsing.await.unwrap_or((None, Err(BadPayload::Broken)))
    }
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// More octets than allowed.
    TooLarge,
    /// No progress for too long.
    TooSlow,
    /// The byte budget has no room for the body.
    NoMemory,
    /// The client left.
    Broken,
}

/// Bodies up to this are parsed by the thread that runs the connection: that takes some 100 µs.
const PARSED_AT_ONCE_BYTES: usize = 64 * 1024;

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
        let bytes = body.len() + data.remaining();
        // As on other wires, small bodies are not charged, so that large input of other clients does not block them.
        if bytes >= HELD_BYTES_MIN && !charge.try_grow(bytes) {
            return Err(Problem::NoMemory);
        }
        while data.has_remaining() {
            let piece = data.chunk();
            body.extend_from_slice(piece);
            let octets = piece.len();
            data.advance(octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use std::future::{Future, poll_fn};
    use std::task::Poll;

    async fn upload(bytes: usize) -> Upload {
        let json = format!("[\"{}\"]", "x".repeat(bytes - 4));
        let body = Full::new(bytes::Bytes::from(json));
        match read(body, bytes, Duration::from_secs(60), &Budget::new(1 << 30)).await {
            Ok(upload) => upload,
            Err(problem) => panic!("{problem:?}"),
        }
    }

    #[tokio::test]
    async fn a_large_body_is_parsed_in_turn_and_a_small_one_at_once() {
        let (turns, headers) = (Arc::new(Semaphore::new(1)), HeaderMap::new());
        let turn = turns.clone().acquire_owned().await;
        for (bytes, waits) in [(PARSED_AT_ONCE_BYTES, false), (PARSED_AT_ONCE_BYTES + 1, true)] {
            let mut parsed = Box::pin(upload(bytes).await.parse(false, &headers, &turns));
            let polled = poll_fn(|cx| Poll::Ready(parsed.as_mut().poll(cx))).await;
            assert_eq!(polled.is_pending(), waits, "{bytes} bytes");
        }
        drop(turn);
        let (_, payload) = upload(1 << 20).await.parse(false, &headers, &turns).await;
        assert_eq!(payload.expect("good JSON").iter().map(<[u8]>::len).sum::<usize>(), (1 << 20) - 4);
        assert_eq!(turns.available_permits(), 1);
    }
}
