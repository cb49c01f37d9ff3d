//! The table of SockJS endpoints. It contains the path and method of each endpoint, and the format of its responses.

use super::options::SockJsTransport;
use bytes::{Bytes, BytesMut};
use hyper::Method;
use stompbox_frames::sockjs::envelope::{EVENTSOURCE, HTMLFILE, JSONP, XHR, XHR_STREAMING};
use stompbox_frames::sockjs::{ARRAY_CLOSE, ARRAY_OPEN, Envelope, Quoting, SockJsFrame};

const SCRIPT: &str = "application/javascript; charset=UTF-8";
const HTML: &str = "text/html; charset=UTF-8";
const TEXT: &str = "text/plain; charset=UTF-8";
const EVENTS: &str = "text/event-stream";

/// The effect of a request to an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RouteKind {
    /// Receives messages in the response.
    Receive {
        envelope: &'static Envelope,
        /// Whether the response ends after one frame.
        polling: bool,
        /// Maximum length of the JavaScript callback's name in the query, in characters. `None` if the endpoint has no
        /// callback.
        callback: Option<usize>,
    },
    /// Sends messages in the request body. If `is_form` is set, the body is a form with the messages in a field.
    Send { is_form: bool },
    /// Upgrades the request to a WebSocket.
    Socket,
}

/// An endpoint below `/{server}/{session}/`.
#[derive(Debug)]
pub(crate) struct RouteRow {
    pub(super) path: &'static str,
    pub(super) method: Method,
    /// All methods that the endpoint supports, in the form of the header `Allow`.
    pub(super) allow: &'static str,
    /// The endpoint exists if at least one of these transports is enabled.
    pub(super) transports: &'static [SockJsTransport],
    pub(super) kind: RouteKind,
    pub(super) content_type: &'static str,
    /// Whether pages of other origins may use the endpoint with XMLHttpRequest.
    pub(super) cors: bool,
    /// Name of the transport in logs and metrics. Empty if no session can begin at this endpoint.
    pub(super) name: &'static str,
}

/// Returns the names of all SockJS transports in logs and metrics.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name).filter(|name| !name.is_empty())
}

const fn receive(envelope: &'static Envelope, polling: bool, callback: Option<usize>) -> RouteKind {
    RouteKind::Receive { envelope, polling, callback }
}

pub(super) const ROWS: &[RouteRow] = &[
    RouteRow {
        path: "websocket",
        method: Method::GET,
        allow: "GET",
        transports: &[SockJsTransport::WebSocket],
        kind: RouteKind::Socket,
        content_type: TEXT,
        cors: false,
        name: "sockjs-websocket",
    },
    RouteRow {
        path: "xhr",
        method: Method::POST,
        allow: "OPTIONS, POST",
        transports: &[SockJsTransport::XhrPolling],
        kind: receive(&XHR, true, None),
        content_type: SCRIPT,
        cors: true,
        name: "sockjs-xhr-polling",
    },
    RouteRow {
        path: "xhr_streaming",
        method: Method::POST,
        allow: "OPTIONS, POST",
        transports: &[SockJsTransport::XhrStreaming],
        kind: receive(&XHR_STREAMING, false, None),
        content_type: SCRIPT,
        cors: true,
        name: "sockjs-xhr-streaming",
    },
    RouteRow {
        path: "xhr_send",
        method: Method::POST,
        allow: "OPTIONS, POST",
        // The transports that send through `xhr_send`. JSONP uses `jsonp_send`, WebSocket its own connection.
        transports: &[
            SockJsTransport::XhrPolling,
            SockJsTransport::XhrStreaming,
            SockJsTransport::EventSource,
            SockJsTransport::HtmlFile,
        ],
        kind: RouteKind::Send { is_form: false },
        content_type: TEXT,
        cors: true,
        name: "",
    },
    RouteRow {
        path: "eventsource",
        method: Method::GET,
        allow: "GET",
        transports: &[SockJsTransport::EventSource],
        kind: receive(&EVENTSOURCE, false, None),
        content_type: EVENTS,
        cors: true,
        name: "sockjs-eventsource",
    },
    RouteRow {
        path: "htmlfile",
        method: Method::GET,
        allow: "GET",
        transports: &[SockJsTransport::HtmlFile],
        kind: receive(&HTMLFILE, false, Some(usize::MAX)),
        content_type: HTML,
        cors: false,
        name: "sockjs-htmlfile",
    },
    RouteRow {
        path: "jsonp",
        method: Method::GET,
        allow: "GET",
        transports: &[SockJsTransport::JsonpPolling],
        kind: receive(&JSONP, true, Some(32)),
        content_type: SCRIPT,
        cors: false,
        name: "sockjs-jsonp-polling",
    },
    RouteRow {
        path: "jsonp_send",
        method: Method::POST,
        allow: "POST",
        transports: &[SockJsTransport::JsonpPolling],
        kind: RouteKind::Send { is_form: true },
        content_type: TEXT,
        cors: false,
        name: "",
    },
];

/// The format of the frames in the response of one receiver.
#[derive(Clone, Debug)]
pub(crate) struct ResponseFormat {
    /// Name of the transport.
    pub(super) name: &'static str,
    pub(super) quoting: Quoting,
    /// Bytes that are sent before the first frame, in a separate chunk.
    pub(super) prelude: Bytes,
    before: Bytes,
    after: Bytes,
    /// Bytes before and after the strings of an array frame, including the envelope.
    pub(super) array: (Bytes, Bytes),
    /// Number of bytes of frames after which the response ends. The frame that reaches this number is still sent.
    pub(super) response_bytes_max: usize,
}

impl ResponseFormat {
    pub(super) fn new(
        row: &RouteRow,
        envelope: &Envelope,
        callback: &str,
        response_bytes_max: usize,
    ) -> ResponseFormat {
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
            response_bytes_max,
        }
    }

    /// Returns `frame` in the envelope of the transport.
    pub(super) fn encode(&self, frame: &SockJsFrame<'_>) -> Bytes {
        let mut encoded = BytesMut::with_capacity(self.before.len() + self.after.len() + 64);
        encoded.extend_from_slice(&self.before);
        frame.write(self.quoting, &mut encoded);
        encoded.extend_from_slice(&self.after);
        encoded.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_has_one_route_that_opens_sessions() {
        for transport in SockJsTransport::ALL {
            let rows = ROWS.iter().filter(|row| row.transports == [transport] && !row.name.is_empty());
            assert_eq!(rows.count(), 1, "{transport:?}");
        }
    }
}
