//! The body of a response: complete, or a receiver of the messages of a SockJS session.

use super::response_chunk::ResponseChunk;
use super::shared_session::SharedSession;
use crate::transport::http_connection::Attached;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The body of a response of the SockJS layer.
pub enum Body {
    /// A complete body.
    Whole(Option<Bytes>),
    /// A body that continues for as long as its session has messages for it.
    Receiver(Receiver),
}

/// The body of the response to a receiving request.
pub struct Receiver {
    link: Arc<SharedSession>,
    /// Number of this receiver within its session; `None` if it was refused or takes no more chunks from the session.
    ticket: Option<u64>,
    /// Keeps the connection marked as having a receiver.
    attached: Option<Attached>,
    /// Chunks that are sent first.
    script: VecDeque<Bytes>,
    /// Whether nothing follows the chunks in `script`.
    ended: bool,
}

impl Receiver {
    /// Creates a receiver that sends `script` first. A receiver with a ticket is attached to its connection.
    pub(super) fn new(
        link: Arc<SharedSession>,
        ticket: Option<(u64, Attached)>,
        script: VecDeque<Bytes>,
    ) -> Receiver {
        let (ticket, attached) = ticket.unzip();
        Receiver { link, ticket, attached, script, ended: false }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<ResponseChunk>> {
        if let Some(chunk) = self.script.pop_front() {
            self.ended |= self.script.is_empty() && self.ticket.is_none();
            return Poll::Ready(Some(ResponseChunk::from(chunk)));
        }
        let Some(ticket) = self.ticket.filter(|_| !self.ended) else { return Poll::Ready(None) };
        let (chunk, last) = match self.link.poll_chunk(ticket, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        if last {
            self.ticket = None;
            self.attached = None;
            self.ended = true;
        }
        Poll::Ready(chunk)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.link.abort(ticket);
        }
    }
}

impl From<Bytes> for Body {
    fn from(whole: Bytes) -> Body {
        Body::Whole((!whole.is_empty()).then_some(whole))
    }
}

impl From<String> for Body {
    fn from(whole: String) -> Body {
        Body::from(Bytes::from(whole))
    }
}

impl hyper::body::Body for Body {
    type Data = ResponseChunk;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<ResponseChunk>, Infallible>>> {
        let chunk = match self.get_mut() {
            Body::Whole(whole) => Poll::Ready(whole.take().map(ResponseChunk::from)),
            Body::Receiver(receiver) => receiver.poll_chunk(cx),
        };
        chunk.map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(whole) => whole.is_none(),
            Body::Receiver(receiver) => receiver.ended && receiver.script.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, Bytes::len) as u64),
            Body::Receiver(_) => SizeHint::default(),
        }
    }
}
