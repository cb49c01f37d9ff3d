//! The life of a session: receivers, heart-beats, expiry, the end.

use super::Service;
use crate::support::PATIENCE;
use crate::support::http::{Http, Request};
use crate::support::sockjs::{Frame, Session, Transport, name};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(200);
/// Longer than any test waits: what happens in time does not happen because of this.
const LONG: Duration = Duration::from_secs(3600);

/// As short as a busy machine allows between two requests of a test.
const FORGET: Duration = Duration::from_secs(2);

/// Services that forget a session after [`FORGET`].
fn forgetful() -> Service {
    Service::with(|options| options.disconnect_delay = FORGET)
}

/// Services that never forget one for want of a receiver, and never beat.
fn patient() -> Service {
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
fn the_first_receiver_gets_o_and_a_poll_ends_with_it() {
    let service = patient();
    for transport in Transport::HTTP {
        let mut session = service.session(transport);
        assert_eq!(session.chunk(), Some(transport.wrapped("o")), "{transport:?}");
        if transport.polls() {
            assert_eq!(session.chunk(), None);
        }
    }
}

#[test]
fn the_next_receiver_gets_what_waits_and_no_o() {
    let service = patient();
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
fn a_second_receiver_is_told_2010_and_the_first_one_stays() {
    let service = patient();
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
                assert_eq!(other.chunk(), None, "and ends");
            }
            session.transport = first;
            session.send(&["still there"]);
            assert_eq!(session.frame(), Frame::Messages(vec!["still there".to_string()]));
        }
    }
}

#[test]
fn a_receiver_may_come_as_soon_as_the_last_one_has_ended() {
    let service = patient();
    let mut session = service.open(Transport::XhrPolling);
    let mut http = Http::connect(service.address);
    let poll = Transport::XhrPolling.receive(&session.path);
    for number in 0..100 {
        session.send(&[&number.to_string()]);
        assert_eq!(http.exchange(&poll).body, format!("a[\"{number}\"]\n"), "never 2010");
    }
}

// ---- an application that closes ----

#[test]
fn every_receiver_of_a_closed_session_gets_the_applications_close_frame() {
    let service = patient();
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
fn the_slot_of_the_receiver_is_free_with_the_close_frame() {
    let service = patient();
    for transport in Transport::STREAMING {
        let mut session = Session::new(service.address, "/close", transport);
        let mut first = session.detach();
        assert_eq!(first.chunk(), Some(transport.wrapped("o")));
        assert_eq!(first.chunk(), Some(transport.wrapped("c[3000,\"Go away!\"]")));
        // The end of the first response is not read yet.
        assert_eq!(session.frame(), close(3000, "Go away!"), "never 2010");
        assert_eq!(first.chunk(), None);
    }
}

#[test]
fn a_closed_session_is_forgotten_after_the_delay_and_begins_anew() {
    let service = forgetful();
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
fn polls_of_a_closed_session_start_its_delay_anew() {
    let service = Service::with(|options| options.disconnect_delay = SHORT);
    let started = Instant::now();
    let mut asked = started;
    let session = Session::new(service.address, "/close", Transport::XhrPolling).opened();
    let mut http = Http::connect(service.address);
    let poll = Transport::XhrPolling.receive(&session.path);
    // For many delays; a machine that holds this thread up for a whole delay proves nothing, so that is left out.
    while started.elapsed() < 4 * SHORT {
        let body = http.exchange(&poll).body;
        let now = Instant::now();
        if now - asked < SHORT / 2 {
            assert_eq!(body, "c[3000,\"Go away!\"]\n", "{:?} after the close", started.elapsed());
        }
        asked = now;
    }
}

// ---- expiry ----

#[test]
fn the_default_delays_are_5_s_and_25_s() {
    let options = stompbox::transport::sockjs::Options::default();
    assert_eq!(options.disconnect_delay, Duration::from_secs(5));
    assert_eq!(options.heartbeat, Duration::from_secs(25));
}

#[test]
fn a_session_without_a_receiver_is_forgotten_after_the_delay() {
    let service = forgetful();
    let mut since = Instant::now();
    let mut sessions = Transport::HTTP.map(|transport| {
        since = Instant::now();
        let mut session = service.open(transport);
        if !transport.polls() {
            // It has a receiver as long as the stream goes on.
            session.send(&[&"x".repeat(5000)]);
            assert!(matches!(session.frame(), Frame::Messages(_)));
            assert_eq!(session.frame(), Frame::End);
        }
        session
    });
    service.until_sessions(0);
    assert!(since.elapsed() >= FORGET, "the last one is forgotten after {:?}", since.elapsed());
    for session in &mut sessions {
        assert_eq!(session.try_send("[\"x\"]").status, 404, "{:?}", session.transport);
        assert_eq!(session.frame(), Frame::Open, "{:?} begins anew", session.transport);
    }
}

#[test]
fn a_receiver_cancels_the_expiry() {
    let service = forgetful();
    let mut kept = service.open(Transport::XhrPolling);
    kept.attach();
    // One that came later is forgotten meanwhile.
    let _other = service.open(Transport::XhrPolling);
    service.until_sessions(1);
    kept.send(&["still there"]);
    assert_eq!(kept.frame(), Frame::Messages(vec!["still there".to_string()]));
}

#[test]
fn the_delay_waits_for_an_answer_that_is_still_on_its_way() {
    // Long enough for a busy machine to read what is on its way and to ask again.
    let service = Service::with(|options| options.disconnect_delay = 3 * FORGET);
    let mut slow = service.open(Transport::XhrPolling);
    slow.attach();
    // As JSON more than the system holds for a client that does not read.
    let json = format!("[\"{}\"]", "\\u0001".repeat(5 << 19));
    slow.send_json(&json);
    let _other = service.open(Transport::XhrPolling);
    service.until_sessions(1);
    let answer = slow.chunk().expect("the answer");
    slow.send(&["still there"]);
    assert!(Transport::XhrPolling.unwrapped(&answer) == format!("a{json}"), "another answer");
    assert_eq!(slow.chunk(), None);
    slow.expect_message("still there");
}

#[test]
fn a_poll_in_time_starts_the_delay_anew() {
    let service = Service::with(|options| {
        options.disconnect_delay = FORGET;
        options.heartbeat = FORGET / 2;
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
fn sending_does_not_keep_a_session() {
    let service = forgetful();
    let started = Instant::now();
    let mut session = service.open(Transport::XhrPolling);
    while session.try_send("[]").status != 404 {
        assert!(started.elapsed() < PATIENCE, "a session that is only sent to stays");
    }
    assert!(started.elapsed() >= FORGET, "{:?}", started.elapsed());
}

#[test]
fn what_waits_for_a_session_that_is_forgotten_is_gone_with_it() {
    let service = forgetful();
    let mut session = service.open(Transport::XhrPolling);
    session.send(&["lost"]);
    service.until_sessions(0);
    assert_eq!(session.frame(), Frame::Open);
    session.send(&["new"]);
    assert_eq!(session.frame(), Frame::Messages(vec!["new".to_string()]));
}

// ---- aborted receivers ----

/// How a client leaves.
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
        receiver.finish();
        Some(receiver)
    }),
];

#[test]
fn an_aborted_receiver_ends_its_session_without_grace() {
    for transport in Transport::HTTP {
        for (how, leave) in LEAVES {
            let service = patient();
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

/// Services in which nothing but the end of a connection ends a session.
fn silent() -> Service {
    Service::with(|options| {
        options.disconnect_delay = LONG;
        options.heartbeat = Duration::ZERO;
    })
}

/// Input after the request of a receiver: a stray byte, the next request, more than one read takes.
fn sent_behind(service: &Service) -> [Vec<u8>; 3] {
    let request = Request::get("/echo/info").octets(service.address);
    [b"\n".to_vec(), request.clone(), request.repeat(40)]
}

#[test]
fn input_behind_the_request_does_not_hide_that_a_receiver_has_left() {
    let service = silent();
    for transport in Transport::HTTP {
        for (how, leave) in LEAVES {
            for behind in sent_behind(&service) {
                let mut session = service.open(transport);
                let mut receiver = session.detach();
                receiver.octets(&behind);
                let left = leave(receiver);
                service.until_sessions(0);
                drop(left);
                let status = session.try_send("[\"x\"]").status;
                assert_eq!(status, 404, "{transport:?} {how} behind {} bytes", behind.len());
            }
        }
    }
}

#[test]
fn a_receiver_asked_for_behind_other_requests_ends_with_its_connection() {
    let service = silent();
    for transport in Transport::STREAMING {
        for (_, leave) in LEAVES {
            let mut http = Http::connect(service.address);
            let path = format!("/echo/000/{}", name());
            let requests = [Request::get("/echo"), transport.receive(&path), Request::get("/echo")];
            let octets: Vec<u8> =
                requests.iter().flat_map(|request| request.octets(service.address)).collect();
            http.octets(&octets);
            http.answer().assert(200, "Welcome to SockJS!");
            assert_eq!(http.head().status, 200);
            let left = leave(http);
            service.until_sessions(0);
            drop(left);
        }
    }
}

#[test]
fn the_body_of_a_receiving_request_does_not_hide_that_its_client_has_left() {
    let service = silent();
    for transport in [Transport::XhrStreaming, Transport::XhrPolling] {
        for (_, leave) in LEAVES {
            let mut session = service.session(transport);
            if transport.polls() {
                session = session.opened();
            }
            let mut http = Http::connect(service.address);
            let request =
                Request::post(&format!("{}/{}", session.path, transport.segment()), "x".repeat(3000));
            let octets = request.octets(service.address);
            let (first, rest) = octets.split_at(octets.len() - 1000);
            http.octets(first);
            assert_eq!(http.head().status, 200);
            http.octets(rest);
            let left = leave(http);
            service.until_sessions(0);
            drop(left);
        }
    }
}

#[test]
fn a_client_that_goes_on_sending_behind_its_receiver_is_cut_off() {
    let service = silent();
    for transport in Transport::HTTP {
        let mut session = service.open(transport);
        let mut receiver = session.detach();
        receiver.octets(&Request::get("/echo").header("x", &"y".repeat(64 * 1024)).octets(service.address));
        service.until_sessions(0);
    }
}

#[test]
fn requests_that_come_while_a_poll_is_held_are_answered_behind_it() {
    let service = silent();
    for transport in Transport::POLLING {
        let mut session = service.open(transport);
        let mut receiver = session.detach();
        for request in [transport.receive(&session.path), Request::get("/echo")] {
            for octet in request.octets(service.address) {
                receiver.octets(&[octet]);
            }
        }
        for message in ["first", "second"] {
            session.send(&[message]);
            let sent = if message == "first" { receiver.chunk() } else { Some(receiver.answer().body) };
            assert_eq!(sent, Some(transport.wrapped(&format!("a[\"{message}\"]"))), "{transport:?}");
            if message == "first" {
                assert_eq!(receiver.chunk(), None);
            }
        }
        receiver.answer().assert(200, "Welcome to SockJS!");
    }
}

#[test]
fn a_client_that_has_closed_its_side_behind_a_whole_request_is_answered() {
    let service = silent();
    let mut session = service.open(Transport::XhrPolling);
    for _ in 0..20 {
        for (request, status) in [
            (Request::get("/echo/info"), 200),
            (Transport::XhrPolling.send(&session.path, "[\"sent\"]"), 204),
            (Transport::XhrPolling.receive(&format!("/echo/000/{}", name())), 200),
        ] {
            let mut http = Http::connect(service.address);
            http.ask(&request);
            http.finish();
            assert_eq!(http.answer().status, status, "{request:?}");
            assert_eq!(http.rest(), "");
        }
        session.expect_message("sent");
    }
}

#[test]
fn a_receiver_that_was_refused_may_leave_without_harm() {
    let service = patient();
    for (how, leave) in LEAVES {
        let mut session = service.open(Transport::XhrStreaming);
        let (mut other, _) = session.another_receiver();
        // Before it has read why.
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
fn a_connection_that_is_closed_between_polls_ends_nothing() {
    let service = patient();
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

// ---- heart-beats ----

/// Services that beat after [`SHORT`].
fn beating() -> Service {
    Service::with(|options| options.heartbeat = SHORT)
}

#[test]
fn a_stream_that_was_sent_nothing_is_sent_heart_beats_and_goes_on() {
    let service = beating();
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
        assert!(since.elapsed() >= 2 * SHORT, "{transport:?}: two beats in {:?}", since.elapsed());
        session.send(&["hi"]);
        session.expect_message("hi");
    }
}

#[test]
fn a_heart_beat_ends_a_poll() {
    let service = beating();
    for (transport, beat) in
        [(Transport::XhrPolling, "h\n"), (Transport::JsonpPolling, "/**/_jp.a1b2c3d(\"h\");\r\n")]
    {
        let mut session = service.open(transport);
        let since = Instant::now();
        assert_eq!(session.chunk().as_deref(), Some(beat));
        assert_eq!(session.chunk(), None, "{transport:?}");
        assert!(since.elapsed() >= SHORT, "{transport:?}: a beat after {:?}", since.elapsed());
        session.send(&["hi"]);
        session.expect_message("hi");
    }
}

#[test]
fn messages_put_heart_beats_off() {
    let service = beating();
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
fn no_heart_beat_waits_for_a_receiver() {
    let service = beating();
    let mut clock = service.open(Transport::XhrStreaming);
    let mut session = service.open(Transport::XhrPolling);
    session.send(&["first"]);
    for _ in 0..3 {
        assert_eq!(clock.frame(), Frame::HeartBeat);
    }
    assert_eq!(session.frame(), Frame::Messages(vec!["first".to_string()]));
    let since = Instant::now();
    assert_eq!(session.frame(), Frame::HeartBeat);
    assert!(since.elapsed() >= SHORT, "a beat is due when the receiver has waited: {:?}", since.elapsed());
}

#[test]
fn where_heart_beats_are_off_there_are_none() {
    let service = Service::with(|options| options.heartbeat = Duration::ZERO);
    for transport in Transport::HTTP {
        let mut session = service.open(transport);
        assert!(session.attach().is_quiet_for(Duration::from_millis(50)), "{transport:?}");
        session.send(&["hi"]);
        assert_eq!(session.frame(), Frame::Messages(vec!["hi".to_string()]), "{transport:?}");
    }
}

// ---- what is left ----

#[test]
fn nothing_is_left_of_sessions_that_are_over() {
    let service = forgetful();
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
        let page = service.ask(&Request::get("/")).body;
        if page.ends_with("octets 0\n") && page.contains("connections 1\n") {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{page}");
    }
}

#[test]
fn a_session_beyond_the_limit_is_503_until_another_one_has_gone() {
    let service = Service::with(|options| {
        options.sessions_max = 2;
        options.disconnect_delay = FORGET;
    });
    let poll = || service.ask(&Transport::XhrPolling.receive(&format!("/echo/000/{}", name())));
    let (mut first, mut second) =
        (service.open(Transport::XhrPolling), service.open(Transport::XhrStreaming));
    first.attach();
    let refused = poll();
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("sockjs-sessions-max"), "{refused:?}");
    first.send(&["hi"]);
    first.expect_message("hi");
    second.send(&["hi"]);
    second.expect_message("hi");
    drop((first, second));
    service.until_sessions(0);
    poll().assert(200, "o");
}
