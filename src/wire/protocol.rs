//! Recognises clients that use the wrong port, by the protocol of their first bytes.
//!
//! | protocol | first bytes |
//! |---|---|
//! | TLS | a handshake record (`16 03`) with a ClientHello |
//! | PROXY v1, v2 | `PROXY `, or `\r\n\r\n\0\r\nQUIT\n` |
//! | HTTP | a method, a space, and the beginning of a target: `/` after a method that is not in [`METHODS`] |
//! | AMQP | `AMQP` |
//! | OpenWire | a length, the type 1, `ActiveMQ` |
//! | MQTT | CONNECT with the protocol name `MQTT` or `MQIsdp` |
//! | NATS | `CONNECT {` |
//! | SSH | `SSH-` |
//! | STOMP | a line that is a command |
//!
//! The first [`START_BYTES`] bytes are enough to decide about each protocol. They may arrive in any pieces. Bytes that
//! could still become one of the protocols are [`Guess::Undecided`]. On the HTTP port, [`recognise_request`] then
//! distinguishes HTTP from all other input.

use stompbox_frames::stomp::Command;

/// Number of bytes that is enough to recognise each protocol.
pub const START_BYTES: usize = 20;

/// A protocol that belongs on another port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TLS, which includes HTTPS, WSS and STOMP over TLS.
    Tls,
    /// The header in which a proxy sends the client's address before the data of the connection.
    Proxy,
    /// HTTP, which includes WebSocket and SockJS.
    Http,
    /// AMQP 0-9-1 and 1.0.
    Amqp,
    /// The protocol of ActiveMQ's own clients.
    OpenWire,
    /// MQTT, with the protocol level that the client requests.
    Mqtt(u8),
    /// The protocol of NATS clients.
    Nats,
    /// STOMP over TCP, without WebSocket.
    Stomp,
    /// The protocol of SSH clients.
    Ssh,
    /// Input in neither the protocol of the port nor a known protocol.
    Unknown,
}

/// The purpose of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// STOMP over TCP (option `tcp`).
    Stomp,
    /// HTTP, WebSocket and SockJS (option `http`).
    Http,
}

/// The result of comparing the first bytes of a connection with the known protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// The bytes may still become a protocol of another port.
    Undecided,
    /// The bytes begin a protocol that belongs on another port.
    Foreign(Protocol),
    /// The bytes do not begin any known protocol of another port.
    NotForeign,
}

/// The result of comparing the first bytes of a connection with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Not,
    Begins,
    Whole,
}

/// The common methods of HTTP, and `PRI`, with which HTTP/2 begins.
const METHODS: [&[u8]; 10] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"PRI"];
const PROXY_V1: &[u8] = b"PROXY ";
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The bytes that follow the length in the first OpenWire command: the type of the command and the magic word.
const OPEN_WIRE: &[u8] = b"\x01ActiveMQ";
/// The first command of a NATS client, and the first byte of its JSON.
const NATS: &[u8] = b"CONNECT {";
/// The protocol names of MQTT, each after its length: `MQTT` since 3.1.1, `MQIsdp` in 3.1.
const MQTT: [&[u8]; 2] = [b"\0\x04MQTT", b"\0\x06MQIsdp"];
/// A TLS record with the fatal alert `handshake_failure` (RFC 8446 §6).
const TLS_ALERT: &[u8] = b"\x15\x03\x03\0\x02\x02\x28";
/// CONNACK packets that reject the version of the client. The reason is "unacceptable protocol version" in MQTT 3, and
/// "unsupported protocol version" in MQTT 5.
const MQTT_3_REJECTION: &[u8] = b"\x20\x02\0\x01";
const MQTT_5_REJECTION: &[u8] = b"\x20\x03\0\x84\0";

/// Recognises a protocol that does not belong on `port` by the first bytes of a connection. Decides at the latest when
/// `start` has [`START_BYTES`] bytes.
pub fn recognise(port: Port, start: &[u8]) -> Guess {
    let (mqtt, level) = fits_mqtt(start);
    let fits = [
        (fits_tls(start), Protocol::Tls),
        (either(fits(start, PROXY_V1), fits(start, PROXY_V2)), Protocol::Proxy),
        (fits(start, b"AMQP"), Protocol::Amqp),
        (either(fits_open_wire(start), fits(start, OPEN_WIRE)), Protocol::OpenWire),
        (mqtt, Protocol::Mqtt(level)),
        (fits(start, NATS), Protocol::Nats),
        (fits(start, b"SSH-"), Protocol::Ssh),
        match port {
            Port::Stomp => (fits_http(start), Protocol::Http),
            Port::Http => (fits_stomp(start), Protocol::Stomp),
        },
    ];
    if let Some((_, protocol)) = fits.iter().find(|(fit, _)| *fit == Fit::Whole) {
        return Guess::Foreign(*protocol);
    }
    let is_open = start.len() < START_BYTES && fits.iter().any(|(fit, _)| *fit == Fit::Begins);
    if is_open { Guess::Undecided } else { Guess::NotForeign }
}

/// Distinguishes an HTTP/1 request line from other input. The line consists of a method, a target and the version,
/// separated by single spaces (RFC 9112 §3). Empty lines before it are accepted, as hyper accepts them.
pub fn recognise_request(start: &[u8]) -> Guess {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_target = |byte: &u8| *byte > b' ' && *byte != 0x7f;
    let line_ends = start.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let mut parts = start[line_ends..].splitn(3, |byte| *byte == b' ');
    let fit = match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        (method, ..) if !method.iter().all(is_token) => Fit::Not,
        (_, Some(target), _) if !target.iter().all(is_target) => Fit::Not,
        ([], Some(_), _) | (_, Some([]), Some(_)) => Fit::Not,
        (.., Some(version)) => fits(version, b"HTTP/1."),
        (.., None) => Fit::Begins,
    };
    match fit {
        Fit::Not => Guess::Foreign(Protocol::Unknown),
        Fit::Begins => Guess::Undecided,
        Fit::Whole => Guess::NotForeign,
    }
}

impl Protocol {
    /// Number of protocols. A protocol with a parameter counts once.
    pub const COUNT: usize = 10;

    /// Returns the index of the protocol, which is less than [`Protocol::COUNT`].
    pub fn index(self) -> usize {
        match self {
            Protocol::Tls => 0,
            Protocol::Proxy => 1,
            Protocol::Http => 2,
            Protocol::Amqp => 3,
            Protocol::OpenWire => 4,
            Protocol::Mqtt(_) => 5,
            Protocol::Stomp => 6,
            Protocol::Ssh => 7,
            Protocol::Unknown => 8,
            Protocol::Nats => 9,
        }
    }

    /// Returns the name of the protocol for logs and for answers to the client.
    pub fn name(self) -> &'static str {
        ["TLS", "PROXY protocol", "HTTP", "AMQP", "OpenWire", "MQTT", "STOMP", "SSH", "unknown bytes", "NATS"]
            [self.index()]
    }

    /// Returns advice for the operator or for the user of the client.
    pub fn remedy(self) -> &'static str {
        match self {
            Protocol::Tls => {
                "Stompbox does not support TLS. Put a proxy that terminates TLS in front of it (nginx, HAProxy, \
                 stunnel), or switch TLS off in the client"
            }
            Protocol::Proxy => {
                "Stompbox does not read the PROXY header. Switch it off in the proxy (HAProxy: send-proxy, nginx: \
                 proxy_protocol on). For HTTP, set trusted-proxies, so that Stompbox reads X-Forwarded-For"
            }
            Protocol::Http => {
                "This is the address of the option tcp, for STOMP over TCP. HTTP, WebSocket and SockJS are served at \
                 the address of the option http"
            }
            Protocol::Stomp => {
                "This is the address of the option http, for STOMP over WebSocket or SockJS (option ws-path). STOMP \
                 over TCP is served at the address of the option tcp"
            }
            Protocol::Amqp | Protocol::OpenWire | Protocol::Mqtt(_) | Protocol::Nats => {
                "Stompbox supports only STOMP. Use a client for STOMP, or give this client the address of another \
                 broker"
            }
            Protocol::Ssh => "Stompbox does not support SSH. Give the client the address of the SSH server",
            Protocol::Unknown => {
                "The address of the option http is for HTTP/1.1, WebSocket and SockJS. The address of the option tcp \
                 is for STOMP over TCP. Check the address, the port and the protocol in the configuration of the client"
            }
        }
    }

    /// Returns the bytes to send to the client before its connection is closed. They are in the client's protocol if
    /// possible. If not, they are in the protocol of the port. `trailing_lf` is the option `trailing-lf`, which adds an
    /// LF after the NUL of an ERROR.
    pub fn answer(self, port: Port, trailing_lf: bool) -> Vec<u8> {
        let text = format!(
            "The connection began with {}, which this port does not accept. {}.",
            self.name(),
            self.remedy()
        );
        match (self, port) {
            (Protocol::Tls, _) => TLS_ALERT.to_vec(),
            (Protocol::Mqtt(5..), _) => MQTT_5_REJECTION.to_vec(),
            (Protocol::Mqtt(_), _) => MQTT_3_REJECTION.to_vec(),
            (Protocol::Nats, _) => format!("-ERR '{text}'\r\n").into_bytes(),
            (Protocol::Http, _) | (_, Port::Http) if self != Protocol::Stomp => http_400(&text),
            _ => {
                let end = if trailing_lf { "\0\n" } else { "\0" };
                format!("ERROR\nmessage:wrong protocol\ncontent-type:text/plain\n\n{text}\n{end}")
                    .into_bytes()
            }
        }
    }
}

fn http_400(text: &str) -> Vec<u8> {
    let length = text.len() + 1;
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=UTF-8\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{text}\n"
    )
    .into_bytes()
}

fn fits(start: &[u8], pattern: &[u8]) -> Fit {
    if start.starts_with(pattern) {
        Fit::Whole
    } else if pattern.starts_with(start) {
        Fit::Begins
    } else {
        Fit::Not
    }
}

fn either(left: Fit, right: Fit) -> Fit {
    match (left, right) {
        (Fit::Whole, _) | (_, Fit::Whole) => Fit::Whole,
        (Fit::Begins, _) | (_, Fit::Begins) => Fit::Begins,
        _ => Fit::Not,
    }
}

/// Matches a TLS record: type handshake, major version 3, a known minor version, two bytes of length, and the type
/// ClientHello.
fn fits_tls(start: &[u8]) -> Fit {
    let expected: [fn(u8) -> bool; 6] =
        [|byte| byte == 0x16, |byte| byte == 3, |byte| byte <= 4, |_| true, |_| true, |byte| byte == 1];
    match start.iter().zip(expected).all(|(byte, expected)| expected(*byte)) {
        true if start.len() >= expected.len() => Fit::Whole,
        true => Fit::Begins,
        false => Fit::Not,
    }
}

/// Matches a length below 64 KiB in four bytes, then the beginning of the first OpenWire command.
fn fits_open_wire(start: &[u8]) -> Fit {
    match start {
        [0, 0, _, _, rest @ ..] => fits(rest, OPEN_WIRE),
        [0, 0] | [0, 0, _] | [0] | [] => Fit::Begins,
        _ => Fit::Not,
    }
}

/// Matches the packet type CONNECT, a length of one to four bytes, the protocol's name, and the protocol level. Returns
/// the level.
fn fits_mqtt(start: &[u8]) -> (Fit, u8) {
    let rest = match start {
        [] => return (Fit::Begins, 0),
        [0x10, rest @ ..] => rest,
        _ => return (Fit::Not, 0),
    };
    let body = match rest.iter().take(4).position(|byte| byte & 0x80 == 0) {
        Some(last) => &rest[last + 1..],
        None if rest.len() < 4 => return (Fit::Begins, 0),
        None => return (Fit::Not, 0),
    };
    let mut begins = Fit::Not;
    for name in MQTT {
        match (fits(body, name), body.get(name.len())) {
            (Fit::Whole, Some(level)) => return (Fit::Whole, *level),
            (Fit::Whole | Fit::Begins, _) => begins = Fit::Begins,
            (Fit::Not, _) => {}
        }
    }
    (begins, 0)
}

/// Matches a method, a space and the first byte of a target. A line `CONNECT` without a target is STOMP. So is a line
/// that begins with another STOMP command.
fn fits_http(start: &[u8]) -> Fit {
    let method_end = start.iter().position(|byte| *byte == b' ');
    let (method, behind) = start.split_at(method_end.unwrap_or(start.len()));
    let is_known = METHODS.contains(&method);
    let is_method = method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
    match behind {
        _ if !is_method => Fit::Not,
        [] => Fit::Begins,
        _ if !is_known && (method.is_empty() || Command::from_wire(method).is_some()) => Fit::Not,
        [_] => Fit::Begins,
        [_, b'/', ..] => Fit::Whole,
        [_, target, ..] if is_known && target.is_ascii_graphic() && *target != b'{' => Fit::Whole,
        _ => Fit::Not,
    }
}

/// Matches a line that consists of a STOMP command. Empty lines may precede it.
fn fits_stomp(start: &[u8]) -> Fit {
    let line_ends = start.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let start = &start[line_ends..];
    let is_whole = start.contains(&b'\n');
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match is_whole {
        true if Command::from_wire(line).is_some() => Fit::Whole,
        false if Command::may_begin_with(line) => Fit::Begins,
        _ => Fit::Not,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the first bytes of connections, each with the guess on the STOMP port and the guess on the HTTP port.
    fn table() -> Vec<(Vec<u8>, Guess, Guess)> {
        let foreign = Guess::Foreign;
        let both = |start: &[u8], protocol| (start.to_vec(), foreign(protocol), foreign(protocol));
        let stomp = |start: &str| (start.as_bytes().to_vec(), Guess::NotForeign, foreign(Protocol::Stomp));
        let http = |start: &str| (start.as_bytes().to_vec(), foreign(Protocol::Http), Guess::NotForeign);
        let neither = |start: &[u8]| (start.to_vec(), Guess::NotForeign, Guess::NotForeign);
        vec![
            both(b"\x16\x03\x01\x02\0\x01", Protocol::Tls),
            both(b"\x16\x03\x03\0\xf4\x01", Protocol::Tls),
            both(b"PROXY ", Protocol::Proxy),
            both(b"\r\n\r\n\0\r\nQUIT\n", Protocol::Proxy),
            both(b"AMQP", Protocol::Amqp),
            both(b"\0\0\x01\x3a\x01ActiveMQ", Protocol::OpenWire),
            both(b"\x01ActiveMQ", Protocol::OpenWire),
            both(b"\x10\x10\0\x04MQTT\x04", Protocol::Mqtt(4)),
            both(b"\x10\x90\x01\0\x04MQTT\x05", Protocol::Mqtt(5)),
            both(b"\x10\xff\xff\xff\x7f\0\x06MQIsdp\x03", Protocol::Mqtt(3)),
            http("GET /"),
            http("POST h"),
            http("CONNECT e"),
            http("OPTIONS *"),
            http("PRI *"),
            http("PROPFIND /"),
            http("VERSION-CONTROL /"),
            http("BASELINE-CONTROL /"),
            both(b"CONNECT {", Protocol::Nats),
            stomp("CONNECT\n"),
            stomp("CONNECT\r\n"),
            stomp("STOMP\n"),
            stomp("\n\r\nSEND\n"),
            both(b"SSH-", Protocol::Ssh),
            neither(b"{\"type\":\"hello\"}"),
            neither(b"hello"),
            neither(b"\x16\x03\x01\x02\0\x02"),
            neither(b"\x16\x02"),
            neither(b"CONNECT \n"),
            neither(b"GET \n"),
            neither(b"SEND /queue/a"),
            neither(b"SUBSCRIBE /topic"),
            neither(b"EHLO mail"),
            neither(b"KEYS *"),
            neither(b"PROPFIND\n"),
            neither(b"get /"),
            neither(b"PROXYING\n"),
            neither(b"AMQ x"),
            neither(b"\x10\xff\xff\xff\xff\x7f"),
            neither(b"\0\0\0\0\0\0"),
            neither(&[b'\n'; START_BYTES]),
        ]
    }

    #[test]
    fn protocols_are_recognised_by_their_first_bytes() {
        for (start, on_stomp, on_http) in table() {
            let display = start.escape_ascii().to_string();
            assert_eq!(recognise(Port::Stomp, &start), on_stomp, "{display}");
            assert_eq!(recognise(Port::Http, &start), on_http, "{display}");
        }
    }

    #[test]
    fn ambiguous_first_bytes_are_undecided() {
        for (start, on_stomp, on_http) in table() {
            for (port, whole) in [(Port::Stomp, on_stomp), (Port::Http, on_http)] {
                for length in 0..start.len() {
                    let guess = recognise(port, &start[..length]);
                    let display = start[..length].escape_ascii();
                    if whole != Guess::NotForeign {
                        assert_eq!(guess, Guess::Undecided, "{display} on {port:?}");
                    } else {
                        assert!(!matches!(guess, Guess::Foreign(_)), "{display} on {port:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn answer_uses_the_protocol_of_the_client_or_of_the_port() {
        for (protocol, port, start) in [
            (Protocol::Tls, Port::Stomp, &b"\x15\x03\x03\0\x02\x02\x28"[..]),
            (Protocol::Tls, Port::Http, b"\x15\x03\x03\0\x02\x02\x28"),
            (Protocol::Mqtt(3), Port::Stomp, b"\x20\x02\0\x01"),
            (Protocol::Mqtt(5), Port::Http, b"\x20\x03\0\x84\0"),
            (Protocol::Http, Port::Stomp, b"HTTP/1.1 400 Bad Request\r\n"),
            (Protocol::Stomp, Port::Http, b"ERROR\nmessage:wrong protocol\n"),
            (Protocol::Proxy, Port::Stomp, b"ERROR\nmessage:wrong protocol\n"),
            (Protocol::Proxy, Port::Http, b"HTTP/1.1 400 Bad Request\r\n"),
            (Protocol::Amqp, Port::Stomp, b"ERROR\n"),
            (Protocol::OpenWire, Port::Http, b"HTTP/1.1 400 "),
            (Protocol::Nats, Port::Stomp, b"-ERR 'The connection began with NATS, "),
            (Protocol::Nats, Port::Http, b"-ERR 'The connection began with NATS, "),
            (Protocol::Ssh, Port::Stomp, b"ERROR\n"),
            (Protocol::Unknown, Port::Http, b"HTTP/1.1 400 "),
        ] {
            let answer = protocol.answer(port, true);
            let without_lf = protocol.answer(port, false);
            let is_stomp = start.starts_with(b"ERROR");
            assert_eq!(without_lf, answer.strip_suffix(b"\n").filter(|_| is_stomp).unwrap_or(&answer));
            assert!(answer.starts_with(start), "{protocol:?} on {port:?}: {}", answer.escape_ascii());
            let text = String::from_utf8_lossy(&answer);
            let has_remedy = text.contains(protocol.name()) && text.contains(protocol.remedy());
            assert!(has_remedy || matches!(protocol, Protocol::Tls | Protocol::Mqtt(_)), "{text}");
        }
    }

    #[test]
    fn request_line_is_rejected_at_its_first_invalid_byte() {
        for line in [
            "GET / HTTP/1.1",
            "PROPFIND http://a/%20 HTTP/1.0",
            "\r\n\nM-SEARCH * HTTP/1.",
            "GET /\u{e4} HTTP/1.1",
        ] {
            let decided = line.find("HTTP/1.").expect("a version") + "HTTP/1.".len();
            for length in 0..=line.len() {
                let expected = if length < decided { Guess::Undecided } else { Guess::NotForeign };
                assert_eq!(recognise_request(&line.as_bytes()[..length]), expected, "{line:?} to {length}");
            }
        }
        for line in [
            &b"hello\r"[..],
            b"hello world\r",
            b"GET / \r",
            b"GET / HTTP/2",
            b"GET  ",
            b" ",
            b"{",
            b"\0",
            b"\xff",
            b"GET /\0",
            b"GET /\x7f",
            b"\n\n\t",
        ] {
            let display = line.escape_ascii();
            let before = recognise_request(&line[..line.len() - 1]);
            assert_eq!(before, Guess::Undecided, "{display} before its last byte");
            assert_eq!(recognise_request(line), Guess::Foreign(Protocol::Unknown), "{display}");
        }
    }

    proptest! {
        #[test]
        fn start_bytes_always_suffice_to_recognise_the_protocol(
            start in prop::collection::vec(any::<u8>(), START_BYTES..64),
            commands in "[A-Z\r\n ]{20,40}",
        ) {
            for port in [Port::Stomp, Port::Http] {
                for start in [&start[..], commands.as_bytes()] {
                    prop_assert_ne!(recognise(port, &start[..START_BYTES]), Guess::Undecided);
                }
            }
        }
    }
}
