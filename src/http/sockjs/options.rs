//! Options of the SockJS layer.

use std::time::Duration;

/// Default URL of the client library that the iframe page loads. It is used if no URL is configured and the broker
/// contains no client library.
pub const CLIENT_URL: &str = "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js";

/// A transport. The names are those of sockjs-client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SockJsTransport {
    WebSocket,
    XhrStreaming,
    XhrPolling,
    EventSource,
    HtmlFile,
    JsonpPolling,
}

impl SockJsTransport {
    pub const ALL: [SockJsTransport; 6] = [
        SockJsTransport::WebSocket,
        SockJsTransport::XhrStreaming,
        SockJsTransport::XhrPolling,
        SockJsTransport::EventSource,
        SockJsTransport::HtmlFile,
        SockJsTransport::JsonpPolling,
    ];

    /// Returns the name of the transport, as used in options.
    pub fn as_str(self) -> &'static str {
        match self {
            SockJsTransport::WebSocket => "websocket",
            SockJsTransport::XhrStreaming => "xhr-streaming",
            SockJsTransport::XhrPolling => "xhr-polling",
            SockJsTransport::EventSource => "eventsource",
            SockJsTransport::HtmlFile => "htmlfile",
            SockJsTransport::JsonpPolling => "jsonp-polling",
        }
    }
}

/// A set of transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockJsTransports(u8);

impl SockJsTransports {
    /// The set of all transports.
    pub const ALL: SockJsTransports = SockJsTransports(0b11_1111);
    pub const NONE: SockJsTransports = SockJsTransports(0);

    /// Returns this set with `transport` added.
    pub fn with(self, transport: SockJsTransport) -> SockJsTransports {
        SockJsTransports(self.0 | 1 << transport as u8)
    }

    /// Returns this set with `transport` removed.
    #[cfg(any(test, feature = "internals"))]
    pub fn without(self, transport: SockJsTransport) -> SockJsTransports {
        SockJsTransports(self.0 & !(1 << transport as u8))
    }

    /// Returns whether the set contains `transport`.
    pub fn has(self, transport: SockJsTransport) -> bool {
        self.0 & 1 << transport as u8 != 0
    }
}

/// Options of one SockJS service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Time without output after which the broker sends a SockJS heartbeat (`sockjs-heartbeat`). Zero disables
    /// heartbeats.
    pub heartbeat: Duration,
    /// Time after which a session without a receiver ends (`sockjs-disconnect-delay`).
    pub disconnect_delay: Duration,
    /// Number of bytes after which a streaming response ends (`sockjs-stream-bytes-max`). The frame that reaches this
    /// number is still sent.
    pub stream_bytes_max: usize,
    /// Whether the base path also accepts WebSockets that do not use SockJS.
    pub native: bool,
    /// Whether responses set the cookie `JSESSIONID`, which load balancers use for sticky sessions (`sockjs-cookie`).
    pub cookie: bool,
    /// URL of the client library that the iframe page loads (`sockjs-client-url`). `None` means [`CLIENT_URL`].
    pub client_url: Option<String>,
    /// The transports that clients may use (`sockjs-transports`).
    pub transports: SockJsTransports,
    /// Maximum number of sessions over HTTP (`sockjs-sessions-max`).
    pub sessions_max: usize,
    /// Maximum number of sessions over HTTP from one address (`sockjs-sessions-per-address-max`). 0 means no limit.
    pub sessions_per_address_max: usize,
    /// Maximum size of the body of one sending request, in bytes (`sockjs-send-bytes-max`).
    pub send_bytes_max: usize,
    /// Maximum size of the body of one sending request from an unauthenticated client, in bytes.
    pub unauthenticated_send_bytes_max: usize,
    /// Maximum time for which the body of a request may make no progress (`stall-timeout`).
    pub body_timeout: Duration,
    /// Maximum size of a WebSocket message, in bytes (`ws-message-bytes-max`).
    pub ws_message_bytes_max: u64,
    /// Names of the cookies that must be the same in all requests of a session (`sockjs-identity-cookies`).
    pub identity_cookies: Vec<String>,
    /// Name of the cookie that contains a token (`token-cookie`). This cookie, too, must be the same in all requests of
    /// a session.
    pub token_cookie: Option<String>,
    /// Whether all requests of a session must come from the same address (`sockjs-check-address`).
    pub check_address: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            heartbeat: Duration::from_secs(25),
            disconnect_delay: Duration::from_secs(5),
            stream_bytes_max: 128 * 1024,
            native: true,
            cookie: false,
            client_url: None,
            transports: SockJsTransports::ALL,
            sessions_max: 16_384,
            sessions_per_address_max: 0,
            send_bytes_max: 16 * 1024 * 1024,
            unauthenticated_send_bytes_max: 384 * 1024,
            body_timeout: Duration::from_secs(10),
            ws_message_bytes_max: 16 * 1024 * 1024,
            identity_cookies: IDENTITY_COOKIES.map(str::to_owned).to_vec(),
            token_cookie: None,
            check_address: false,
        }
    }
}

/// Default names of the cookies that must be the same in all requests of a session. Widespread web frameworks use these
/// names for their session cookies.
const IDENTITY_COOKIES: [&str; 6] =
    ["JSESSIONID", "SESSION", "session", "sessionid", "connect.sid", "PHPSESSID"];
