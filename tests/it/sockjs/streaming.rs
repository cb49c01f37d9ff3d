//! xhr_streaming, eventsource, htmlfile: many frames in a response, each in a chunk of its own.

use super::Service;
use crate::support::http::{Http, Request};
use crate::support::sockjs::{Frame, Transport, name};
use stompbox::transport::sockjs::Options;

#[test]
fn the_prelude_and_every_frame_are_chunks_that_come_at_once() {
    let service = Service::start();
    for transport in Transport::STREAMING {
        let mut session = service.session(transport);
        // The prelude is asserted as it is read.
        session.attach();
        assert_eq!(session.chunk(), Some(transport.wrapped("o")));
        for message in ["x", "", "a\"b"] {
            session.send(&[message]);
            let frame = format!("a[{}]", serde_json::to_string(message).expect("JSON"));
            assert_eq!(session.chunk(), Some(transport.wrapped(&frame)), "the response goes on");
        }
        session.send(&["1", "2", "3"]);
        assert_eq!(session.chunk(), Some(transport.wrapped("a[\"1\",\"2\",\"3\"]")));
    }
}

#[test]
fn the_octets_of_xhr_streaming() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let path = format!("/echo/000/{}", name());
    http.ask(&Request::post(&format!("{path}/xhr_streaming"), ""));
    let head = http.head();
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("content-length"), None);
    let prelude = format!("801\r\n{}\n\r\n", "h".repeat(2048));
    assert!(http.take(prelude.len()) == prelude, "2048 times h and a line end");
    assert_eq!(http.take(3 + 2 + 2), "2\r\no\n\r\n");
    assert_eq!(service.ask(&Request::post(&format!("{path}/xhr_send"), "[\"x\"]")).status, 204);
    assert_eq!(http.take(3 + 7 + 2), "7\r\na[\"x\"]\n\r\n");
}

#[test]
fn the_octets_of_eventsource() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let path = format!("/echo/000/{}", name());
    http.ask(&Request::get(&format!("{path}/eventsource")));
    assert_eq!(http.head().header("content-length"), None);
    assert_eq!(http.chunk().as_deref(), Some("\r\n"));
    assert_eq!(http.chunk().as_deref(), Some("data: o\r\n\r\n"));
    let sent = Request::post(&format!("{path}/xhr_send"), "[\"  x \\u0000\\r\\n\"]");
    assert_eq!(service.ask(&sent).status, 204);
    assert_eq!(http.chunk().as_deref(), Some("data: a[\"  x \\u0000\\r\\n\"]\r\n\r\n"));
}

#[test]
fn the_octets_of_htmlfile() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let path = format!("/echo/000/{}", name());
    http.ask(&Request::get(&format!("{path}/htmlfile?c=%63allback")));
    assert_eq!(http.head().header("content-length"), None);
    let page = http.chunk().expect("a page");
    assert!(page.len() > 1024 && page.ends_with("\r\n\r\n"), "{page:?}");
    assert_eq!(http.chunk().as_deref(), Some("<script>\np(\"o\");\n</script>\r\n"));
    assert_eq!(service.ask(&Request::post(&format!("{path}/xhr_send"), "[\"x\"]")).status, 204);
    assert_eq!(http.chunk().as_deref(), Some("<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n"));
}

#[test]
fn a_percent_sign_is_escaped_on_eventsource_and_nowhere_else() {
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
        assert_eq!(frame, format!("a[\"{message}\"]"), "the client still reads the same");
    }
}

#[test]
fn a_stream_of_4096_octets_ends_behind_31_frames_of_134() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrStreaming);
    let message = "x".repeat(128);
    for _ in 0..31 {
        session.send(&[&message]);
        assert_eq!(session.chunk().map(|chunk| chunk.len()), Some(134));
    }
    assert_eq!(session.chunk(), None, "the zero chunk comes at once");
}

#[test]
fn a_stream_ends_right_behind_the_frame_that_meets_the_limit() {
    // Frames and what is around them count, `o` does, the prelude does not.
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
fn a_limit_that_o_meets_leaves_a_response_of_o_alone() {
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
        let mut octets = session.chunk().expect("an open frame").len();
        while octets < default {
            session.send(&[&message]);
            let chunk = session.chunk().unwrap_or_else(|| panic!("{transport:?} ends after {octets}"));
            octets += chunk.len();
        }
        assert_eq!(session.chunk(), None, "{transport:?} goes on after {octets}");
    }
}

#[test]
fn a_session_goes_on_with_the_next_response_when_a_stream_has_ended() {
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
fn a_frame_beyond_the_limit_is_sent_whole() {
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
            http.ask(&transport.receive(&session.path));
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
fn receivers_of_different_transports_may_take_turns() {
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
        // It waits in the quoting of the last receiver and is taken by another kind.
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
