//! Limits and habits of SockJS.

use std::time::Duration;

/// The client library that the iframe page loads if none is configured and the broker has none of its own.
pub const CLIENT_URL: &str = "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js";

/// A transport, as sockjs-client calls it.
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
    /// All of them.
    pub const ALL: [Transport; 6] = [
        Transport::WebSocket,
        Transport::XhrStreaming,
        Transport::XhrPolling,
        Transport::EventSource,
        Transport::HtmlFile,
        Transport::JsonpPolling,
    ];

    /// Its name in options.
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
    /// Every transport.
    pub const ALL: Transports = Transports(0b11_1111);
    /// None.
    pub const NONE: Transports = Transports(0);

    /// This set with `transport` in it.
    pub fn with(self, transport: Transport) -> Transports {
        Transports(self.0 | 1 << transport as u8)
    }

    /// This set without `transport`.
    pub fn without(self, transport: Transport) -> Transports {
        Transports(self.0 & !(1 << transport as u8))
    }

    /// Whether `transport` is in it.
    pub fn has(self, transport: Transport) -> bool {
        self.0 & 1 << transport as u8 != 0
    }
}

/// Limits and habits of SockJS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A client that was sent nothing for so long is sent a heart-beat; zero: never (`sockjs-heartbeat`).
    pub heartbeat: Duration,
    /// A session without a receiver is over after this (`sockjs-disconnect-delay`).
    pub disconnect_delay: Duration,
    /// A streaming response ends behind the frame with which it has so many bytes (`sockjs-stream-bytes-max`).
    pub stream_bytes_max: usize,
    /// Whether an upgrade at the base itself is WebSocket without SockJS.
    pub native: bool,
    /// Whether responses set JSESSIONID, by which balancers keep a client at one server (`sockjs-cookie`).
    pub cookie: bool,
    /// Where the iframe page finds the client library (`sockjs-client-url`); `None`: at [`CLIENT_URL`].
    pub client_url: Option<String>,
    /// What clients may use (`sockjs-transports`).
    pub transports: Transports,
    /// Sessions over HTTP at most (`sockjs-sessions-max`).
    pub sessions_max: usize,
    /// Of one address, 0 for no limit of its own (`sockjs-sessions-per-address-max`).
    pub sessions_per_address_max: usize,
    /// Bytes of the body of one sending request (`sockjs-send-bytes-max`).
    pub send_bytes_max: usize,
    /// The same before the client has proved who it is.
    pub untrusted_send_bytes_max: usize,
    /// How long a request's body may make no progress (`stall-timeout`).
    pub body_timeout: Duration,
    /// Bytes of a WebSocket message (`ws-message-bytes-max`).
    pub ws_message_bytes_max: u64,
    /// Cookies that all requests of a session must have alike (`sockjs-identity-cookies`).
    pub identity_cookies: Vec<String>,
    /// The cookie in which tokens travel, which belongs to the identity too (`token-cookie`).
    pub token_cookie: Option<String>,
    /// Whether all requests of a session must come from one address (`sockjs-check-address`).
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
            untrusted_send_bytes_max: 384 * 1024,
            body_timeout: Duration::from_secs(10),
            ws_message_bytes_max: 16 * 1024 * 1024,
            identity_cookies: IDENTITY_COOKIES.map(str::to_owned).to_vec(),
            token_cookie: None,
            check_address: false,
        }
    }
}

/// How widespread servers call the cookie of their sessions.
const IDENTITY_COOKIES: [&str; 6] =
    ["JSESSIONID", "SESSION", "session", "sessionid", "connect.sid", "PHPSESSID"];
