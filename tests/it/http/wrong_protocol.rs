//! Clients that speak the wrong protocol for a port. Where possible, they get an answer in their own protocol. One line
//! of the log states what to change.

use crate::support::http::{Http, Request, Response, fetch};
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, HANG_TIMEOUT, Wire, on_each_wire};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, RootCertStore};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

const TLS_ALERT: &[u8] = b"\x15\x03\x03\0\x02\x02\x28";
const MQTT_REJECTION: &[u8] = b"\x20\x02\0\x01";
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\x80\x01\xf0\xaf";
const MQTT: &[u8] = b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04test";
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\n";
const NOT_STOMP: &[u8] = b"ERROR\nmessage:not STOMP\n";
const OPEN_WIRE: &[u8] = b"\0\0\x01\x3a\x01ActiveMQ\0\0\0\x0c\x01\0\0\x01\x28";

/// Sends bytes and keeps the client's side of the stream open. Returns everything that the broker sends until it
/// closes.
#[track_caller]
fn answer_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the port accepts");
    stream.set_read_timeout(Some(HANG_TIMEOUT)).expect("the timeout is valid");
    stream.write_all(bytes).expect("bytes can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the broker closes");
    answer
}

/// Starts a broker whose timeouts do not expire during a test.
fn broker_without_timeouts() -> Broker {
    Broker::start(&["--connect-silence=1h", "--connect-timeout=1h", "--http-header-timeout=1h"])
}

/// Protocol, first bytes, beginning of the answer, part of the log line.
type Row = (&'static str, &'static [u8], &'static [u8], &'static str);

const ON_TCP: [Row; 14] = [
    ("TLS", b"\x16\x03\x01\0\xf4\x01\0\0\xf0", TLS_ALERT, "does not support TLS"),
    (
        "PROXY protocol",
        b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
        b"ERROR\nmessage:wrong protocol\n",
        "send-proxy",
    ),
    ("PROXY protocol", PROXY_V2, b"ERROR\nmessage:wrong protocol\n", "send-proxy"),
    ("HTTP", b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n", "the option http"),
    ("HTTP", b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n", "the option http"),
    ("HTTP", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n", "the option http"),
    ("HTTP", b"PROPFIND / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n", "the option http"),
    (
        "NATS",
        b"CONNECT {\"verbose\":false}\r\nPING\r\n",
        b"-ERR 'The connection began with NATS",
        "a client for STOMP",
    ),
    ("AMQP", b"AMQP\0\0\x09\x01", b"ERROR\nmessage:wrong protocol\n", "a client for STOMP"),
    ("OpenWire", OPEN_WIRE, b"ERROR\nmessage:wrong protocol\n", "a client for STOMP"),
    ("MQTT", MQTT, MQTT_REJECTION, "a client for STOMP"),
    ("SSH", b"SSH-2.0-x\r\n", b"ERROR\nmessage:wrong protocol\n", "the SSH server"),
    ("unknown bytes", b"hello\r\n", NOT_STOMP, "the option tcp is for STOMP over TCP"),
    ("unknown bytes", b"\xff\xfe\xfd\xfc", NOT_STOMP, "the option tcp is for STOMP over TCP"),
];

const ON_HTTP: [Row; 14] = [
    ("TLS", b"\x16\x03\x01\0\xf4\x01\0\0\xf0", TLS_ALERT, "does not support TLS"),
    (
        "PROXY protocol",
        b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        "trusted-proxies",
    ),
    ("PROXY protocol", PROXY_V2, b"HTTP/1.1 400 Bad Request\r\n", "trusted-proxies"),
    ("STOMP", b"CONNECT\naccept-version:1.2\n\n\0", b"ERROR\nmessage:wrong protocol\n", "the option tcp"),
    ("STOMP", b"STOMP\r\naccept-version:1.2\r\n\r\n\0", b"ERROR\nmessage:wrong protocol\n", "the option tcp"),
    (
        "NATS",
        b"CONNECT {\"verbose\":false}\r\nPING\r\n",
        b"-ERR 'The connection began with NATS",
        "a client for STOMP",
    ),
    ("AMQP", b"AMQP\0\0\x09\x01", b"HTTP/1.1 400 Bad Request\r\n", "a client for STOMP"),
    ("OpenWire", OPEN_WIRE, b"HTTP/1.1 400 Bad Request\r\n", "a client for STOMP"),
    ("MQTT", MQTT, MQTT_REJECTION, "a client for STOMP"),
    ("SSH", b"SSH-2.0-x\r\n", BAD_REQUEST, "the SSH server"),
    ("unknown bytes", b"hello\r\n", BAD_REQUEST, "the option http is for HTTP/1.1, WebSocket and SockJS"),
    ("unknown bytes", b"EHLO mail.example.org\r\n", BAD_REQUEST, "the option http is for HTTP/1.1"),
    ("unknown bytes", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD_REQUEST, "the option http is for HTTP/1.1"),
    ("unknown bytes", b"\xff\xfe\xfd\xfc", BAD_REQUEST, "the option http is for HTTP/1.1"),
];

#[test]
fn a_protocol_of_another_port_is_named_and_answered_at_once() {
    for (rows, option) in [(&ON_TCP[..], "tcp"), (&ON_HTTP[..], "http")] {
        for (protocol, bytes, answer, remedy) in rows {
            let broker = broker_without_timeouts();
            let address = if option == "tcp" { broker.tcp } else { broker.http };
            let escaped = bytes.escape_ascii();
            let received = answer_to(address, bytes);
            assert!(received.starts_with(answer), "{escaped} on {option}: {}", received.escape_ascii());
            let line = broker.log_line(|line| line.contains("wrong protocol for this port"));
            let facts = [
                &format!("protocol=\"{protocol}\""),
                &format!("option=\"{option}\""),
                "address=127.0.0.1",
                remedy,
            ];
            for fact in facts {
                assert!(line.contains(fact), "{fact} in {line}");
            }
            broker.wait_for_metric("connections_closed_total{reason=\"wrong-protocol\"}", 1);
            broker.wait_for_metric("connections", 0);
            broker.assert_serves();
            let log = broker.whole_log();
            assert!(!log.contains("reason=\"wrong-protocol\""), "only one line may report it:\n{log}");
        }
    }
}

#[test]
fn http_on_the_tcp_port_is_answered_with_the_address_of_the_http_port() {
    let broker = broker_without_timeouts();
    let mut http = Http::connect(broker.tcp);
    let response = http.exchange(&Request::get("/ws"));
    assert_eq!(response.status, 400);
    assert!(response.body.contains("the address of the option http"), "{response:?}");
    assert_eq!(http.rest(), "");
}

#[test]
fn unknown_bytes_on_the_http_port_are_answered_with_the_supported_protocols() {
    let broker = broker_without_timeouts();
    for bytes in [&b"hello\r\n"[..], b"\x80\x81\x82", b"LIST 1\r\n"] {
        let answer = String::from_utf8(answer_to(broker.http, bytes)).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
        assert!(body.contains("the option http is for HTTP/1.1, WebSocket and SockJS"), "{answer}");
    }
}

#[test]
fn an_incomplete_request_line_is_answered_as_an_unknown_protocol() {
    let broker = broker_without_timeouts();
    let mut stream = TcpStream::connect(broker.http).expect("the port accepts");
    stream.write_all(b"hello").expect("bytes can be sent");
    stream.shutdown(Shutdown::Write).expect("one side closes");
    stream.set_read_timeout(Some(HANG_TIMEOUT)).expect("the timeout is valid");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the broker closes");
    assert!(answer.starts_with(BAD_REQUEST), "{}", answer.escape_ascii());
}

#[test]
fn stomp_on_the_http_port_is_answered_with_a_complete_error_frame() {
    let broker = broker_without_timeouts();
    let mut client = Client::new(Wire::Tcp, TcpStream::connect(broker.http).expect("the port accepts"));
    client.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
    let error = client.expect_error(&[("message", "wrong protocol")]);
    assert!(error.text().contains("the option tcp"), "{error:?}");
}

#[test]
fn the_error_frame_has_no_trailing_lf_if_the_option_is_disabled() {
    for (flag, end) in [("--trailing-lf=true", &b"\0\n"[..]), ("--trailing-lf=false", b"\0")] {
        let broker = Broker::start(&[flag]);
        for (address, bytes) in [
            (broker.tcp, &b"AMQP\0\0\x09\x01"[..]),
            (broker.tcp, b"hello\n"),
            (broker.http, b"CONNECT\naccept-version:1.2\n\n\0"),
        ] {
            let answer = answer_to(address, bytes);
            assert!(
                answer.starts_with(b"ERROR\n") && answer.ends_with(end),
                "{flag}: {}",
                answer.escape_ascii()
            );
        }
    }
}

#[test]
fn a_tls_client_receives_an_alert() {
    let broker = broker_without_timeouts();
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    for address in [broker.tcp, broker.http] {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut tls = ClientConnection::new(Arc::new(config.clone()), name).expect("a client");
        let mut hello = Vec::new();
        tls.write_tls(&mut hello).expect("a buffer accepts all bytes");
        let answer = answer_to(address, &hello);
        tls.read_tls(&mut &answer[..]).expect("a record");
        let error = tls.process_new_packets().expect_err("an alert");
        assert_eq!(error, rustls::Error::AlertReceived(AlertDescription::HandshakeFailure));
    }
}

#[test]
fn protocols_are_recognised_byte_by_byte_and_stomp_is_not_taken_for_http() {
    let broker = broker_without_timeouts();
    for (_, bytes, answer, _) in ON_TCP {
        let mut stream = TcpStream::connect(broker.tcp).expect("the port accepts");
        stream.set_nodelay(true).expect("the socket option is valid");
        stream.set_read_timeout(Some(HANG_TIMEOUT)).expect("the timeout is valid");
        for byte in bytes {
            // A write fails when the broker has recognised the protocol and closed the connection.
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
        let mut received = vec![0; answer.len()];
        stream.read_exact(&mut received).expect("an answer");
        assert_eq!(received, answer, "{}", bytes.escape_ascii());
    }
    let mut client = broker.open(Wire::Tcp);
    for byte in b"\r\nCONNECT\naccept-version:1.2\nhost:a\n\n\0" {
        client.write_bytes(&[*byte]);
    }
    client.expect("CONNECTED", &[("version", "1.2")], "");
    client.disconnect();
}

#[test]
fn the_log_is_rate_limited_per_wrong_protocol() {
    let broker = broker_without_timeouts();
    for _ in 0..20 {
        answer_to(broker.tcp, b"GET / HTTP/1.1\r\n\r\n");
    }
    answer_to(broker.tcp, b"AMQP\0\0\x09\x01");
    broker.wait_for_metric("connections_closed_total{reason=\"wrong-protocol\"}", 21);
    let log = broker.whole_log();
    let lines = |protocol: &str| log.lines().filter(|line| line.contains(protocol)).count();
    assert!(lines("protocol=\"HTTP\"") < 20, "{log}");
    assert_eq!(lines("protocol=\"AMQP\""), 1, "{log}");
}

const NO_STOMP: [&str; 6] = [
    "{\"type\":\"hello\"}",
    "[1]",
    "hello",
    "42[\"message\"]",
    "<stream>",
    "connect\naccept-version:1.2\n\n\0",
];

on_each_wire! {
    fn text_that_cannot_be_stomp_is_rejected_at_once(wire: Wire) {
        let broker = broker_without_timeouts();
        for text in NO_STOMP {
            let mut client = broker.open(wire);
            client.send(text);
            let error = client.expect_error(&[("message", "not STOMP")]);
            assert!(error.text().contains("which is not a STOMP frame. The first frame must be CONNECT"), "{error:?}");
            let begin = text[..2].escape_default().to_string();
            assert!(error.text().contains(&begin), "the ERROR must quote the input: {error:?}");
        }
        broker.assert_serves();
    }
}

#[test]
fn text_that_cannot_be_stomp_is_rejected_at_once_over_sockjs() {
    let broker = broker_without_timeouts();
    for transport in Transport::ALL {
        let mut session = Session::new(broker.http, "/ws", transport).opened();
        session.send(&["{\"type\":\"hello\"}"]);
        let error = session.expect("ERROR", &[("message", "not STOMP")], "");
        assert!(error.text().contains("The first frame must be CONNECT"), "{error:?}");
        session.expect_close(1002, "protocol error");
    }
}

#[test]
fn a_silent_connection_to_the_http_port_is_counted_and_logged_at_debug() {
    for (flags, leaves) in
        [(&["--http-header-timeout=1h"][..], true), (&["--http-header-timeout=100ms"], false)]
    {
        let broker = Broker::start(&[flags, &["--log", "info,stompbox::http=debug"]].concat());
        let stream = TcpStream::connect(broker.http).expect("the port accepts");
        if leaves {
            drop(stream);
        } else {
            answer_to(broker.http, b"");
        }
        let line = broker.log_line(|line| line.contains("reason=\"no-data\""));
        assert!(line.contains("DEBUG") && line.contains("address=127.0.0.1"), "{line}");
        broker.wait_for_metric_where("connections_closed_total{reason=\"no-data\"}", |count| count >= 1);
        broker.wait_for_metric_where("connections_accepted_total{transport=\"http\"}", |count| count >= 1);
        assert_eq!(broker.metric("connections"), 0, "a silent connection must not count as a client");
        assert!(
            !broker
                .whole_log()
                .lines()
                .any(|line| line.contains("INFO") && line.contains("connection closed"))
        );
    }
}

/// Sends a WebSocket handshake without one of its parts, as if a proxy had removed it.
#[track_caller]
fn incomplete_handshake(broker: &Broker, path: &str, headers: &[(&str, &str)], is_old: bool) -> Response {
    let proper = [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")];
    let request = Request::get(path).headers(&proper).headers(headers);
    fetch(broker.http, &if is_old { request.http_1_0() } else { request })
}

#[test]
fn a_handshake_changed_by_a_proxy_is_reported_in_the_answer_and_the_log() {
    let broker = Broker::start(&[]);
    let upgrade = ("Upgrade", "websocket");
    for path in ["/ws", "/ws/websocket", "/ws/000/a/websocket"] {
        for (headers, is_old, removed) in [
            (&[][..], false, "without the header Upgrade"),
            (&[("Connection", "close")], true, "without the header Upgrade"),
            (&[upgrade, ("Connection", "close")], false, "without Upgrade in the header Connection"),
            (&[upgrade, ("Connection", "Upgrade")], true, "in HTTP/1.0"),
        ] {
            let response = incomplete_handshake(&broker, path, headers, is_old);
            assert_eq!(response.status, 400, "{path} {headers:?}");
            for part in [removed, "A proxy", "proxy_set_header Upgrade $http_upgrade"] {
                assert!(response.body.contains(part), "{part} in {response:?}");
            }
        }
    }
    let line = broker.log_line(|line| line.contains("rejected a WebSocket handshake"));
    for part in ["WARN", "address=127.0.0.1", "without the header Upgrade", "proxy_set_header Connection"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    // A browser that opens this URL as a page sends no handshake, so the answer does not mention a proxy.
    let page = fetch(broker.http, &Request::get("/ws/websocket"));
    page.assert(400, "Can \"Upgrade\" only to \"WebSocket\".");
}
