//! The URL of the broker. Its scheme names the transport.

use std::fmt;

/// The transport of STOMP frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LinkTransport {
    Tcp,
    WebSocket,
    SockjsWebSocket,
    SockjsXhr,
    SockjsXhrPolling,
    SockjsEventSource,
    SockjsHtmlFile,
    SockjsJsonp,
}

/// URL defaults of a transport.
struct Row {
    transport: LinkTransport,
    scheme: &'static str,
    port: u16,
    path: &'static str,
}

const fn row(transport: LinkTransport, scheme: &'static str) -> Row {
    Row { transport, scheme, port: 80, path: "/ws" }
}

const ROWS: [Row; 8] = [
    Row { transport: LinkTransport::Tcp, scheme: "tcp", port: 61613, path: "" },
    row(LinkTransport::WebSocket, "ws"),
    row(LinkTransport::SockjsWebSocket, "sockjs+ws"),
    row(LinkTransport::SockjsXhr, "sockjs+xhr"),
    row(LinkTransport::SockjsXhrPolling, "sockjs+xhr-polling"),
    row(LinkTransport::SockjsEventSource, "sockjs+eventsource"),
    row(LinkTransport::SockjsHtmlFile, "sockjs+htmlfile"),
    row(LinkTransport::SockjsJsonp, "sockjs+jsonp"),
];

impl LinkTransport {
    #[cfg(test)]
    pub fn all() -> impl Iterator<Item = LinkTransport> {
        ROWS.iter().map(|row| row.transport)
    }

    fn row(self) -> &'static Row {
        ROWS.iter().find(|row| row.transport == self).expect("every transport has a row")
    }

    /// Returns the URL scheme of the transport.
    pub fn scheme(self) -> &'static str {
        self.row().scheme
    }

    /// Returns the number of sockets per connection. SockJS over HTTP sends and receives on different sockets.
    pub(super) fn sockets(self) -> usize {
        match self {
            LinkTransport::Tcp | LinkTransport::WebSocket | LinkTransport::SockjsWebSocket => 1,
            _ => 2,
        }
    }
}

/// URL of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    pub transport: LinkTransport,
    /// Host name or IP address, without brackets.
    pub host: String,
    pub port: u16,
    /// Path, which is empty for TCP. For SockJS it is the prefix of the endpoint, without a trailing slash.
    pub path: String,
}

impl BrokerUrl {
    /// Parses `scheme://host:port/path`.
    ///
    /// # Errors
    /// Returns a text that says what was expected.
    pub fn parse(text: &str) -> Result<BrokerUrl, String> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            format!("invalid value {text:?}: expected a URL such as ws://127.0.0.1:8080/ws")
        })?;
        let row = ROWS.iter().find(|row| row.scheme == scheme).ok_or_else(|| unknown(scheme))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("the URL contains a user. Use --login and --passcode instead".to_owned());
        }
        let (host, port) = host_and_port(authority, row.port).ok_or_else(|| {
            format!("invalid value {authority:?}: expected a host and a port such as 127.0.0.1:8080")
        })?;
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !path.bytes().all(is_allowed) {
            return Err(format!("invalid path {path:?}: expected a path such as /ws"));
        }
        if row.transport == LinkTransport::Tcp && !path.trim_end_matches('/').is_empty() {
            return Err(format!("invalid value {text:?}: expected tcp://HOST:PORT without a path"));
        }
        let path = match path.trim_end_matches('/') {
            "" if path.is_empty() => row.path,
            _ if row.transport == LinkTransport::WebSocket => path,
            trimmed => trimmed,
        };
        Ok(BrokerUrl { transport: row.transport, host, port, path: path.to_owned() })
    }

    /// Returns host and port in the form of a `Host` header.
    pub(super) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.transport.scheme(), self.authority(), self.path)
    }
}

fn unknown(scheme: &str) -> String {
    if ["wss", "https", "stomps", "ssl", "tls", "sockjs+wss"].contains(&scheme) {
        return format!(
            "invalid scheme {scheme:?}: TLS is not supported. Use the address of the broker itself, or a port of its \
             proxy without TLS"
        );
    }
    let known: Vec<_> = ROWS.iter().map(|row| row.scheme).collect();
    format!("invalid scheme {scheme:?}: expected one of {}", known.join(", "))
}

fn host_and_port(authority: &str, default: u16) -> Option<(String, u16)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None if rest.is_empty() => default,
        None => return None,
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_allowed)).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_has_a_url_scheme() {
        for transport in LinkTransport::all() {
            let url = BrokerUrl::parse(&format!("{}://broker:1234", transport.scheme())).expect("a URL");
            assert_eq!((url.transport, url.port), (transport, 1234));
        }
    }

    #[test]
    fn urls_are_parsed_and_displayed() {
        for (text, expected) in [
            ("tcp://127.0.0.1", "tcp://127.0.0.1:61613"),
            ("tcp://127.0.0.1:1/", "tcp://127.0.0.1:1"),
            ("ws://localhost:8080/ws", "ws://localhost:8080/ws"),
            ("ws://localhost:8080/", "ws://localhost:8080/"),
            ("ws://[::1]:8080", "ws://[::1]:8080/ws"),
            ("sockjs+xhr://a.example/stomp/", "sockjs+xhr://a.example:80/stomp"),
            ("sockjs+ws://a.example:9/a/b", "sockjs+ws://a.example:9/a/b"),
            ("sockjs+jsonp://h:9/", "sockjs+jsonp://h:9"),
        ] {
            assert_eq!(BrokerUrl::parse(text).map(|url| url.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn invalid_url_is_rejected_with_the_expected_form() {
        for (text, part) in [
            ("localhost:8080", "expected a URL such as ws://"),
            ("http://h:1/ws", "expected one of tcp, ws, sockjs+ws"),
            ("wss://h:1/ws", "TLS is not supported"),
            ("ws://alice:sesame@h:1/ws", "--login"),
            ("ws://h:0/ws", "expected a host and a port"),
            ("ws://h:65536/ws", "expected a host and a port"),
            ("ws://:1/ws", "expected a host and a port"),
            ("ws://[::1/ws", "expected a host and a port"),
            ("ws://[::1]x/ws", "expected a host and a port"),
            ("ws://h:1/w s", "invalid path"),
            ("ws://h:1/\r\nHost:x", "invalid path"),
            ("tcp://h:1/ws", "without a path"),
        ] {
            let error = BrokerUrl::parse(text).expect_err(text);
            assert!(error.contains(part) && !error.contains("sesame"), "{text}: {error}");
        }
    }
}
