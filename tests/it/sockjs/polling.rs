//! The polling transports xhr and jsonp: one frame for each response.

use super::Service;
use crate::support::http::{Http, Request};
use crate::support::sockjs::{Frame, Session, Transport, session_name};

#[test]
fn an_xhr_answer_is_a_frame_and_a_line_end() {
    let service = Service::start();
    let path = format!("/echo/000/{}", session_name());
    let mut http = Http::connect(service.address);
    let mut poll = || http.exchange(&Request::post(&format!("{path}/xhr"), "")).body;
    let send = |json: &str| service.fetch(&Request::post(&format!("{path}/xhr_send"), json)).status;
    assert_eq!(poll(), "o\n");
    assert_eq!(send("[\"x\"]"), 204);
    assert_eq!(poll(), "a[\"x\"]\n");
    assert_eq!(send("[\"\", \"a\\nb\" ,\"\\\"\"]"), 204);
    assert_eq!(poll(), "a[\"\",\"a\\nb\",\"\\\"\"]\n");
}

#[test]
fn a_jsonp_answer_is_a_call_with_a_frame_in_a_string() {
    let service = Service::start();
    let path = format!("/echo/000/{}", session_name());
    let poll = || service.fetch(&Request::get(&format!("{path}/jsonp?c=_jp.a1b2c3d"))).body;
    let send = |json: &str| service.fetch(&Transport::JsonpPolling.send(&path, json)).status;
    assert_eq!(poll(), "/**/_jp.a1b2c3d(\"o\");\r\n");
    assert_eq!(send("[\"x\"]"), 200);
    assert_eq!(poll(), "/**/_jp.a1b2c3d(\"a[\\\"x\\\"]\");\r\n");
    assert_eq!(send("[\"a\\nb\\\"\"]"), 200);
    assert_eq!(poll(), "/**/_jp.a1b2c3d(\"a[\\\"a\\\\nb\\\\\\\"\\\"]\");\r\n");
}

#[test]
fn all_waiting_messages_are_one_array() {
    let service = Service::start();
    for transport in Transport::POLLING {
        let mut session = service.open(transport);
        session.send(&["1", "2"]);
        // A poll returns the echoes that are ready, which may be only the first one.
        session.expect_message("1");
        session.expect_message("2");
        session.send(&["3", "4", "5"]);
        let chunk = session.chunk().expect("a frame");
        assert_eq!(chunk, transport.wrapped("a[\"3\",\"4\",\"5\"]"));
        assert_eq!(session.chunk(), None);
    }
}

#[test]
fn a_poll_waits_for_a_message_and_gets_it_at_once() {
    let service = Service::start();
    for transport in Transport::POLLING {
        let mut session = service.open(transport);
        for number in 0..3 {
            session.attach();
            session.send(&[&number.to_string()]);
            assert_eq!(session.frame(), Frame::Messages(vec![number.to_string()]), "{transport:?}");
        }
    }
}

#[test]
fn one_connection_serves_poll_after_poll() {
    let service = Service::start();
    for transport in Transport::POLLING {
        let mut session = service.session(transport);
        let mut http = Http::connect(service.address);
        let poll = transport.receive(&session.path);
        assert_eq!(http.exchange(&poll).body, transport.wrapped("o"));
        for number in 0..5 {
            session.send(&[&number.to_string()]);
            assert_eq!(http.exchange(&poll).body, transport.wrapped(&format!("a[\"{number}\"]")));
        }
    }
}

#[test]
fn a_large_message_is_still_one_frame() {
    let service = Service::start();
    for transport in Transport::POLLING {
        let mut session = service.open(transport);
        let message = "x".repeat(1_000_000);
        session.send(&[&message]);
        assert_eq!(session.frame(), Frame::Messages(vec![message]));
        session.send(&["next"]);
        session.expect_message("next");
    }
}

// ---- a session that changes its transport ----

#[test]
fn waiting_messages_are_quoted_for_the_transport_that_receives_them() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    session.send(&["<%\u{1}\u{1F600}\">"]);
    let mut http = Http::connect(service.address);
    http.send_request(&Transport::JsonpPolling.receive(&session.path));
    http.head();
    let answer = Transport::JsonpPolling.unwrapped(&http.chunk().expect("a frame"));
    assert_eq!(Frame::parse(&answer), Frame::Messages(vec!["<%\u{1}\u{1F600}\">".to_string()]));
}

#[test]
fn a_session_ends_when_too_much_would_have_to_be_quoted_again() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    // A request to `xhr_send` is answered when its message is queued. A message of more than 64 KiB is queued only
    // after the echo service has taken the previous message. After the third answer, the first echo is therefore
    // waiting, quoted for XHR.
    for _ in 0..3 {
        session.send(&[&"x".repeat(100_000)]);
    }
    let mut http = Http::connect(service.address);
    http.send_request(&Transport::JsonpPolling.receive(&session.path));
    http.head();
    let answer = Transport::JsonpPolling.unwrapped(&http.chunk().expect("a frame"));
    assert_eq!(Frame::parse(&answer), Frame::Close(1002, "Connection interrupted".to_string()));
}

// ---- callbacks ----

/// Last path segments of the transports that call a function of the page. A query parameter names the function.
const CALLING: [&str; 2] = ["htmlfile", "jsonp"];

#[test]
fn a_missing_or_empty_callback_is_500() {
    let service = Service::start();
    for transport in CALLING {
        for query in ["", "?", "?c", "?c=", "?callback=", "?t=1", "?cc=a", "?C=a", "?c=&c=a"] {
            let response = service.fetch(&Request::get(&format!("/echo/000/none/{transport}{query}")));
            response.assert(500, "\"callback\" parameter required");
        }
    }
    service.until_sessions(0);
}

#[test]
fn a_jsonp_callback_is_limited_to_32_characters_and_an_htmlfile_callback_is_not() {
    let service = Service::start();
    for (transport, length, status) in [("jsonp", 32, 200), ("jsonp", 33, 500), ("htmlfile", 300, 200)] {
        let mut http = Http::connect(service.address);
        let callback = "a".repeat(length);
        http.send_request(&Request::get(&format!("/echo/000/{}/{transport}?c={callback}", session_name())));
        assert_eq!(http.head().status, status, "{transport} {length}");
    }
}

#[test]
fn a_callback_with_invalid_characters_is_500() {
    let service = Service::start();
    let bad = [
        "%20",
        "*",
        "abc(",
        "abc%28",
        "%0A",
        "a%0d%0Ab",
        "a%00",
        "a%22",
        "a'",
        "a%5C",
        "a[0]",
        "%3Cscript",
        "a;b",
        "a%2525",
        "%C3%A9",
        "a+b",
        "a%",
        "%ff",
    ];
    for transport in CALLING {
        for callback in bad {
            let response = service.fetch(&Request::get(&format!("/echo/000/none/{transport}?c={callback}")));
            response.assert(500, "invalid \"callback\" parameter");
        }
    }
    service.until_sessions(0);
}

#[test]
fn a_jsonp_callback_is_limited_to_32_characters() {
    let service = Service::start();
    let longest = "a".repeat(32);
    let path = format!("/echo/000/{}/jsonp", session_name());
    service
        .fetch(&Request::get(&format!("{path}?c={longest}a")))
        .assert(500, "invalid \"callback\" parameter");
    service.until_sessions(0);
    service
        .fetch(&Request::get(&format!("{path}?c={longest}")))
        .assert(200, &format!("/**/{longest}(\"o\");"));
}

#[test]
fn a_callback_is_percent_decoded_and_taken_from_either_parameter() {
    let service = Service::start();
    for (query, called) in [
        ("c=%63allback", "callback"),
        ("callback=abc", "abc"),
        ("t=1&c=a.b-c_D9&x=2", "a.b-c_D9"),
        ("c=%5Fjp%2Ea1b2c3d", "_jp.a1b2c3d"),
    ] {
        let path = format!("/echo/000/{}", session_name());
        let response = service.fetch(&Request::get(&format!("{path}/jsonp?{query}")));
        response.assert(200, &format!("/**/{called}(\"o\");"));
        let mut http = Http::connect(service.address);
        http.send_request(&Request::get(&format!("/echo/000/{}/htmlfile?{query}", session_name())));
        assert_eq!(http.head().status, 200);
        let page = http.chunk().expect("a page");
        assert!(page.contains(&format!("var c = parent.{called};")), "{page}");
    }
}

#[test]
fn each_jsonp_poll_names_its_own_callback() {
    let service = Service::start();
    let mut session = Session::new(service.address, "/echo", Transport::JsonpPolling);
    for (callback, frame) in [("first", "o"), ("second", "a[\\\"hi\\\"]")] {
        let response = service.fetch(&Request::get(&format!("{}/jsonp?c={callback}", session.path)));
        response.assert(200, &format!("/**/{callback}(\"{frame}\");"));
        if frame == "o" {
            session.send(&["hi"]);
        }
    }
}
