//! STOMP over WebSocket, byte by byte.

use crate::support::websocket::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT, frame as websocket_frame, head, upgrade,
};
use crate::support::{Broker, Client, Event, Wire};

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:a\n\n\0";

#[test]
fn the_highest_offered_subprotocol_is_chosen() {
    let broker = Broker::start(&[]);
    let table = [
        (Some("v12.stomp"), Some("v12.stomp")),
        (Some("v10.stomp"), Some("v10.stomp")),
        (Some("v10.stomp, v11.stomp, v12.stomp"), Some("v12.stomp")),
        (Some("v10.stomp,v11.stomp"), Some("v11.stomp")),
        (Some("mqtt, v11.stomp"), Some("v11.stomp")),
        (Some("mqtt"), None),
        (None, None),
    ];
    for (offered, chosen) in table {
        let (stream, response) = upgrade(broker.http, "/ws", offered);
        assert_eq!(response.status, 101, "{offered:?}");
        assert_eq!(response.header("sec-websocket-protocol"), chosen, "{offered:?}");
        assert_eq!(response.header("content-length"), None);
        let mut client = Client::new(Wire::WebSocket, stream);
        client.send(CONNECT);
        client.expect("CONNECTED", &[("version", "1.2")], "");
        client.disconnect();
    }
}

#[test]
fn subprotocols_may_be_offered_in_several_headers() {
    let broker = Broker::start(&[]);
    let offer = Some("v10.stomp\r\nSec-WebSocket-Protocol: v12.stomp");
    let (_, response) = upgrade(broker.http, "/ws", offer);
    assert_eq!(response.header("sec-websocket-protocol"), Some("v12.stomp"));
}

#[test]
fn text_and_binary_messages_form_one_stream_of_bytes() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect(Wire::WebSocket);
    client.subscribe("1", "/topic/a", "");
    let stream = "SEND\ndestination:/topic/a\n\none\0\nSEND\ndestination:/topic/a\n\ntwo\0";
    for cut in 0..=stream.len() {
        let (left, right) = stream.split_at(cut);
        client.write_bytes(&websocket_frame(FIN | TEXT, left.as_bytes()));
        client.write_bytes(&websocket_frame(FIN | BINARY, right.as_bytes()));
        client.expect("MESSAGE", &[], "one");
        client.expect("MESSAGE", &[], "two");
    }
    client.disconnect();
}

#[test]
fn one_message_may_contain_several_frames() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect(Wire::WebSocket);
    client.subscribe("1", "/topic/a", "");
    client.send(&"SEND\ndestination:/topic/a\n\nhi\0\n".repeat(100));
    for _ in 0..100 {
        client.expect("MESSAGE", &[], "hi");
    }
    client.disconnect();
}

#[test]
fn a_frame_may_come_in_many_fragments_with_a_ping_between() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect(Wire::WebSocket);
    client.subscribe("1", "/topic/a", "");
    let bytes = "SEND\ndestination:/topic/a\n\nzwölf\0".as_bytes();
    client.write_bytes(&websocket_frame(TEXT, &bytes[..1]));
    for byte in &bytes[1..bytes.len() - 1] {
        client.write_bytes(&websocket_frame(CONTINUATION, &[*byte]));
    }
    client.write_bytes(&websocket_frame(FIN | PING, b"between"));
    client.write_bytes(&websocket_frame(FIN | CONTINUATION, &bytes[bytes.len() - 1..]));
    assert_eq!(client.event(), Event::Pong(b"between".to_vec()));
    client.expect("MESSAGE", &[], "zwölf");
    client.disconnect();
}

#[test]
fn a_ping_is_answered_before_connect_and_after() {
    let broker = Broker::start(&[]);
    let mut client = broker.open(Wire::WebSocket);
    for payload in [b"".to_vec(), vec![0xFF; 125]] {
        client.write_bytes(&websocket_frame(FIN | PING, &payload));
        assert_eq!(client.event(), Event::Pong(payload));
    }
    client.send(CONNECT);
    client.expect("CONNECTED", &[], "");
    client.write_bytes(&websocket_frame(FIN | PING, b"again"));
    assert_eq!(client.event(), Event::Pong(b"again".to_vec()));
    client.disconnect();
}

#[test]
fn bytes_that_are_not_utf_8_come_back_in_a_binary_message() {
    // The test client asserts (in `parse_message`) that a message is text if it is UTF-8, and binary otherwise.
    let broker = Broker::start(&[]);
    let mut client = broker.connect(Wire::WebSocket);
    client.subscribe("1", "/topic/a", "");
    for body in [&b"text"[..], b"\xff\xfe", "zwölf".as_bytes(), b"\xc3"] {
        let mut bytes = b"SEND\ndestination:/topic/a\n\n".to_vec();
        bytes.extend_from_slice(body);
        bytes.push(0);
        client.send_bytes(&bytes);
        assert_eq!(client.frame("MESSAGE").body, body);
    }
    client.disconnect();
}

#[test]
fn large_messages_of_every_length_form_come_back() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect(Wire::WebSocket);
    client.subscribe("1", "/topic/a", "");
    for length in [0, 60, 125, 126, 127, 1000, 65_000, 65_535, 65_536, 1_000_000] {
        let body = "x".repeat(length);
        client.send(&format!("SEND\ndestination:/topic/a\n\n{body}\0"));
        client.expect("MESSAGE", &[("content-length", &length.to_string())], &body);
    }
    client.disconnect();
}

#[test]
fn the_close_code_is_1000_after_disconnect_and_1002_after_an_error() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect(Wire::WebSocket);
    client.send("DISCONNECT\n\n\0");
    client.expect_closed(1000);
    let mut client = broker.connect(Wire::WebSocket);
    client.send("HELLO\n\n\0");
    client.frame("ERROR");
    client.expect_closed(1002);
}

#[test]
fn a_close_from_the_client_is_answered_with_its_code() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect(Wire::WebSocket);
    client.write_bytes(&websocket_frame(FIN | CLOSE, &1000_u16.to_be_bytes()));
    client.expect_closed(1000);
    broker.wait_for_metric("connections{transport=\"websocket\"}", 0);
}

/// Sends bytes, and asserts that the broker closes the connection with this code. It may send an ERROR first.
#[track_caller]
fn expect_code(broker: &Broker, bytes: &[u8], code: u16) {
    let mut client = broker.connect(Wire::WebSocket);
    client.write_bytes(bytes);
    loop {
        match client.event() {
            Event::Frame(frame) if frame.command == "ERROR" => {}
            Event::Close(given) => {
                assert_eq!(given, Some(code));
                break;
            }
            other => panic!("expected a close with {code}, got {other:?}"),
        }
    }
    assert_eq!(client.event(), Event::End);
    broker.assert_serves();
}

#[test]
fn text_that_is_not_utf_8_is_closed_with_1007() {
    let broker = Broker::start(&[]);
    expect_code(&broker, &websocket_frame(FIN | TEXT, b"SEND\ndestination:/topic/a\n\n\xff\0"), 1007);
    let first = websocket_frame(TEXT, b"SEND\ndestination:/topic/a\n\n\xc3");
    expect_code(&broker, &[first, websocket_frame(FIN | CONTINUATION, b"(\0")].concat(), 1007);
    expect_code(&broker, &websocket_frame(FIN | TEXT, b"\xe2\x82"), 1007);
}

#[test]
fn an_excessive_length_is_rejected_with_1009_before_its_payload() {
    let broker = Broker::start(&[]);
    let mask = [1, 2, 3, 4];
    for first in [FIN | TEXT, FIN | BINARY, BINARY] {
        expect_code(&broker, &[head(first, 1 << 60, true), mask.to_vec()].concat(), 1009);
    }
}

#[test]
fn an_unmasked_frame_is_rejected_with_1002() {
    let broker = Broker::start(&[]);
    expect_code(&broker, &[head(FIN | TEXT, 1, false), b"\n".to_vec()].concat(), 1002);
}

#[test]
fn frames_that_violate_rfc_6455_are_rejected_with_1002() {
    let broker = Broker::start(&[]);
    let table = [
        websocket_frame(FIN | CONTINUATION, b"\n"),
        [websocket_frame(TEXT, b"\n"), websocket_frame(FIN | TEXT, b"\n")].concat(),
        websocket_frame(FIN | 0x40 | TEXT, b"\n"),
        websocket_frame(FIN | 0x3, b"\n"),
        websocket_frame(FIN | 0xB, b"\n"),
        websocket_frame(PING, b"fragmented"),
        websocket_frame(FIN | PING, &[0; 126]),
        websocket_frame(FIN | CLOSE, b"x"),
    ];
    for bytes in table {
        expect_code(&broker, &bytes, 1002);
    }
}

#[test]
fn a_frame_may_span_several_messages() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect(Wire::WebSocket);
    client.subscribe("1", "/topic/a", "");
    for piece in ["", "SE", "", "ND\ndestination:/topic/a\n\nh", "i\0\n"] {
        client.send(piece);
    }
    client.expect("MESSAGE", &[], "hi");
    client.disconnect();
}
