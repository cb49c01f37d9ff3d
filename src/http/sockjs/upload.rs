//! Reads and parses the body of a sending request. Limits its size, time and memory.

use crate::limits::input::{Growth, Input, InputShare};
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Body;
use hyper::header::CONTENT_TYPE;
use std::sync::Arc;
use std::time::Duration;
use stompbox_frames::sockjs::payload::{self, Payload, PayloadError};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A complete body. It holds the charge for its memory.
pub(super) struct Upload {
    pub(super) body: BytesMut,
    _input: Input,
}

impl Upload {
    /// Parses the body. For a large body, first waits for one of `permits`, and parses on a thread for blocking work.
    pub(super) async fn parse(
        self,
        is_form: bool,
        headers: &HeaderMap,
        permits: &Arc<Semaphore>,
    ) -> (Option<Upload>, Result<Payload, PayloadError>) {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.filter(|_| is_form).map(str::to_owned);
        let parse = move |body: &[u8]| match is_form {
            true => payload::form(body, content_type.as_deref()).and_then(|json| payload::array(&json)),
            false => payload::array(body),
        };
        if self.body.len() <= PARSED_INLINE_BYTES_MAX {
            let payload = parse(&self.body);
            return (Some(self), payload);
        }
        // The semaphore is never closed. The thread holds the permit, because it continues even if the client
        // disconnects.
        let permit = permits.clone().acquire_owned().await;
        let parsing = tokio::task::spawn_blocking(move || {
            let payload = parse(&self.body);
            drop(permit);
            (Some(self), payload)
        });
        // The thread fails only if the broker is stopping.
        parsing.await.unwrap_or((None, Err(PayloadError::Broken)))
    }
}

/// The reason why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadError {
    /// The body is longer than allowed.
    TooLarge,
    /// The body made no progress for too long.
    TooSlow,
    /// There is not enough memory for the body.
    NoMemory,
    /// The client disconnected before the body was complete.
    Broken,
}

/// Maximum size in bytes of a body that is parsed on the thread that runs the connection. Parsing that much takes about
/// 100 µs.
const PARSED_INLINE_BYTES_MAX: usize = 64 * 1024;

/// Reads a body of at most `bytes_max` bytes. A body that is too small to be charged must arrive within
/// `first_timeout`. Of a larger body, at least [`HELD_BYTES_MIN`](crate::limits::input::HELD_BYTES_MIN) bytes must
/// arrive in every stall timeout of `share`.
pub(super) async fn read(
    mut incoming: impl Body + Unpin,
    bytes_max: usize,
    first_timeout: Duration,
    share: &Arc<InputShare>,
) -> Result<Upload, UploadError> {
    let declared_bytes = incoming.size_hint().lower();
    if declared_bytes > bytes_max as u64 {
        return Err(UploadError::TooLarge);
    }
    let mut input = share.input(0);
    // Does not allocate the declared length. A client that declares a large body and sends nothing must cost no memory.
    let mut body = BytesMut::new();
    let first_deadline = Instant::now() + first_timeout;
    loop {
        let deadline = input.stalls_at().map_or(first_deadline, Instant::from_std);
        let frame = tokio::select! {
            biased;
            () = input.dropped() => return Err(UploadError::NoMemory),
            frame = tokio::time::timeout_at(deadline, incoming.frame()) => frame,
        };
        let frame = match frame {
            Err(_) => return Err(UploadError::TooSlow),
            Ok(None) => {
                input.finish();
                return Ok(Upload { body, _input: input });
            }
            Ok(Some(Err(_))) => return Err(UploadError::Broken),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(mut data) = frame.into_data() else { continue };
        if data.remaining() > bytes_max - body.len() {
            return Err(UploadError::TooLarge);
        }
        input.receive(data.remaining());
        // As on other wires, small bodies are not charged, so that large input of other clients cannot block them.
        admit(&mut input, body.len() + data.remaining()).await?;
        while data.has_remaining() {
            let piece = data.chunk();
            body.extend_from_slice(piece);
            let bytes_read = piece.len();
            data.advance(bytes_read);
        }
    }
}

/// Charges the `bytes` bytes of the body that are held. If the memory for them may become available, waits for it.
async fn admit(input: &mut Input, bytes: usize) -> Result<(), UploadError> {
    loop {
        let at = match input.grow(bytes, Instant::now().into_std()) {
            Growth::Admitted => return Ok(()),
            Growth::RetryAt(at) => at,
            Growth::Rejected => return Err(UploadError::NoMemory),
        };
        tokio::select! {
            biased;
            () = input.dropped() => return Err(UploadError::NoMemory),
            () = tokio::time::sleep_until(Instant::from_std(at)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::limits::input::HELD_BYTES_MIN;
    use bytes::Bytes;
    use futures_util::StreamExt;
    use futures_util::stream;
    use http_body_util::{BodyStream, Full, StreamBody};
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::future::{Future, pending, poll_fn};
    use std::task::Poll;

    const STALL_TIMEOUT: Duration = Duration::from_secs(10);

    fn share() -> Arc<InputShare> {
        InputShare::new(Budget::new(1 << 30), STALL_TIMEOUT)
    }

    /// Returns a body of `pieces` pieces. Each has `bytes` bytes. One piece arrives in every `interval`.
    fn slow_body(
        bytes: usize,
        interval: Duration,
        pieces: usize,
    ) -> impl Body<Data = Bytes, Error = Infallible> {
        StreamBody::new(stream::unfold(0, move |piece| async move {
            let _ = tokio::time::timeout(interval, pending::<()>()).await;
            let frame = Frame::data(Bytes::from(vec![b'x'; bytes]));
            (piece < pieces).then_some((Ok(frame), piece + 1))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_arrives_byte_by_byte_times_out_even_after_a_large_chunk() {
        let byte_by_byte = slow_body(1, Duration::from_secs(8), usize::MAX);
        assert_eq!(read_slow(byte_by_byte).await, (Err(UploadError::TooSlow), 10));
        let first = StreamBody::new(stream::iter([Ok(Frame::data(Bytes::from(vec![b'x'; 1 << 20])))]));
        let body =
            BodyStream::new(first).chain(BodyStream::new(slow_body(1, Duration::from_secs(8), usize::MAX)));
        assert_eq!(read_slow(StreamBody::new(body)).await, (Err(UploadError::TooSlow), 10));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_body_that_makes_progress_is_read_completely() {
        let slow = slow_body(10_000, Duration::from_secs(1), 100);
        assert_eq!(read_slow(slow).await, (Ok(1_000_000), 101));
        let slowest = slow_body(HELD_BYTES_MIN, Duration::from_secs(9), 50);
        assert_eq!(read_slow(slowest).await, (Ok(50 * HELD_BYTES_MIN), 459));
    }

    /// Reads a body. Returns its length or the error, and the duration in seconds.
    async fn read_slow(
        body: impl Body<Data = Bytes, Error = Infallible>,
    ) -> (Result<usize, UploadError>, u64) {
        let began = Instant::now();
        let read = read(Box::pin(body), 2 << 20, STALL_TIMEOUT, &share()).await;
        (read.map(|upload| upload.body.len()), began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_body_is_dropped_in_favour_of_a_new_one() {
        let share = InputShare::new(Budget::new(100_000), STALL_TIMEOUT);
        let stalled = slow_body(90_000, Duration::from_secs(2), usize::MAX);
        let new_body = slow_body(20_000, Duration::from_secs(3), 1);
        let (mut stalled, mut new_body) = (Box::pin(stalled), Box::pin(new_body));
        let (stalled, new_body) = tokio::join!(
            read(&mut stalled, 1 << 20, STALL_TIMEOUT, &share),
            read(&mut new_body, 1 << 20, STALL_TIMEOUT, &share),
        );
        assert_eq!(stalled.map(|upload| upload.body.len()), Err(UploadError::NoMemory));
        assert_eq!(new_body.map(|upload| upload.body.len()), Ok(20_000));
    }

    async fn upload(bytes: usize) -> Upload {
        let json = format!("[\"{}\"]", "x".repeat(bytes - 4));
        let body = Full::new(bytes::Bytes::from(json));
        match read(body, bytes, Duration::from_secs(60), &share()).await {
            Ok(upload) => upload,
            Err(error) => panic!("{error:?}"),
        }
    }

    #[tokio::test]
    async fn large_body_waits_for_a_parse_permit_and_a_small_one_is_parsed_at_once() {
        let (permits, headers) = (Arc::new(Semaphore::new(1)), HeaderMap::new());
        let permit = permits.clone().acquire_owned().await;
        for (bytes, waits) in [(PARSED_INLINE_BYTES_MAX, false), (PARSED_INLINE_BYTES_MAX + 1, true)] {
            let mut parsed = Box::pin(upload(bytes).await.parse(false, &headers, &permits));
            let polled = poll_fn(|cx| Poll::Ready(parsed.as_mut().poll(cx))).await;
            assert_eq!(polled.is_pending(), waits, "{bytes} bytes");
        }
        drop(permit);
        let (_, payload) = upload(1 << 20).await.parse(false, &headers, &permits).await;
        assert_eq!(payload.expect("valid JSON").iter().map(<[u8]>::len).sum::<usize>(), (1 << 20) - 4);
        assert_eq!(permits.available_permits(), 1);
    }
}
