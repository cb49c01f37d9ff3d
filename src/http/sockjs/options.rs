//! Options of the SockJS layer.

use std::time::Duration;

/// URL of the client library that the iframe page loads if none is configured and none is built into the broker.
pub const CLIENT_URL: &str = "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js";

/// A transport, named as in sockjs-client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Transport {
    WebSocket,
    XhrStreaming,
    XhrPolling,
    EventSource,
    HtmlFile,
    JsonpPolling,
}

impl Transport {
    /// All transports.
    pub const ALL: [Transport; 6] = [
        Transport::WebSocket,
        Transport::XhrStreaming,
        Transport::XhrPolling,
        Transport::EventSource,
        Transport::HtmlFile,
        Transport::JsonpPolling,
    ];

    /// Returns the name of the transport in options.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::XhrStreaming => "xhr-streaming",
            Transport::XhrPolling => "xhr-polling",
            Transport::EventSource => "eventsource",
            Transport::HtmlFile => "htmlfile",
            Transport::JsonpPolling => "jsonp-polling",
        }
    }
}

/// A set of transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transports(u8);

impl Transports {
    /// The set of all transports.
    pub const ALL: Transports = Transports(0b11_1111);
    /// The empty set.
    pub const NONE: Transports = Transports(0);

    /// Returns this set with `transport` added.
    pub fn with(self, transport: Transport) -> Transports {
        Transports(self.0 | 1 << transport as u8)
    }

    /// Returns this set with `transport` removed.
    #[cfg(any(test, feature = "internals"))]
    pub fn without(self, transport: Transport) -> Transports {
        Transports(self.0 & !(1 << transport as u8))
    }

    /// Returns whether the set contains `transport`.
    pub fn has(self, transport: Transport) -> bool {
        self.0 & 1 << transport as u8 != 0
    }
}

/// Options of one SockJS service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Time without output after which a client is sent a SockJS heartbeat; zero disables heartbeats
    /// (`sockjs-heartbeat`).
    pub heartbeat: Duration,
    /// Time after which a session without a receiver ends (`sockjs-disconnect-delay`).
    pub disconnect_delay: Duration,
    /// Bytes after which a streaming response ends; the frame that reaches this number is still sent
    /// (`sockjs-stream-bytes-max`).
    pub stream_bytes_max: usize,
    /// Whether an upgrade at the base path itself is a WebSocket without SockJS.
    pub native: bool,
    /// Whether responses set the cookie JSESSIONID, which load balancers use for sticky sessions (`sockjs-cookie`).
    pub cookie: bool,
    /// URL of the client library for the iframe page (`sockjs-client-url`); `None` means [`CLIENT_URL`].
    pub client_url: Option<String>,
    /// The transports that clients may use (`sockjs-transports`).
    pub transports: Transports,
    /// Most sessions over HTTP (`sockjs-sessions-max`).
    pub sessions_max: usize,
    /// Most sessions over HTTP from one address; 0 disables this limit (`sockjs-sessions-per-address-max`).
    pub sessions_per_address_max: usize,
    /// Most bytes in the body of one sending request (`sockjs-send-bytes-max`).
    pub send_bytes_max: usize,
    /// Most bytes in the body of one sending request of an unauthenticated client.
    pub unauthenticated_send_bytes_max: usize,
    /// Longest time in which the body of a request may make no progress (`stall-timeout`).
    pub body_timeout: Duration,
    /// Most bytes of a WebSocket message (`ws-message-bytes-max`).
    pub ws_message_bytes_max: u64,
    /// Names of the cookies that must be the same in all requests of a session (`sockjs-identity-cookies`).
    pub identity_cookies: Vec<String>,
    /// Name of the cookie that carries a token (`token-cookie`). It is part of the identity of a session, too.
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
            transports: Transports::ALL,
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

/// Default names of session cookies, as set by widespread web frameworks.
const IDENTITY_COOKIES: [&str; 6] =
    ["JSESSIONID", "SESSION", "session", "sessionid", "connect.sid", "PHPSESSID"];
