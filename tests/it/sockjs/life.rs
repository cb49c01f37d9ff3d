//! The life cycle of a session: receivers, heartbeats, expiry and close.

use super::Service;
use crate::support::HANG_TIMEOUT;
use crate::support::http::{Http, Request};
use crate::support::sockjs::{Frame, Session, Transport, session_name};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(200);
/// Longer than any test runs: an event that occurs in a test is not caused by this delay.
const LONG: Duration = Duration::from_secs(3600);

/// Shortest delay within which even a busy machine can process two requests of a test.
const DISCONNECT_DELAY: Duration = Duration::from_secs(2);

/// Starts services that remove a session after [`DISCONNECT_DELAY`] without a receiver.
fn with_short_disconnect_delay() -> Service {
    Service::with(|options| options.disconnect_delay = DISCONNECT_DELAY)
}

/// Starts services that neither remove a session without a receiver nor send heartbeats.
fn without_expiry() -> Service {
    Service::with(|options| {
        options.disconnect_delay = LONG;
        options.heartbeat = LONG;
    })
}

#[track_caller]
fn close(code: u16, reason: &str) -> Frame {
    Frame::Close(code, reason.to_string())
}

// ---- receivers ----

#[test]
fn the_first_receiver_gets_an_open_frame_which_ends_a_poll() {
    let service = without_expiry();
    for transport in Transport::HTTP {
        let mut session = service.session(transport);
        assert_eq!(session.chunk(), Some(transport.wrapped("o")), "{transport:?}");
        if transport.polls() {
            assert_eq!(session.chunk(), None);
        }
    }
}

#[test]
fn the_next_receiver_gets_the_waiting_messages_and_no_open_frame() {
    let service = without_expiry();
    for first in Transport::POLLING {
        for next in Transport::HTTP {
            let mut session = service.open(first);
            session.send(&["1"]);
            session.transport = next;
            assert_eq!(session.frame(), Frame::Messages(vec!["1".to_string()]), "{first:?}, {next:?}");
        }
    }
}

#[test]
fn a_second_receiver_is_closed_with_2010_and_the_first_one_stays() {
    let service = without_expiry();
    for first in Transport::HTTP {
        for second in Transport::HTTP {
            let mut session = service.open(first);
            session.attach();
            session.transport = second;
            for _ in 0..2 {
                let (mut other, head) = session.another_receiver();
                assert_eq!(head.status, 200, "{first:?}, {second:?}");
                if !second.polls() {
                    second.assert_prelude(&other.chunk().expect("a prelude"));
                }
                let frame = second.wrapped("c[2010,\"Another connection still open\"]");
                assert_eq!(other.chunk(), Some(frame), "{first:?}, {second:?}");
                assert_eq!(other.chunk(), None, "the response must end");
            }
            session.transport = first;
            session.send(&["still there"]);
            assert_eq!(session.frame(), Frame::Messages(vec!["still there".to_string()]));
        }
    }
}

#[test]
fn a_receiver_may_attach_as_soon_as_the_previous_one_has_ended() {
    let service = without_expiry();
    let mut session = service.open(Transport::XhrPolling);
    let mut http = Http::connect(service.address);
    let poll = Transport::XhrPolling.receive(&session.path);
    for number in 0..100 {
        session.send(&[&number.to_string()]);
        assert_eq!(http.exchange(&poll).body, format!("a[\"{number}\"]\n"), "the slot must be free");
    }
}

// ---- an application that closes ----

#[test]
fn every_receiver_of_a_closed_session_gets_the_applications_close_frame() {
    let service = without_expiry();
    for transport in Transport::HTTP {
        let mut session = Session::new(service.address, "/close", transport).opened();
        for _ in 0..4 {
            session.expect_close(3000, "Go away!");
        }
        for other in Transport::HTTP {
            session.transport = other;
            session.expect_close(3000, "Go away!");
        }
    }
}

#[test]
fn the_close_frame_frees_the_receiver_slot() {
    let service = without_expiry();
    for transport in Transport::STREAMING {
        let mut session = Session::new(service.address, "/close", transport);
        let mut first = session.detach();
        assert_eq!(first.chunk(), Some(transport.wrapped("o")));
        assert_eq!(first.chunk(), Some(transport.wrapped("c[3000,\"Go away!\"]")));
        // The end of the first response has not been read yet.
        assert_eq!(session.frame(), close(3000, "Go away!"), "the slot must be free");
        assert_eq!(first.chunk(), None);
    }
}

#[test]
fn a_closed_session_is_removed_after_the_delay_and_starts_anew() {
    let service = with_short_disconnect_delay();
    let mut sessions = Transport::HTTP.map(|transport| {
        let mut session = Session::new(service.address, "/close", transport).opened();
        session.expect_close(3000, "Go away!");
        session
    });
    service.until_sessions(0);
    for session in &mut sessions {
        assert_eq!(session.frame(), Frame::Open, "{:?}", session.transport);
    }
}

#[test]
fn polls_of_a_closed_session_restart_its_delay() {
    let service = Service::with(|options| options.disconnect_delay = SHORT);
    let started = Instant::now();
    let mut polled_at = started;
    let session = Session::new(service.address, "/close", Transport::XhrPolling).opened();
    let mut http = Http::connect(service.address);
    let poll = Transport::XhrPolling.receive(&session.path);
    // Polls for four delays. After a pause of half a delay, as on a busy machine, the session may have been removed, so
    // the answer is not checked.
    while started.elapsed() < 4 * SHORT {
        let body = http.exchange(&poll).body;
        let now = Instant::now();
        if now - polled_at < SHORT / 2 {
            assert_eq!(body, "c[3000,\"Go away!\"]\n", "{:?} after the close", started.elapsed());
        }
        polled_at = now;
    }
}

// ---- expiry ----

#[test]
fn the_default_delays_are_5_s_and_25_s() {
    let options = stompbox::http::sockjs::Options::default();
    assert_eq!(options.disconnect_delay, Duration::from_secs(5));
    assert_eq!(options.heartbeat, Duration::from_secs(25));
}

#[test]
fn a_session_without_a_receiver_is_removed_after_the_delay() {
    let service = with_short_disconnect_delay();
    let mut since = Instant::now();
    let mut sessions = Transport::HTTP.map(|transport| {
        since = Instant::now();
        let mut session = service.open(transport);
        if !transport.polls() {
            // The session has a receiver until the stream ends. A message that is larger than a response may be ends
            // the stream.
            session.send(&[&"x".repeat(5000)]);
            assert!(matches!(session.frame(), Frame::Messages(_)));
            assert_eq!(session.frame(), Frame::End);
        }
        session
    });
    service.until_sessions(0);
    assert!(since.elapsed() >= DISCONNECT_DELAY, "the last session was removed after {:?}", since.elapsed());
    for session in &mut sessions {
        assert_eq!(session.try_send("[\"x\"]").status, 404, "{:?}", session.transport);
        assert_eq!(session.frame(), Frame::Open, "{:?} must start anew", session.transport);
    }
}

#[test]
fn a_receiver_cancels_the_expiry() {
    let service = with_short_disconnect_delay();
    let mut kept = service.open(Transport::XhrPolling);
    kept.attach();
    // Waits until a session that was opened later has been removed.
    let _other = service.open(Transport::XhrPolling);
    service.until_sessions(1);
    kept.send(&["still there"]);
    assert_eq!(kept.frame(), Frame::Messages(vec!["still there".to_string()]));
}

#[test]
fn the_delay_starts_when_the_answer_is_written() {
    // Long enough for a busy machine to read the rest of the answer and to send another request.
    let service = Service::with(|options| options.disconnect_delay = 3 * DISCONNECT_DELAY);
    let mut slow = service.open(Transport::XhrPolling);
    slow.attach();
    // Encoded as JSON, the message is larger than the socket buffers of a client that does not read.
    let json = format!("[\"{}\"]", "\\u0001".repeat(5 << 19));
    slow.send_json(&json);
    let _other = service.open(Transport::XhrPolling);
    service.until_sessions(1);
    let answer = slow.chunk().expect("an answer");
    slow.send(&["still there"]);
    assert!(Transport::XhrPolling.unwrapped(&answer) == format!("a{json}"), "the answer must be complete");
    assert_eq!(slow.chunk(), None);
    slow.expect_message("still there");
}

#[test]
fn a_poll_within_the_delay_restarts_it() {
    let service = Service::with(|options| {
        options.disconnect_delay = DISCONNECT_DELAY;
        options.heartbeat = DISCONNECT_DELAY / 2;
    });
    let mut session = service.open(Transport::XhrPolling);
    // Each poll lasts half a delay.
    for _ in 0..4 {
        assert_eq!(session.frame(), Frame::HeartBeat);
    }
    session.send(&["still there"]);
    session.expect_message("still there");
}

#[test]
fn sending_alone_does_not_keep_a_session() {
    let service = with_short_disconnect_delay();
    let started = Instant::now();
    let mut session = service.open(Transport::XhrPolling);
    while session.try_send("[]").status != 404 {
        assert!(started.elapsed() < HANG_TIMEOUT, "sending keeps the session");
    }
    assert!(started.elapsed() >= DISCONNECT_DELAY, "{:?}", started.elapsed());
}

#[test]
fn waiting_messages_are_dropped_with_a_removed_session() {
    let service = with_short_disconnect_delay();
    let mut session = service.open(Transport::XhrPolling);
    session.send(&["lost"]);
    service.until_sessions(0);
    assert_eq!(session.frame(), Frame::Open);
    session.send(&["new"]);
    assert_eq!(session.frame(), Frame::Messages(vec!["new".to_string()]));
}

// ---- aborted receivers ----

/// Title, and a function that ends the connection of a client. The function returns the connection if the client can
/// still read.
type Leave = (&'static str, fn(Http) -> Option<Http>);

const LEAVES: [Leave; 3] = [
    ("closed", |receiver| {
        drop(receiver);
        None
    }),
    ("reset", |receiver| {
        receiver.reset();
        None
    }),
    ("half-closed", |receiver| {
        receiver.shutdown_write();
        Some(receiver)
    }),
];

#[test]
fn an_aborted_receiver_ends_its_session_at_once() {
    for transport in Transport::HTTP {
        for (how, leave) in LEAVES {
            let service = without_expiry();
            let mut session = service.open(transport);
            let receiver = session.detach();
            let left = leave(receiver);
            service.until_sessions(0);
            drop(left);
            assert_eq!(session.try_send("[\"x\"]").status, 404, "{transport:?} {how}");
            let next = session.frame();
            assert!(
                [Frame::Open, close(1002, "Connection interrupted")].contains(&next),
                "{transport:?} {how}: {next:?}"
            );
        }
    }
}

/// Starts services in which only the end of a connection ends a session.
fn without_expiry_or_heartbeat() -> Service {
    Service::with(|options| {
        options.disconnect_delay = LONG;
        options.heartbeat = Duration::ZERO;
    })
}

/// Returns three inputs that can follow the request of a receiver: a stray byte, a request, and more bytes than one
/// read of the server returns.
fn input_after_the_request(service: &Service) -> [Vec<u8>; 3] {
    let request = Request::get("/echo/info").encode(service.address);
    [b"\n".to_vec(), request.clone(), request.repeat(40)]
}

#[test]
fn input_after_the_request_does_not_hide_the_end_of_a_receiver() {
    let service = without_expiry_or_heartbeat();
    for transport in Transport::HTTP {
        for (how, leave) in LEAVES {
            for extra in input_after_the_request(&service) {
                let mut session = service.open(transport);
                let mut receiver = session.detach();
                receiver.write_bytes(&extra);
                let left = leave(receiver);
                service.until_sessions(0);
                drop(left);
                let status = session.try_send("[\"x\"]").status;
                assert_eq!(status, 404, "{transport:?} {how} extra {} bytes", extra.len());
            }
        }
    }
}

#[test]
fn a_pipelined_receiver_ends_with_its_connection() {
    let service = without_expiry_or_heartbeat();
    for transport in Transport::STREAMING {
        for (_, leave) in LEAVES {
            let mut http = Http::connect(service.address);
            let path = format!("/echo/000/{}", session_name());
            let requests = [Request::get("/echo"), transport.receive(&path), Request::get("/echo")];
            let bytes: Vec<u8> =
                requests.iter().flat_map(|request| request.encode(service.address)).collect();
            http.write_bytes(&bytes);
            http.read_response().assert(200, "Welcome to SockJS!");
            assert_eq!(http.head().status, 200);
            let left = leave(http);
            service.until_sessions(0);
            drop(left);
        }
    }
}

#[test]
fn the_body_of_a_receiving_request_does_not_hide_the_end_of_its_client() {
    let service = without_expiry_or_heartbeat();
    for transport in [Transport::XhrStreaming, Transport::XhrPolling] {
        for (_, leave) in LEAVES {
            let mut session = service.session(transport);
            if transport.polls() {
                session = session.opened();
            }
            let mut http = Http::connect(service.address);
            let request =
                Request::post(&format!("{}/{}", session.path, transport.segment()), "x".repeat(3000));
            let bytes = request.encode(service.address);
            let (first, rest) = bytes.split_at(bytes.len() - 1000);
            http.write_bytes(first);
            assert_eq!(http.head().status, 200);
            http.write_bytes(rest);
            let left = leave(http);
            service.until_sessions(0);
            drop(left);
        }
    }
}

#[test]
fn a_client_that_keeps_sending_behind_its_receiver_is_disconnected() {
    let service = without_expiry_or_heartbeat();
    for transport in Transport::HTTP {
        let mut session = service.open(transport);
        let mut receiver = session.detach();
        receiver
            .write_bytes(&Request::get("/echo").header("x", &"y".repeat(64 * 1024)).encode(service.address));
        service.until_sessions(0);
    }
}

#[test]
fn requests_pipelined_behind_a_poll_are_answered_after_it() {
    let service = without_expiry_or_heartbeat();
    for transport in Transport::POLLING {
        let mut session = service.open(transport);
        let mut receiver = session.detach();
        for request in [transport.receive(&session.path), Request::get("/echo")] {
            for byte in request.encode(service.address) {
                receiver.write_bytes(&[byte]);
            }
        }
        for message in ["first", "second"] {
            session.send(&[message]);
            let sent =
                if message == "first" { receiver.chunk() } else { Some(receiver.read_response().body) };
            assert_eq!(sent, Some(transport.wrapped(&format!("a[\"{message}\"]"))), "{transport:?}");
            if message == "first" {
                assert_eq!(receiver.chunk(), None);
            }
        }
        receiver.read_response().assert(200, "Welcome to SockJS!");
    }
}

#[test]
fn a_client_that_half_closes_after_a_request_is_answered() {
    let service = without_expiry_or_heartbeat();
    let mut session = service.open(Transport::XhrPolling);
    for _ in 0..20 {
        for (request, status) in [
            (Request::get("/echo/info"), 200),
            (Transport::XhrPolling.send(&session.path, "[\"sent\"]"), 204),
            (Transport::XhrPolling.receive(&format!("/echo/000/{}", session_name())), 200),
        ] {
            let mut http = Http::connect(service.address);
            http.send_request(&request);
            http.shutdown_write();
            assert_eq!(http.read_response().status, status, "{request:?}");
            assert_eq!(http.rest(), "");
        }
        session.expect_message("sent");
    }
}

#[test]
fn a_rejected_receiver_does_not_end_the_session() {
    let service = without_expiry();
    for (how, leave) in LEAVES {
        let mut session = service.open(Transport::XhrStreaming);
        let (mut other, _) = session.another_receiver();
        // The client leaves before it has read the answer.
        let left = leave(other);
        drop(left);
        (other, _) = session.another_receiver();
        Transport::XhrStreaming.assert_prelude(&other.chunk().expect("a prelude"));
        assert_eq!(other.chunk().as_deref(), Some("c[2010,\"Another connection still open\"]\n"), "{how}");
        session.send(&["still there"]);
        session.expect_message("still there");
    }
}

#[test]
fn closing_a_connection_between_polls_does_not_end_the_session() {
    let service = without_expiry();
    let mut session = service.session(Transport::XhrPolling);
    for number in 0..5 {
        let mut http = Http::connect(service.address);
        let body = http.exchange(&Transport::XhrPolling.receive(&session.path)).body;
        let expected = if number == 0 { "o\n".to_string() } else { format!("a[\"{}\"]\n", number - 1) };
        assert_eq!(body, expected);
        if number % 2 == 0 {
            http.reset();
        }
        session.send(&[&number.to_string()]);
    }
}

// ---- heartbeats ----

/// Starts services that send a heartbeat after [`SHORT`].
fn with_short_heartbeat() -> Service {
    Service::with(|options| options.heartbeat = SHORT)
}

#[test]
fn an_idle_stream_is_sent_heartbeats_and_stays_open() {
    let service = with_short_heartbeat();
    for (transport, beat) in [
        (Transport::XhrStreaming, "h\n"),
        (Transport::EventSource, "data: h\r\n\r\n"),
        (Transport::HtmlFile, "<script>\np(\"h\");\n</script>\r\n"),
    ] {
        let since = Instant::now();
        let mut session = service.open(transport);
        for _ in 0..2 {
            assert_eq!(session.chunk().as_deref(), Some(beat), "{transport:?}");
        }
        assert!(since.elapsed() >= 2 * SHORT, "{transport:?}: two heartbeats in {:?}", since.elapsed());
        session.send(&["hi"]);
        session.expect_message("hi");
    }
}

#[test]
fn a_heartbeat_ends_a_poll() {
    let service = with_short_heartbeat();
    for (transport, beat) in
        [(Transport::XhrPolling, "h\n"), (Transport::JsonpPolling, "/**/_jp.a1b2c3d(\"h\");\r\n")]
    {
        let mut session = service.open(transport);
        let since = Instant::now();
        assert_eq!(session.chunk().as_deref(), Some(beat));
        assert_eq!(session.chunk(), None, "{transport:?}");
        assert!(since.elapsed() >= SHORT, "{transport:?}: a heartbeat after {:?}", since.elapsed());
        session.send(&["hi"]);
        session.expect_message("hi");
    }
}

#[test]
fn messages_postpone_heartbeats() {
    let service = with_short_heartbeat();
    let started = Instant::now();
    let mut session = service.open(Transport::XhrStreaming);
    let mut sent_at = started;
    while started.elapsed() < 4 * SHORT {
        let asked_at = Instant::now();
        session.send(&["x"]);
        match session.frame() {
            Frame::Messages(_) => sent_at = asked_at,
            Frame::HeartBeat => assert!(sent_at.elapsed() >= SHORT, "after {:?}", sent_at.elapsed()),
            other => assert_eq!(other, Frame::End),
        }
    }
}

#[test]
fn heartbeats_are_not_queued_without_a_receiver() {
    let service = with_short_heartbeat();
    let mut clock = service.open(Transport::XhrStreaming);
    let mut session = service.open(Transport::XhrPolling);
    session.send(&["first"]);
    for _ in 0..3 {
        assert_eq!(clock.frame(), Frame::HeartBeat);
    }
    assert_eq!(session.frame(), Frame::Messages(vec!["first".to_string()]));
    let since = Instant::now();
    assert_eq!(session.frame(), Frame::HeartBeat);
    assert!(since.elapsed() >= SHORT, "the heartbeat is due after a wait: {:?}", since.elapsed());
}

#[test]
fn no_heartbeats_are_sent_if_they_are_disabled() {
    let service = Service::with(|options| options.heartbeat = Duration::ZERO);
    for transport in Transport::HTTP {
        let mut session = service.open(transport);
        assert!(session.attach().is_quiet_for(Duration::from_millis(50)), "{transport:?}");
        session.send(&["hi"]);
        assert_eq!(session.frame(), Frame::Messages(vec!["hi".to_string()]), "{transport:?}");
    }
}

// ---- resources ----

#[test]
fn ended_sessions_leave_no_resources_behind() {
    let service = with_short_disconnect_delay();
    for transport in Transport::HTTP {
        let mut session = service.open(transport);
        session.send(&[&"x".repeat(50_000)]);
        session.message();
        session.send(&[&"y".repeat(50_000), "never read"]);
        drop(session.detach());
    }
    service.until_sessions(0);
    let started = Instant::now();
    loop {
        let page = service.fetch(&Request::get("/")).body;
        if page.ends_with("bytes 0\n") && page.contains("connections 1\n") {
            break;
        }
        assert!(started.elapsed() < HANG_TIMEOUT, "{page}");
    }
}

#[test]
fn a_session_over_the_limit_is_503_until_another_one_has_ended() {
    let service = Service::with(|options| {
        options.sessions_max = 2;
        options.disconnect_delay = DISCONNECT_DELAY;
    });
    let poll = || service.fetch(&Transport::XhrPolling.receive(&format!("/echo/000/{}", session_name())));
    let (mut first, mut second) =
        (service.open(Transport::XhrPolling), service.open(Transport::XhrStreaming));
    first.attach();
    let rejected = poll();
    assert_eq!(rejected.status, 503);
    assert!(rejected.body.contains("sockjs-sessions-max"), "{rejected:?}");
    first.send(&["hi"]);
    first.expect_message("hi");
    second.send(&["hi"]);
    second.expect_message("hi");
    drop((first, second));
    service.until_sessions(0);
    poll().assert(200, "o");
}
