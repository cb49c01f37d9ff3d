//! WebSocket with and without SockJS framing.

use super::Service;
use crate::support::http::Request;
use crate::support::sockjs::{Frame, Session, Socket, Transport, session_name};
use crate::support::websocket::{self, BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT};
use std::time::Duration;

const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
const VERSION: (&str, &str) = ("Sec-WebSocket-Version", "13");
const UPGRADE: (&str, &str) = ("Upgrade", "websocket");
/// The paths of the WebSocket with and without SockJS framing.
const PATHS: [&str; 2] = ["/echo/000/a/websocket", "/echo/websocket"];

fn open(service: &Service) -> Socket {
    let mut socket = Socket::open(service.address, &format!("/echo/000/{}/websocket", session_name()));
    assert_eq!(socket.frame(), Frame::Open);
    socket
}

fn raw(service: &Service) -> Socket {
    Socket::open(service.address, "/echo/websocket")
}

// ---- the handshake ----

#[test]
fn a_get_without_a_valid_upgrade_is_400() {
    let service = Service::start();
    let connection = ("Connection", "Upgrade");
    let table: [&[(&str, &str)]; 7] = [
        &[],
        &[connection],
        &[("Upgrade", "h2c"), connection, KEY, VERSION],
        &[UPGRADE, KEY, VERSION],
        &[UPGRADE, ("Connection", "keep-alive"), KEY, VERSION],
        &[UPGRADE, ("Connection", "close"), KEY, VERSION],
        &[UPGRADE, connection, VERSION],
    ];
    for path in PATHS {
        for headers in table {
            assert_eq!(service.fetch(&Request::get(path).headers(headers)).status, 400, "{path} {headers:?}");
        }
        let plain = service.fetch(&Request::get(path));
        plain.assert(400, "Can \"Upgrade\" only to \"WebSocket\".");
        for version in ["6", "0", "14", ""] {
            let headers = [UPGRADE, connection, KEY, ("Sec-WebSocket-Version", version)];
            let status = service.fetch(&Request::get(path).headers(&headers)).status;
            assert!([400, 426].contains(&status), "{path} version {version:?}: {status}");
        }
    }
}

#[test]
fn an_upgrade_over_http_1_0_or_with_a_body_is_rejected() {
    let service = Service::start();
    let headers = [UPGRADE, ("Connection", "Upgrade"), KEY, VERSION];
    for path in PATHS {
        let old = Request::get(path).headers(&headers).http_1_0();
        assert_eq!(service.fetch(&old).status, 400, "{path}");
        let body = Request::get(path).headers(&headers).header("Content-Length", "0");
        let mut socket = crate::support::http::Http::connect(service.address);
        socket.send_request(&body);
        assert_eq!(socket.head().status, 101, "{path}");
        let with_body = Request::get(path).headers(&headers).header("Transfer-Encoding", "chunked");
        assert_eq!(service.fetch(&with_body).status, 400, "{path}");
    }
}

#[test]
fn a_post_is_405_with_or_without_the_headers_of_an_upgrade() {
    let service = Service::start();
    for path in PATHS {
        for headers in [&[][..], &[UPGRADE, ("Connection", "Upgrade"), KEY, VERSION]] {
            let response = service.fetch(&Request::post(path, "").headers(headers));
            assert_eq!((response.status, response.body.as_str()), (405, ""), "{path}");
            assert_eq!(response.header("allow"), Some("GET"), "{path}");
            assert_eq!(response.header("content-type"), None, "{path}");
        }
    }
}

#[test]
fn an_upgrade_is_101_without_a_length_and_with_any_connection_tokens() {
    let service = Service::start();
    for path in PATHS {
        for connection in ["Upgrade", "upgrade", "keep-alive, Upgrade", "keep-alive,upgrade", "Upgrade , TE"]
        {
            let headers = [("Upgrade", "WebSocket"), ("Connection", connection), KEY, VERSION];
            let response = service.fetch(&Request::get(path).headers(&headers));
            assert_eq!(response.status, 101, "{path} {connection}");
            assert_eq!(response.header("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
            assert_eq!(response.header("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
            assert_eq!(response.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
            for absent in ["content-length", "transfer-encoding", "sec-websocket-protocol"] {
                assert_eq!(response.header(absent), None, "{path} {connection}");
            }
        }
    }
}

#[test]
fn frames_sent_right_after_the_handshake_are_not_lost() {
    let service = Service::start();
    for (path, expected) in [("/echo/000/a/websocket", "a[\"early\"]"), ("/echo/websocket", "[\"early\"]")] {
        let mut http = crate::support::http::Http::connect(service.address);
        let headers = [UPGRADE, ("Connection", "Upgrade"), KEY, VERSION];
        let request = Request::get(path).headers(&headers).encode(service.address);
        http.write_bytes(&[request, websocket::frame(FIN | TEXT, b"[\"early\"]")].concat());
        assert_eq!(http.head().status, 101);
        if path != "/echo/websocket" {
            let mut open = [0; 3];
            http.fill(&mut open);
            assert_eq!(open, [FIN | TEXT, 1, b'o']);
        }
        let mut frame = vec![0; 2 + expected.len()];
        http.fill(&mut frame);
        assert_eq!(frame, [&[FIN | TEXT, expected.len() as u8][..], expected.as_bytes()].concat());
    }
}

// ---- SockJS framing ----

#[test]
fn a_session_ends_with_its_socket_and_its_id_is_not_reserved() {
    let service = Service::start();
    let path = format!("/echo/000/{}", session_name());
    let mut sockets: Vec<Socket> =
        (0..3).map(|_| Socket::open(service.address, &format!("{path}/websocket"))).collect();
    for (number, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(socket.frame(), Frame::Open, "the same id must be usable at the same time");
        socket.send(FIN | TEXT, format!("[\"{number}\"]").as_bytes());
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(
            socket.frame(),
            Frame::Messages(vec![number.to_string()]),
            "each socket must receive its own message"
        );
    }
    assert_eq!(
        service.fetch(&Transport::XhrPolling.send(&path, "[\"x\"]")).status,
        404,
        "the id must not be registered"
    );
    service.fetch(&Transport::XhrPolling.receive(&path)).assert(200, "o");
    drop(sockets);
    assert_eq!(
        Socket::open(service.address, &format!("{path}/websocket")).frame(),
        Frame::Open,
        "the id must be usable again"
    );
}

#[test]
fn empty_messages_and_empty_arrays_are_ignored() {
    let service = Service::start();
    let mut socket = open(&service);
    for ignored in ["", "[]", " [ ] "] {
        socket.send(FIN | TEXT, ignored.as_bytes());
    }
    socket.send(FIN | TEXT, b"[\"a\"]");
    assert_eq!(socket.frame(), Frame::Messages(vec!["a".to_string()]));
}

#[test]
fn each_element_of_an_array_is_a_message_and_a_bare_string_is_one() {
    let service = Service::start();
    let mut socket = open(&service);
    socket.send(FIN | TEXT, b"\"bare\"");
    assert_eq!(socket.frame(), Frame::Messages(vec!["bare".to_string()]));
    let mut session = service.open(Transport::WebSocket);
    session.send(&["1", "2", "3"]);
    for message in ["1", "2", "3"] {
        session.expect_message(message);
    }
}

#[test]
fn a_binary_message_is_read_as_text() {
    let service = Service::start();
    let mut socket = open(&service);
    socket.send(FIN | BINARY, "[\"\u{e9}\"]".as_bytes());
    assert_eq!(socket.frame(), Frame::Messages(vec!["\u{e9}".to_string()]));
}

#[test]
fn a_message_may_come_in_fragments_with_a_ping_between() {
    let service = Service::start();
    let mut socket = open(&service);
    let json = "[\"zw\u{f6}lf\"]".as_bytes();
    socket.send(TEXT, &json[..1]);
    for byte in &json[1..json.len() - 1] {
        socket.send(CONTINUATION, &[*byte]);
    }
    socket.send(FIN | PING, b"between");
    socket.send(FIN | CONTINUATION, &json[json.len() - 1..]);
    socket.expect(PONG, b"between");
    assert_eq!(socket.frame(), Frame::Messages(vec!["zw\u{f6}lf".to_string()]));
}

#[test]
fn broken_json_ends_the_socket_without_a_close_frame_of_sockjs() {
    let service = Service::start();
    for broken in ["[", "[\"a", "a", "{}", "1", "null", "[1]", "[null]", "[\"a\"] x", "[\"a\",{}]", " "] {
        let mut socket = open(&service);
        socket.send(FIN | TEXT, broken.as_bytes());
        socket.expect_close(3000, "Broken framing.");
    }
}

#[test]
fn an_application_close_is_sent_as_a_sockjs_frame_and_then_a_websocket_frame() {
    let service = Service::start();
    let mut socket = Socket::open(service.address, "/close/000/a/websocket");
    socket.expect(TEXT, b"o");
    socket.expect(TEXT, b"c[3000,\"Go away!\"]");
    socket.expect_close(1000, "Normal closure");
}

#[test]
fn an_idle_socket_is_sent_heartbeats() {
    let beat = Duration::from_millis(200);
    let service = Service::with(|options| options.heartbeat = beat);
    let since = std::time::Instant::now();
    let mut socket = open(&service);
    for _ in 0..2 {
        assert_eq!(socket.frame(), Frame::HeartBeat);
    }
    assert!(since.elapsed() >= 2 * beat, "two heartbeats in {:?}", since.elapsed());
    socket.send(FIN | TEXT, b"[\"a\"]");
    assert_eq!(socket.frame(), Frame::Messages(vec!["a".to_string()]));
}

#[test]
fn a_close_of_the_client_is_answered_with_its_code() {
    let service = Service::start();
    for mut socket in [open(&service), raw(&service)] {
        socket.send(FIN | CLOSE, &[&3001_u16.to_be_bytes()[..], b"bye"].concat());
        socket.expect_close(3001, "");
    }
    for mut socket in [open(&service), raw(&service)] {
        socket.send(FIN | CLOSE, b"");
        socket.expect(CLOSE, b"");
        assert!(socket.received().is_none());
    }
}

#[test]
fn a_client_that_half_closes_is_closed() {
    let service = Service::start();
    for mut socket in [open(&service), raw(&service)] {
        socket.shutdown_write();
        while socket.received().is_some() {}
    }
}

#[test]
fn a_message_larger_than_allowed_is_rejected_with_1009() {
    let service = Service::with(|options| options.ws_message_bytes_max = 1000);
    let message = "x".repeat(996);
    let mut session = service.open(Transport::WebSocket);
    session.send(&[&message]);
    session.expect_message(&message);
    for (mut socket, first) in [(open(&service), TEXT), (raw(&service), TEXT), (raw(&service), BINARY)] {
        socket.send(FIN | first, &[b'x'; 1001]);
        let close = socket.received().expect("a close frame");
        assert_eq!((close.opcode, &close.payload[..2]), (CLOSE, &1009_u16.to_be_bytes()[..]));
    }
}

// ---- without SockJS framing ----

#[test]
fn raw_messages_come_back_unchanged_with_their_type() {
    let service = Service::start();
    let mut socket = raw(&service);
    let texts =
        ["a", "", "o", "[]", "[\"x\"]", "\"x\"", "{", "\0", "\u{ffff}\u{fffe}\u{feff}", "\u{2028}\u{1f600}%"];
    for text in texts {
        socket.send(FIN | TEXT, text.as_bytes());
        socket.expect(TEXT, text.as_bytes());
    }
    let every: Vec<u8> = (0..=255).collect();
    for bytes in [&b""[..], b"\xff\xfe", &every] {
        socket.send(FIN | BINARY, bytes);
        socket.expect(BINARY, bytes);
    }
}

#[test]
fn raw_messages_of_16_mib_come_back_and_longer_ones_are_rejected() {
    let service = Service::start();
    let mut socket = raw(&service);
    let large: Vec<u8> = (0..16_usize << 20).map(|at| (at % 251) as u8).collect();
    socket.send(FIN | BINARY, &large);
    socket.expect(BINARY, &large);
    socket.send(FIN | TEXT, b"still there");
    socket.expect(TEXT, b"still there");
    let head = websocket::head(FIN | BINARY, (16 << 20) + 1, true);
    socket.write_bytes(&[head, vec![1, 2, 3, 4]].concat());
    let close = socket.received().expect("a close frame");
    assert_eq!((close.opcode, &close.payload[..2]), (CLOSE, &1009_u16.to_be_bytes()[..]));
}

#[test]
fn raw_messages_may_come_in_fragments() {
    let service = Service::start();
    let mut socket = raw(&service);
    for kind in [TEXT, BINARY] {
        socket.send(kind, "\u{20ac}".as_bytes().split_at(1).0);
        socket.send(FIN | PING, b"!");
        socket.send(CONTINUATION, b"");
        socket.send(FIN | CONTINUATION, "\u{20ac}".as_bytes().split_at(1).1);
        socket.expect(PONG, b"!");
        socket.expect(kind, "\u{20ac}".as_bytes());
    }
}

#[test]
fn a_raw_socket_is_sent_no_sockjs_frames() {
    let service = Service::with(|options| options.heartbeat = Duration::from_millis(100));
    let mut socket = raw(&service);
    let mut clock = service.open(Transport::XhrStreaming);
    for _ in 0..3 {
        assert_eq!(clock.frame(), Frame::HeartBeat);
    }
    socket.send(FIN | TEXT, b"first");
    // No SockJS frame (`o` or `h`) precedes the message.
    socket.expect(TEXT, b"first");
}

#[test]
fn a_raw_application_closes_with_its_own_code_and_reason() {
    let service = Service::start();
    let mut socket = Socket::open(service.address, "/close/websocket");
    socket.expect_close(3000, "Go away!");
}

#[test]
fn a_raw_client_may_connect_to_the_base_path() {
    // Native clients can use the same URL as SockJS clients.
    let service = Service::start();
    for path in ["/echo", "/echo/"] {
        let mut socket = Socket::open(service.address, path);
        socket.send(FIN | TEXT, b"hi");
        socket.expect(TEXT, b"hi");
        service.fetch(&Request::get(path)).assert(200, "Welcome to SockJS!");
    }
}

#[test]
fn frames_that_violate_rfc_6455_are_rejected_with_their_codes() {
    let service = Service::start();
    let absurd = [websocket::head(FIN | TEXT, 1 << 60, true), vec![1, 2, 3, 4]].concat();
    let table = [
        (websocket::frame(FIN | TEXT, b"\xff"), 1007),
        (websocket::frame(FIN | CONTINUATION, b"x"), 1002),
        (websocket::frame(FIN | 0x40 | TEXT, b"x"), 1002),
        (websocket::frame(FIN | 0x3, b"x"), 1002),
        (websocket::frame(PING, b"fragmented"), 1002),
        (websocket::frame(FIN | CLOSE, b"x"), 1002),
        (websocket::head(FIN | TEXT, 1, false), 1002),
        (absurd, 1009),
    ];
    for (bytes, code) in table {
        for mut socket in [open(&service), raw(&service)] {
            socket.write_bytes(&bytes);
            let close = socket.received().expect("a close frame");
            assert_eq!(
                (close.opcode, &close.payload[..2]),
                (CLOSE, &u16::to_be_bytes(code)[..]),
                "{bytes:?}"
            );
        }
    }
}

#[test]
fn the_service_stops_reading_from_a_client_that_does_not_read() {
    let service = Service::start();
    let mut session = Session::new(service.address, "/echo", Transport::WebSocket).opened();
    let message = "x".repeat(100_000);
    for _ in 0..20 {
        session.send(&[&message]);
    }
    for _ in 0..20 {
        session.expect_message(&message);
    }
}
