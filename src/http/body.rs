//! The bodies of responses.

use super::sockjs::session::receiver::SockJsReceiver;
use super::sockjs::session::response_chunk::ResponseChunk;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of a response.
pub enum Body {
    /// A body that is complete when the response begins. `None` if it is empty, or after it was taken.
    Complete(Option<Bytes>),
    /// The body of a response that is attached to a SockJS session. It continues as long as the session has messages
    /// for it.
    Receiver(SockJsReceiver),
}

impl From<Bytes> for Body {
    fn from(body: Bytes) -> Body {
        Body::Complete((!body.is_empty()).then_some(body))
    }
}

impl From<String> for Body {
    fn from(body: String) -> Body {
        Body::from(Bytes::from(body))
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
            Body::Complete(body) => Poll::Ready(body.take().map(ResponseChunk::from)),
            Body::Receiver(receiver) => receiver.poll_chunk(cx),
        };
        chunk.map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Complete(body) => body.is_none(),
            Body::Receiver(receiver) => receiver.has_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Complete(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Body::Receiver(_) => SizeHint::default(),
        }
    }
}
