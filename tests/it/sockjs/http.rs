//! HTTP framing below SockJS.

use super::Service;
use crate::support::http::{Http, Request};
use crate::support::sockjs::{Session, Transport, session_name};

#[test]
fn a_connection_is_kept_open_for_any_number_of_requests() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let path = format!("/echo/000/{}", session_name());
    for round in 0..3 {
        http.exchange(&Request::get("/echo")).assert(200, "Welcome to SockJS!");
        assert_eq!(http.exchange(&Request::get("/echo/info")).status, 200);
        assert_eq!(http.exchange(&Request::get("/echo/nowhere")).status, 404);
        assert_eq!(http.exchange(&Request::post("/echo/info", "x")).status, 405);
        if round > 0 {
            assert_eq!(http.exchange(&Transport::XhrPolling.send(&path, "[\"x\"]")).status, 204);
        }
        let poll = http.exchange(&Transport::XhrPolling.receive(&path));
        poll.assert(200, if round == 0 { "o" } else { "a[\"x\"]" });
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let path = format!("/echo/000/{}", session_name());
    let requests = [
        Transport::XhrPolling.receive(&path),
        Transport::XhrPolling.send(&path, "[\"1\"]"),
        Request::get("/echo/nowhere"),
        Transport::XhrPolling.receive(&path),
        Request::get("/echo"),
    ];
    let bytes: Vec<u8> = requests.iter().flat_map(|request| request.encode(service.address)).collect();
    http.write_bytes(&bytes);
    http.read_response().assert(200, "o");
    assert_eq!(http.read_response().status, 204);
    assert_eq!(http.read_response().status, 404);
    http.read_response().assert(200, "a[\"1\"]");
    http.read_response().assert(200, "Welcome to SockJS!");
}

#[test]
fn a_response_has_a_length_or_chunks_and_never_both() {
    let service = Service::start();
    let session = service.open(Transport::XhrPolling);
    let whole = [
        Request::get("/echo"),
        Request::get("/echo/info"),
        Request::get("/echo/iframe.html"),
        Transport::JsonpPolling.send(&session.path, "[]"),
        Transport::XhrPolling.send(&session.path, "broken"),
    ];
    for request in whole {
        let response = service.fetch(&request);
        let length = response.body.len().to_string();
        assert_eq!(response.header("content-length"), Some(length.as_str()), "{request:?}");
        assert_eq!(response.header("transfer-encoding"), None, "{request:?}");
    }
    for transport in Transport::HTTP {
        let (_, head) = service.session(transport).another_receiver();
        assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{transport:?}");
        assert_eq!(head.header("content-length"), None, "{transport:?}");
    }
}

#[test]
fn no_content_has_neither_length_nor_chunks() {
    let service = Service::start();
    let session = service.open(Transport::XhrPolling);
    let preflight = Request::new("OPTIONS", &format!("{}/xhr", session.path));
    for request in [preflight, Transport::XhrPolling.send(&session.path, "[]")] {
        let response = service.fetch(&request);
        assert_eq!(response.status, 204);
        assert_eq!(response.header("content-length"), None, "{response:?}");
        assert_eq!(response.header("transfer-encoding"), None, "{response:?}");
    }
}

#[test]
fn requests_may_have_neither_body_nor_length() {
    let service = Service::start();
    let path = format!("/echo/000/{}", session_name());
    let mut http = Http::connect(service.address);
    http.exchange(&Request::new("POST", &format!("{path}/xhr"))).assert(200, "o");
    assert_eq!(http.exchange(&Transport::XhrPolling.send(&path, "[\"x\"]")).status, 204);
    http.exchange(&Request::new("POST", &format!("{path}/xhr"))).assert(200, "a[\"x\"]");
    let stream = Request::new("POST", &format!("/echo/000/{}/xhr_streaming", session_name()));
    http.send_request(&stream);
    assert_eq!(http.head().status, 200);
    Transport::XhrStreaming.assert_prelude(&http.chunk().expect("a prelude"));
    assert_eq!(http.chunk().as_deref(), Some("o\n"));
}

#[test]
fn the_body_of_a_receiving_request_is_ignored() {
    let service = Service::start();
    let path = format!("/echo/000/{}", session_name());
    let mut http = Http::connect(service.address);
    http.exchange(&Request::post(&format!("{path}/xhr"), "[\"not sent\"]")).assert(200, "o");
    http.exchange(&Transport::XhrPolling.send(&path, "[\"x\"]")).assert(204, "");
    http.exchange(&Request::post(&format!("{path}/xhr"), "[\"not sent\"]")).assert(200, "a[\"x\"]");
}

#[test]
fn connection_close_closes_the_connection() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    http.exchange(&Request::get("/echo").header("Connection", "close")).assert(200, "Welcome to SockJS!");
    assert_eq!(http.rest(), "");
    let mut http = Http::connect(service.address);
    let poll = Transport::XhrPolling.receive(&format!("/echo/000/{}", session_name()));
    http.exchange(&poll.header("Connection", "close")).assert(200, "o");
    assert_eq!(http.rest(), "");
}

// ---- HTTP/1.0 ----

#[test]
fn an_http_1_0_greeting_has_its_length_and_the_connection_closes() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    http.send_request(&Request::get("/echo").http_1_0());
    let head = http.head();
    assert_eq!(head.header("transfer-encoding"), None);
    assert!([None, Some("19")].contains(&head.header("content-length")), "{head:?}");
    assert_ne!(head.header("connection"), Some("keep-alive"));
    assert_eq!(http.rest(), "Welcome to SockJS!\n");
}

#[test]
fn an_http_1_0_connection_is_kept_if_asked_for_and_lengths_are_known() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let request = Request::get("/echo").http_1_0().header("Connection", "Keep-Alive");
    for _ in 0..2 {
        let response = http.exchange(&request);
        response.assert(200, "Welcome to SockJS!");
        assert_eq!(response.header("transfer-encoding"), None);
        let connection = response.header("connection").map(str::to_lowercase);
        match connection.as_deref() {
            Some("keep-alive") => assert_eq!(response.header("content-length"), Some("19")),
            _ => return assert_eq!(http.rest(), "", "without keep-alive it closes"),
        }
    }
}

#[test]
fn an_http_1_0_stream_has_no_chunks_and_ends_with_the_connection() {
    let service = Service::with(|options| options.stream_bytes_max = 200);
    for keep_alive in [false, true] {
        for transport in Transport::STREAMING {
            let mut session = service.session(transport);
            let mut request = transport.receive(&session.path).http_1_0();
            if keep_alive {
                request = request.header("Connection", "Keep-Alive");
            }
            let mut http = Http::connect(service.address);
            http.send_request(&request);
            let head = http.head();
            assert_eq!(head.status, 200);
            assert_eq!(head.header("transfer-encoding"), None, "{head:?}");
            assert_eq!(head.header("content-length"), None, "{head:?}");
            let connection = head.header("connection").map(str::to_lowercase);
            assert_ne!(connection.as_deref(), Some("keep-alive"), "the body must end with the connection");
            let prelude = match transport {
                Transport::XhrStreaming => 2049,
                Transport::EventSource => 2,
                _ => 1029,
            };
            transport.assert_prelude(&http.take(prelude));
            let open = transport.wrapped("o");
            assert_eq!(http.take(open.len()), open, "the first frame must be flushed at once");
            for message in ["x", &"y".repeat(200)] {
                session.send(&[message]);
                let frame = transport.wrapped(&format!("a[\"{message}\"]"));
                assert_eq!(http.take(frame.len()), frame, "{transport:?}");
            }
            assert_eq!(http.rest(), "", "the response must end at once: {transport:?}");
        }
    }
}

#[test]
fn an_http_1_0_poll_ends_with_the_connection() {
    let service = Service::start();
    for keep_alive in [false, true] {
        for transport in Transport::POLLING {
            let mut session = service.session(transport);
            for frame in ["o", "a[\"x\"]"] {
                let mut request = transport.receive(&session.path).http_1_0();
                if keep_alive {
                    request = request.header("Connection", "Keep-Alive");
                }
                let response = service.fetch(&request);
                assert_eq!(response.header("transfer-encoding"), None, "{response:?}");
                assert_eq!(
                    (response.status, response.body.as_str()),
                    (200, transport.wrapped(frame).as_str())
                );
                session.send(&["x"]);
            }
        }
    }
}

#[test]
fn an_http_1_0_client_receives_the_close_frame_and_the_connection_ends() {
    let service = Service::start();
    for transport in Transport::HTTP {
        let mut session = Session::new(service.address, "/close", transport).opened();
        session.expect_close(3000, "Go away!");
        let response = service.fetch(&transport.receive(&session.path).http_1_0());
        let frame = transport.wrapped("c[3000,\"Go away!\"]");
        assert!(response.body.ends_with(&frame), "{transport:?}: {response:?}");
    }
}

// ---- input that is not HTTP ----

#[test]
fn an_invalid_request_head_is_400_and_the_service_continues() {
    let service = Service::start();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nno colon\r\n\r\n",
    ] {
        let mut http = Http::connect(service.address);
        http.write_bytes(bytes);
        assert_eq!(http.head().status, 400, "{bytes:?}");
    }
    service.fetch(&Request::get("/echo")).assert(200, "Welcome to SockJS!");
}

#[test]
fn a_path_of_arbitrary_bytes_is_answered() {
    let service = Service::start();
    for path in
        ["/echo/\u{e9}/a/xhr", "/echo/a/\u{1f600}/xhr", "*", "http://other.example/echo", "//echo/info"]
    {
        let mut http = Http::connect(service.address);
        http.send_request(&Request::post(path, ""));
        let status = http.head().status;
        assert!([200, 400, 404, 405].contains(&status), "{path}: {status}");
    }
    service.fetch(&Request::get("/echo")).assert(200, "Welcome to SockJS!");
}

#[test]
fn a_sending_request_that_is_cut_off_delivers_nothing() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    for leave in [|http: Http| drop(http), Http::reset, |http: Http| http.shutdown_write()] {
        let mut http = Http::connect(service.address);
        let request =
            Request::new("POST", &format!("{}/xhr_send", session.path)).header("Content-Length", "100");
        http.send_request(&request);
        http.write_bytes(b"[\"a\"]");
        leave(http);
    }
    session.send(&["whole"]);
    session.expect_message("whole");
}
