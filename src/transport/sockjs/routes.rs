//! The transports, a row each: by which path and method they are reached, and what their responses look like.

use super::options::Transport;
use bytes::{Bytes, BytesMut};
use hyper::Method;
use stompbox_frames::sockjs::envelope::{EVENTSOURCE, HTMLFILE, JSONP, XHR, XHR_STREAMING};
use stompbox_frames::sockjs::{ARRAY_CLOSE, ARRAY_OPEN, Envelope, Frame, Quoting};

const SCRIPT: &str = "application/javascript; charset=UTF-8";
const HTML: &str = "text/html; charset=UTF-8";
const TEXT: &str = "text/plain; charset=UTF-8";
const EVENTS: &str = "text/event-stream";

/// What a request of a transport does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Asks for messages.
    Receive {
        envelope: &'static Envelope,
        /// Whether one frame ends the response.
        polling: bool,
        /// The query names a function to be called, in so many characters at most.
        callback: Option<usize>,
    },
    /// Brings messages; `form` if as a form's field.
    Send { form: bool },
    /// Becomes a WebSocket.
    Socket,
}

/// A transport's endpoint below `/{server}/{session}/`.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) path: &'static str,
    pub(super) method: Method,
    /// All methods there are for it, as `Allow` has them.
    pub(super) allow: &'static str,
    /// Which of these has to be on.
    pub(super) transports: &'static [Transport],
    pub(super) kind: Kind,
    pub(super) content_type: &'static str,
    /// Whether pages of other origins may use it by XMLHttpRequest.
    pub(super) cors: bool,
    /// The transport's name in logs and metrics, where sessions begin with it.
    pub(super) name: &'static str,
}

/// The names of SockJS transports in logs and metrics.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name).filter(|name| !name.is_empty())
}

const fn receive(envelope: &'static Envelope, polling: bool, callback: Option<usize>) -> Kind {
    Kind::Receive { envelope, polling, callback }
}

pub(super) const ROWS: &[Row] = &[
    Row {
        path: "websocket",
        method: Method::GET,
        allow: "GET",
        transports: &[Transport::WebSocket],
        kind: Kind::Socket,
        content_type: TEXT,
        cors: false,
        name: "sockjs-websocket",
    },
    Row {
        path: "xhr",
        method: Method::POST,
        allow: "OPTIONS, POST",
        transports: &[Transport::XhrPolling],
        kind: receive(&XHR, true, None),
        content_type: SCRIPT,
        cors: true,
        name: "sockjs-xhr-polling",
    },
    Row {
        path: "xhr_streaming",
        method: Method::POST,
        allow: "OPTIONS, POST",
        transports: &[Transport::XhrStreaming],
        kind: receive(&XHR_STREAMING, false, None),
        content_type: SCRIPT,
        cors: true,
        name: "sockjs-xhr-streaming",
    },
    Row {
        path: "xhr_send",
        method: Method::POST,
        allow: "OPTIONS, POST",
        // The other half of those that only receive.
        transports: &[
            Transport::XhrPolling,
            Transport::XhrStreaming,
            Transport::EventSource,
            Transport::HtmlFile,
        ],
        kind: Kind::Send { form: false },
        content_type: TEXT,
        cors: true,
        name: "",
    },
    Row {
        path: "eventsource",
        method: Method::GET,
        allow: "GET",
        transports: &[Transport::EventSource],
        kind: receive(&EVENTSOURCE, false, None),
        content_type: EVENTS,
        cors: true,
        name: "sockjs-eventsource",
    },
    Row {
        path: "htmlfile",
        method: Method::GET,
        allow: "GET",
        transports: &[Transport::HtmlFile],
        kind: receive(&HTMLFILE, false, Some(usize::MAX)),
        content_type: HTML,
        cors: false,
        name: "sockjs-htmlfile",
    },
    Row {
        path: "jsonp",
        method: Method::GET,
        allow: "GET",
        transports: &[Transport::JsonpPolling],
        kind: receive(&JSONP, true, Some(32)),
        content_type: SCRIPT,
        cors: false,
        name: "sockjs-jsonp-polling",
    },
    Row {
        path: "jsonp_send",
        method: Method::POST,
        allow: "POST",
        transports: &[Transport::JsonpPolling],
        kind: Kind::Send { form: true },
        content_type: TEXT,
        cors: false,
        name: "",
    },
];

/// The way on which one receiver gets its frames.
#[derive(Clone, Debug)]
pub(super) struct ResponseFormat {
    /// The transport's name.
    pub(super) name: &'static str,
    pub(super) quoting: Quoting,
    /// Sent before the first frame, in a chunk of its own.
    pub(super) prelude: Bytes,
    before: Bytes,
    after: Bytes,
    /// What stands before and behind the strings of an array frame.
    pub(super) array: (Bytes, Bytes),
    /// Bytes of frames in a response, the last one not counted.
    pub(super) room: usize,
}

impl ResponseFormat {
    pub(super) fn new(row: &Row, envelope: &Envelope, callback: &str, room: usize) -> ResponseFormat {
        let (before, after) = (envelope.before(callback), envelope.after());
        let head = match before.is_empty() {
            true => Bytes::from_static(ARRAY_OPEN),
            false => Bytes::from([&before[..], ARRAY_OPEN].concat()),
        };
        let end = Bytes::from([ARRAY_CLOSE, &after[..]].concat());
        ResponseFormat {
            name: row.name,
            quoting: envelope.quoting,
            prelude: envelope.prelude(callback),
            before,
            after,
            array: (head, end),
            room,
        }
    }

    /// A whole frame in its envelope.
    pub(super) fn whole(&self, frame: &Frame<'_>) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.before.len() + self.after.len() + 64);
        whole.extend_from_slice(&self.before);
        frame.write(self.quoting, &mut whole);
        whole.extend_from_slice(&self.after);
        whole.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_has_a_row_that_begins_sessions() {
        for transport in Transport::ALL {
            let rows = ROWS.iter().filter(|row| row.transports == [transport] && !row.name.is_empty());
            assert_eq!(rows.count(), 1, "{transport:?}");
        }
    }
}
