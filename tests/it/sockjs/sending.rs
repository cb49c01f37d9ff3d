//! The sending endpoints xhr_send and jsonp_send.

use super::Service;
use crate::support::http::{Http, Request};
use crate::support::sockjs::{Frame, Session, Transport, session_name};
use std::time::Duration;

const EXPECTED: &str = "Payload expected.";
const BROKEN: &str = "Broken JSON encoding.";
const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn xhr_send_is_answered_with_204_and_jsonp_send_with_ok() {
    let service = Service::start();
    let session = service.open(Transport::XhrPolling);
    let response = service.fetch(&Transport::XhrPolling.send(&session.path, "[\"x\"]"));
    assert_eq!((response.status, response.body.as_str()), (204, ""));
    assert_eq!(
        response.header("content-type"),
        Some("text/plain; charset=UTF-8"),
        "the type must be sent without a body, too"
    );
    let response = service.fetch(&Transport::JsonpPolling.send(&session.path, "[\"x\"]"));
    assert_eq!((response.status, response.body.as_str()), (200, "ok"));
    assert_eq!(response.header("content-length"), Some("2"));
}

#[test]
fn the_content_type_of_xhr_send_does_not_matter() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    let types = [
        "text/plain",
        "T",
        "application/json",
        "application/json; charset=utf-8",
        "application/xml",
        "",
        "text/xml",
        "text/xml; charset=utf-8",
        FORM,
        "multipart/form-data; boundary=x",
    ];
    for kind in types {
        let request = Request::post(&format!("{}/xhr_send", session.path), "[\"a\"]");
        assert_eq!(service.fetch(&request.header("Content-Type", kind)).status, 204, "{kind}");
        session.expect_message("a");
    }
    assert_eq!(service.fetch(&Request::post(&format!("{}/xhr_send", session.path), "[\"b\"]")).status, 204);
    session.expect_message("b");
}

#[test]
fn jsonp_send_takes_field_d_of_a_form_decoded() {
    let service = Service::start();
    let mut session = service.open(Transport::JsonpPolling);
    for (form, message) in [
        ("d=%5B%22abc%22%5D", "abc"),
        ("d=[\"a%20b+c%2Bd\"]", "a b c+d"),
        ("x=1&d=%5b%22%25%26%3d%22%5d&y=2", "%&="),
        ("%64=%5B%22%C3%A9%22%5D", "\u{e9}"),
    ] {
        for kind in [FORM, "application/x-www-form-urlencoded; charset=UTF-8"] {
            let request = Request::post(&format!("{}/jsonp_send", session.path), form);
            service.fetch(&request.header("Content-Type", kind)).assert(200, "ok");
            session.expect_message(message);
        }
    }
}

#[test]
fn jsonp_send_takes_any_other_body_as_it_is() {
    let service = Service::start();
    let mut session = service.open(Transport::JsonpPolling);
    for kind in [Some("text/plain"), Some("text/plain; charset=UTF-8"), None] {
        let mut request = Request::post(&format!("{}/jsonp_send", session.path), "[\"%61+%2B\"]");
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        service.fetch(&request).assert(200, "ok");
        session.expect_message("%61+%2B");
    }
}

/// Invalid payloads, and the answers to them.
const BAD: [(&str, &str); 22] = [
    ("", EXPECTED),
    ("[", BROKEN),
    ("[\"a", BROKEN),
    ("[\"a\"", BROKEN),
    ("[\"a\",]", BROKEN),
    ("[\"a\"]]", BROKEN),
    ("[\"a\"] x", BROKEN),
    ("['a']", BROKEN),
    ("['a', \"b\"]", BROKEN),
    ("a", BROKEN),
    ("[\"\u{1}\"]", BROKEN),
    ("[\"\\x41\"]", BROKEN),
    ("[\"\\u12\"]", BROKEN),
    ("\u{feff}[]", BROKEN),
    ("{}", EXPECTED),
    ("\"a\"", EXPECTED),
    ("1", EXPECTED),
    ("null", EXPECTED),
    ("true", EXPECTED),
    ("{\"a\":[\"b\"]}", EXPECTED),
    // Valid JSON, but not an array of strings.
    ("[null]", BROKEN),
    ("[1]", BROKEN),
];

#[test]
fn a_bad_payload_is_500_and_leaves_the_session_usable() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    for (body, sentence) in BAD {
        service.fetch(&Transport::XhrPolling.send(&session.path, body)).assert(500, sentence);
        service.fetch(&Transport::JsonpPolling.send(&session.path, body)).assert(500, sentence);
        let plain = Request::post(&format!("{}/jsonp_send", session.path), body);
        service.fetch(&plain).assert(500, sentence);
    }
    session.send(&["still there"]);
    assert_eq!(
        session.frame(),
        Frame::Messages(vec!["still there".to_string()]),
        "no other message may be delivered"
    );
}

#[test]
fn a_payload_with_an_element_that_is_no_string_is_500_and_delivers_nothing() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    for element in ["null", "{}", "{\"a\":1}", "[]", "[\"a\"]", "1", "-1.5e3", "true", "false"] {
        for body in [format!("[{element}]"), format!("[\"a\",{element},\"b\"]")] {
            service.fetch(&Transport::XhrPolling.send(&session.path, &body)).assert(500, BROKEN);
            service.fetch(&Transport::JsonpPolling.send(&session.path, &body)).assert(500, BROKEN);
        }
    }
    session.send(&["still usable"]);
    assert_eq!(session.frame(), Frame::Messages(vec!["still usable".to_string()]));
}

#[test]
fn a_body_that_is_not_utf_8_is_broken() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    for body in [&b"[\"\xff\"]"[..], b"[\"\xed\xa0\x80\"]", b"[\"\xc3\"]"] {
        for segment in ["xhr_send", "jsonp_send"] {
            service.fetch(&Request::post(&format!("{}/{segment}", session.path), body)).assert(500, BROKEN);
        }
    }
    session.send(&["still usable"]);
    session.expect_message("still usable");
}

#[test]
fn deeply_nested_json_is_answered_without_a_crash() {
    let service = Service::start();
    let session = service.open(Transport::XhrPolling);
    let deep = "[".repeat(300_000);
    service.fetch(&Transport::XhrPolling.send(&session.path, &deep)).assert(500, BROKEN);
    let closed = format!("{deep}{}", "]".repeat(300_000));
    service.fetch(&Transport::XhrPolling.send(&session.path, &closed)).assert(500, BROKEN);
}

#[test]
fn a_form_without_d_is_500() {
    let service = Service::start();
    let session = service.open(Transport::JsonpPolling);
    for form in ["", "d", "d=", "x=[\"a\"]", "D=[\"a\"]", "dd=[\"a\"]", "[\"a\"]"] {
        let request = Request::post(&format!("{}/jsonp_send", session.path), form);
        service.fetch(&request.header("Content-Type", FORM)).assert(500, EXPECTED);
    }
}

#[test]
fn an_unknown_session_is_404_and_is_not_created() {
    let service = Service::start();
    let path = format!("/echo/000/{}", session_name());
    for transport in [Transport::XhrPolling, Transport::JsonpPolling] {
        for json in ["[\"x\"]", "[]"] {
            assert_eq!(service.fetch(&transport.send(&path, json)).status, 404);
        }
    }
    service.until_sessions(0);
    service.fetch(&Request::post(&format!("{path}/xhr"), "")).assert(200, "o");
}

#[test]
fn the_payload_is_checked_before_the_session_is_looked_up() {
    let service = Service::start();
    let path = format!("/echo/000/{}", session_name());
    for transport in [Transport::XhrPolling, Transport::JsonpPolling] {
        for (body, sentence) in BAD {
            service.fetch(&transport.send(&path, body)).assert(500, sentence);
        }
    }
}

#[test]
fn an_empty_array_is_valid_and_delivers_nothing() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    for _ in 0..3 {
        assert_eq!(session.try_send("[]").status, 204);
        service.fetch(&Transport::JsonpPolling.send(&session.path, " [ ] ")).assert(200, "ok");
    }
    session.send(&["first"]);
    assert_eq!(session.frame(), Frame::Messages(vec!["first".to_string()]));
}

#[test]
fn a_post_without_a_length_has_an_empty_body() {
    let service = Service::start();
    let path = format!("/echo/000/{}", session_name());
    service.fetch(&Request::new("POST", &format!("{path}/xhr"))).assert(200, "o");
    service.fetch(&Request::new("POST", &format!("{path}/xhr_send"))).assert(500, EXPECTED);
    service.fetch(&Request::new("POST", &format!("{path}/jsonp_send"))).assert(500, EXPECTED);
}

#[test]
fn a_body_may_come_in_chunks() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    let mut http = Http::connect(service.address);
    let request =
        Request::new("POST", &format!("{}/xhr_send", session.path)).header("Transfer-Encoding", "chunked");
    http.send_request(&request);
    for chunk in ["1\r\n[\r\n", "3\r\n\"a\"\r\n", "5;x=y\r\n,\"b\"]\r\n", "0\r\n\r\n"] {
        http.write_bytes(chunk.as_bytes());
    }
    assert_eq!(http.read_response().status, 204);
    assert_eq!(session.frame(), Frame::Messages(vec!["a".to_string(), "b".to_string()]));
}

#[test]
fn messages_to_a_closing_session_are_answered_with_204_and_dropped() {
    let service = Service::start();
    for transport in [Transport::XhrPolling, Transport::JsonpPolling] {
        let mut session = Session::new(service.address, "/close", transport).opened();
        session.expect_close(3000, "Go away!");
        session.send(&["late"]);
        session.expect_close(3000, "Go away!");
    }
}

#[test]
fn a_request_larger_than_allowed_is_413_and_names_the_option() {
    let service = Service::with(|options| options.send_bytes_max = 2048);
    let mut session = service.open(Transport::XhrPolling);
    let body = |length: usize| format!("[\"{}\"]", "x".repeat(length - 4));
    assert_eq!(session.try_send(&body(2048)).status, 204);
    session.expect_message(&"x".repeat(2044));
    let response = service.fetch(&Transport::XhrPolling.send(&session.path, &body(2049)));
    assert_eq!(response.status, 413);
    assert!(response.body.contains("sockjs-send-bytes-max"), "{response:?}");
    session.send(&["still there"]);
    session.expect_message("still there");
}

#[test]
fn a_body_that_does_not_arrive_is_408() {
    let service = Service::with(|options| options.body_timeout = Duration::from_millis(100));
    let session = service.open(Transport::XhrPolling);
    let mut http = Http::connect(service.address);
    let request = Request::new("POST", &format!("{}/xhr_send", session.path)).header("Content-Length", "10");
    http.send_request(&request);
    http.write_bytes(b"[\"a\"");
    let response = http.read_response();
    assert_eq!(response.status, 408);
    assert!(response.body.contains("stall-timeout"), "{response:?}");
}

#[test]
fn requests_of_one_connection_are_delivered_in_their_order() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrStreaming);
    for number in 0..200 {
        session.send(&[&number.to_string()]);
    }
    for number in 0..200 {
        session.expect_message(&number.to_string());
    }
}

#[test]
fn a_sender_waits_while_the_application_waits_for_the_receiver() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    // The echo service stops reading when the client has not read 1 MiB of echoes. Then at most 64 KiB of input may
    // wait.
    let message = "x".repeat(40_000);
    const UNREAD: usize = (1 << 20) / 40_000 + 1;
    for _ in 0..UNREAD + 1 {
        session.send(&[&message]);
    }
    let mut http = Http::connect(service.address);
    http.send_request(&Transport::XhrPolling.send(&session.path, &format!("[\"{message}\"]")));
    assert!(http.is_quiet_for(Duration::from_millis(100)), "the request must wait for space");
    for _ in 0..UNREAD + 2 {
        session.expect_message(&message);
    }
    assert_eq!(http.read_response().status, 204);
}

#[test]
fn a_large_body_for_an_unknown_session_is_404_before_it_is_read() {
    let service = Service::start();
    let session = service.open(Transport::XhrPolling);
    let stray = Transport::XhrPolling.send("/echo/000/unknown", &format!("[\"{}\"]", "x".repeat(500_000)));
    assert_eq!(service.fetch(&stray).status, 404);
    let foreign = Transport::XhrPolling.send(&session.path, &format!("[\"{}\"]", "x".repeat(500_000)));
    assert_eq!(service.fetch(&foreign.header("Authorization", "Bearer other")).status, 404);
}
