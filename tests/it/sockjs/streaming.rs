//! The streaming transports xhr_streaming, eventsource and htmlfile: many frames in a response, each in its own chunk.

use super::Service;
use crate::support::http::{Http, Request};
use crate::support::sockjs::{Frame, Transport, session_name};
use stompbox::http::sockjs::Options;

#[test]
fn the_prelude_and_every_frame_are_chunks_sent_at_once() {
    let service = Service::start();
    for transport in Transport::STREAMING {
        let mut session = service.session(transport);
        // `attach` checks the prelude.
        session.attach();
        assert_eq!(session.chunk(), Some(transport.wrapped("o")));
        for message in ["x", "", "a\"b"] {
            session.send(&[message]);
            let frame = format!("a[{}]", serde_json::to_string(message).expect("JSON"));
            assert_eq!(session.chunk(), Some(transport.wrapped(&frame)), "the response must continue");
        }
        session.send(&["1", "2", "3"]);
        assert_eq!(session.chunk(), Some(transport.wrapped("a[\"1\",\"2\",\"3\"]")));
    }
}

#[test]
fn xhr_streaming_sends_these_bytes() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let path = format!("/echo/000/{}", session_name());
    http.send_request(&Request::post(&format!("{path}/xhr_streaming"), ""));
    let head = http.head();
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("content-length"), None);
    let prelude = format!("801\r\n{}\n\r\n", "h".repeat(2048));
    assert!(http.take(prelude.len()) == prelude, "the prelude is 2048 times h and a line end");
    assert_eq!(http.take(3 + 2 + 2), "2\r\no\n\r\n");
    assert_eq!(service.fetch(&Request::post(&format!("{path}/xhr_send"), "[\"x\"]")).status, 204);
    assert_eq!(http.take(3 + 7 + 2), "7\r\na[\"x\"]\n\r\n");
}

#[test]
fn eventsource_sends_these_bytes() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let path = format!("/echo/000/{}", session_name());
    http.send_request(&Request::get(&format!("{path}/eventsource")));
    assert_eq!(http.head().header("content-length"), None);
    assert_eq!(http.chunk().as_deref(), Some("\r\n"));
    assert_eq!(http.chunk().as_deref(), Some("data: o\r\n\r\n"));
    let sent = Request::post(&format!("{path}/xhr_send"), "[\"  x \\u0000\\r\\n\"]");
    assert_eq!(service.fetch(&sent).status, 204);
    assert_eq!(http.chunk().as_deref(), Some("data: a[\"  x \\u0000\\r\\n\"]\r\n\r\n"));
}

#[test]
fn htmlfile_sends_these_bytes() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let path = format!("/echo/000/{}", session_name());
    http.send_request(&Request::get(&format!("{path}/htmlfile?c=%63allback")));
    assert_eq!(http.head().header("content-length"), None);
    let page = http.chunk().expect("a page");
    assert!(page.len() > 1024 && page.ends_with("\r\n\r\n"), "{page:?}");
    assert_eq!(http.chunk().as_deref(), Some("<script>\np(\"o\");\n</script>\r\n"));
    assert_eq!(service.fetch(&Request::post(&format!("{path}/xhr_send"), "[\"x\"]")).status, 204);
    assert_eq!(http.chunk().as_deref(), Some("<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n"));
}

#[test]
fn only_eventsource_escapes_a_percent_sign() {
    let service = Service::start();
    let message = "100% %25 %E0%A4%A \u{20ac}%";
    for transport in Transport::ALL {
        let mut session = service.open(transport);
        session.send(&[message]);
        session.expect_message(message);
    }
    let mut session = service.open(Transport::EventSource);
    session.send(&[message]);
    let expected = "data: a[\"100%25 %2525 %25E0%25A4%25A \u{20ac}%25\"]\r\n\r\n";
    assert_eq!(session.chunk().as_deref(), Some(expected));
    let mut session = service.open(Transport::XhrStreaming);
    session.send(&[message]);
    assert_eq!(session.chunk(), Some(format!("a[\"{message}\"]\n")));
}

#[test]
fn no_message_ends_the_script_element_around_it() {
    let service = Service::start();
    let message = "</script><script>alert(1)</script><!-- <!DOCTYPE";
    for transport in [Transport::HtmlFile, Transport::JsonpPolling] {
        let mut session = service.open(transport);
        session.send(&[message]);
        let chunk = session.chunk().expect("a frame");
        let own = if transport == Transport::HtmlFile { 2 } else { 0 };
        assert_eq!(chunk.matches('<').count(), own, "{chunk}");
        let frame = transport.unwrapped(&chunk);
        assert_eq!(frame, format!("a[\"{message}\"]"), "the client must read the same message");
    }
}

#[test]
fn a_stream_of_4096_bytes_ends_after_31_frames_of_134() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrStreaming);
    let message = "x".repeat(128);
    for _ in 0..31 {
        session.send(&[&message]);
        assert_eq!(session.chunk().map(|chunk| chunk.len()), Some(134));
    }
    assert_eq!(session.chunk(), None, "the last chunk must come at once");
}

#[test]
fn a_stream_ends_right_after_the_frame_that_reaches_the_limit() {
    // All frames count with their envelopes, including the open frame `o`. The prelude does not count.
    for transport in Transport::STREAMING {
        let open = transport.wrapped("o").len();
        let frame = transport.wrapped("a[\"x\"]").len();
        for (limit, frames) in [
            (open + 1, 1),
            (open + frame, 1),
            (open + frame + 1, 2),
            (open + 5 * frame, 5),
            (open + 5 * frame + 1, 6),
        ] {
            let service = Service::with(|options| options.stream_bytes_max = limit);
            let mut session = service.session(transport);
            assert_eq!(session.chunk(), Some(transport.wrapped("o")));
            for _ in 0..frames {
                session.send(&["x"]);
                assert_eq!(session.chunk(), Some(transport.wrapped("a[\"x\"]")), "limit {limit}");
            }
            assert_eq!(session.chunk(), None, "{transport:?} with limit {limit}");
        }
    }
}

#[test]
fn a_limit_reached_by_the_open_frame_ends_the_response_after_it() {
    let service = Service::with(|options| options.stream_bytes_max = 2);
    for transport in Transport::STREAMING {
        let mut session = service.session(transport);
        assert_eq!(session.chunk(), Some(transport.wrapped("o")));
        assert_eq!(session.chunk(), None);
        session.send(&["hi"]);
        session.expect_message("hi");
    }
}

#[test]
fn the_default_limit_of_a_stream_is_128_kib() {
    let default = Options::default().stream_bytes_max;
    assert_eq!(default, 131_072);
    let service = Service::with(|options| options.stream_bytes_max = default);
    let message = "x".repeat(10_000);
    for transport in Transport::STREAMING {
        let mut session = service.session(transport);
        let mut bytes = session.chunk().expect("an open frame").len();
        while bytes < default {
            session.send(&[&message]);
            let chunk = session.chunk().unwrap_or_else(|| panic!("{transport:?} ends after {bytes} bytes"));
            bytes += chunk.len();
        }
        assert_eq!(session.chunk(), None, "{transport:?} continues after {bytes} bytes");
    }
}

#[test]
fn a_session_continues_with_the_next_response_after_a_stream_ends() {
    let service = Service::with(|options| options.stream_bytes_max = 100);
    for transport in Transport::STREAMING {
        let mut session = service.open(transport);
        let mut responses = 1;
        for number in 0..50 {
            session.send(&[&format!("{number}: {}", "y".repeat(20))]);
            loop {
                match session.frame() {
                    Frame::End => responses += 1,
                    Frame::Messages(messages) => {
                        assert_eq!(messages, [format!("{number}: {}", "y".repeat(20))]);
                        break;
                    }
                    other => panic!("{other:?} over {transport:?}"),
                }
            }
        }
        assert!(responses > 5, "{responses} responses over {transport:?}");
    }
}

#[test]
fn a_frame_over_the_limit_is_sent_whole() {
    let service = Service::start();
    for transport in Transport::STREAMING {
        let mut session = service.open(transport);
        let message = "x".repeat(1_000_000);
        session.send(&[&message]);
        let chunk = session.chunk().expect("a frame");
        assert_eq!(chunk.len(), transport.wrapped(&format!("a[\"{message}\"]")).len());
        assert_eq!(session.chunk(), None);
    }
}

#[test]
fn the_connection_of_a_stream_that_has_ended_serves_the_next_one() {
    let service = Service::with(|options| options.stream_bytes_max = 50);
    for transport in Transport::STREAMING {
        let mut session = service.session(transport);
        let mut http = Http::connect(service.address);
        let message = "z".repeat(50);
        for round in 0..3 {
            http.send_request(&transport.receive(&session.path));
            assert_eq!(http.head().status, 200);
            transport.assert_prelude(&http.chunk().expect("a prelude"));
            if round == 0 {
                assert_eq!(http.chunk(), Some(transport.wrapped("o")));
            }
            session.send(&[&message]);
            assert_eq!(http.chunk(), Some(transport.wrapped(&format!("a[\"{message}\"]"))));
            assert_eq!(http.chunk(), None);
        }
    }
}

#[test]
fn receivers_of_different_transports_may_alternate() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    let message = "100% \u{1f600} </script> \"\\\u{2028}";
    for transport in [
        Transport::JsonpPolling,
        Transport::XhrPolling,
        Transport::JsonpPolling,
        Transport::JsonpPolling,
        Transport::XhrPolling,
    ] {
        // While the message waits, it is quoted for the transport of the previous receiver. It is then received over
        // `transport`.
        session.transport = Transport::XhrPolling;
        session.send(&[message]);
        session.transport = transport;
        session.expect_message(message);
    }
    session.transport = Transport::XhrPolling;
    session.send(&[message]);
    session.transport = Transport::EventSource;
    session.expect_message(message);
}
