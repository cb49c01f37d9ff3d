//! Access policy: origins, hosts, limits and transports.

use super::stomp::{connect, open};
use crate::support::http::{Http, Request, Response, fetch};
use crate::support::sockjs::{Frame, Session, Transport, session_name};
use crate::support::{Broker, HANG_TIMEOUT, Wire};
use std::time::Instant;

const EVIL: &str = "https://evil.example";

/// Opens a session with a receiving request that has these headers. Returns the head of the answer.
#[track_caller]
fn receive(broker: &Broker, transport: Transport, headers: &[(&str, &str)]) -> Response {
    let mut request = transport.receive(&format!("/ws/000/{}", session_name())).headers(headers);
    if transport == Transport::WebSocket {
        request = request.headers(&[
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
    }
    let mut http = Http::connect(broker.http);
    http.send_request(&request);
    http.head()
}

/// Returns the status of an accepted request.
fn accepted(transport: Transport) -> u16 {
    if transport == Transport::WebSocket { 101 } else { 200 }
}

fn rejected(broker: &Broker, option: &str) -> i64 {
    broker.metric(&format!("requests_refused_total{{option=\"{option}\"}}"))
}

// ---- origins ----

#[test]
fn foreign_origins_are_rejected_with_403_on_every_transport() {
    let broker = Broker::start(&[]);
    let mut count = 0;
    for transport in Transport::ALL {
        for origin in [EVIL, "null", "http://127.0.0.1.evil.example", "file://", "x"] {
            assert_eq!(
                receive(&broker, transport, &[("Origin", origin)]).status,
                403,
                "{transport:?} {origin}"
            );
            count += 1;
        }
    }
    let path = connect(&broker, Transport::XhrPolling).path;
    for request in [
        Request::get("/ws/info"),
        Request::new("OPTIONS", "/ws/info"),
        Request::get("/ws"),
        Request::get("/ws/iframe.html"),
        Request::new("OPTIONS", &format!("{path}/xhr")),
        Transport::XhrPolling.receive(&path),
        Transport::XhrPolling.send(&path, "[\"HELLO\\n\\n\\u0000\"]"),
        Transport::JsonpPolling.send(&path, "[\"HELLO\\n\\n\\u0000\"]"),
    ] {
        let response = fetch(broker.http, &request.clone().header("Origin", EVIL));
        assert_eq!(response.status, 403, "{request:?}");
        assert!(response.body.contains("allowed-origins"), "the answer must name the option: {response:?}");
        assert_eq!(response.header("access-control-allow-origin"), None, "{request:?}");
        count += 1;
    }
    assert_eq!(rejected(&broker, "allowed-origins"), count);
    assert_eq!(broker.metric("connections_closed_total"), 0, "the rejection must not count as a connection");
    let line = broker.log_line(|line| line.contains("rejected a request (403)"));
    for fact in ["refused=\"origin https://evil.example\"", "option=\"allowed-origins\"", "address=127.0.0.1"]
    {
        assert!(line.contains(fact), "{fact} in {line}");
    }
}

#[test]
fn local_same_and_absent_origins_are_accepted() {
    let broker = Broker::start(&[]);
    let own = format!("http://{}", broker.http);
    let own_behind_tls = format!("https://{}", broker.http);
    for transport in Transport::ALL {
        for origin in [&own, &own_behind_tls, "http://localhost:3000", "https://127.0.0.1", "http://[::1]:80"]
        {
            let response = receive(&broker, transport, &[("Origin", origin)]);
            assert_eq!(response.status, accepted(transport), "{transport:?} {origin}");
        }
        assert_eq!(receive(&broker, transport, &[]).status, accepted(transport), "{transport:?}");
    }
    assert_eq!(rejected(&broker, "allowed-origins"), 0);
}

#[test]
fn listed_origins_are_accepted_with_cors_headers() {
    let broker = Broker::start(&["--allowed-origins", "https://app.example.com,https://*.example.net,null"]);
    for origin in ["https://app.example.com", "https://a.b.example.net", "null"] {
        for transport in Transport::ALL {
            let response = receive(&broker, transport, &[("Origin", origin)]);
            assert_eq!(response.status, accepted(transport), "{transport:?} {origin}");
            if matches!(transport, Transport::XhrPolling | Transport::XhrStreaming | Transport::EventSource) {
                assert_eq!(response.header("access-control-allow-origin"), Some(origin), "{transport:?}");
                assert_eq!(
                    response.header("access-control-allow-credentials"),
                    Some("true"),
                    "{transport:?}"
                );
            }
        }
        let info = fetch(broker.http, &Request::get("/ws/info").header("Origin", origin));
        assert_eq!((info.status, info.header("access-control-allow-origin")), (200, Some(origin)));
    }
    for origin in ["http://app.example.com", "https://app.example.com:8443", "https://example.net", EVIL] {
        for transport in Transport::ALL {
            assert_eq!(
                receive(&broker, transport, &[("Origin", origin)]).status,
                403,
                "{transport:?} {origin}"
            );
        }
    }
}

/// Go's WebSocket packages send the dialled URL, or an address with a slash, as `Origin`.
#[test]
fn an_origin_with_scheme_ws_or_a_slash_is_normalised() {
    let flags = ["--allowed-hosts=chat.example.com", "--allowed-origins=https://app.example.com"];
    let broker = Broker::start(&flags);
    let here = ("Host", "chat.example.com:8080");
    for (origin, allowed) in [
        ("ws://chat.example.com:8080", true),
        ("wss://chat.example.com:8080", true),
        ("ws://chat.example.com:8080/ws", true),
        ("http://chat.example.com:8080/", true),
        ("http://localhost/", true),
        ("https://app.example.com/", true),
        ("wss://app.example.com", true),
        ("ws://app.example.com", false),
        ("ws://chat.example.com", false),
        ("ws://evil.example/chat.example.com:8080", false),
        ("https://evil.example/", false),
    ] {
        for transport in Transport::ALL {
            let status = receive(&broker, transport, &[here, ("Origin", origin)]).status;
            assert_eq!(status, if allowed { accepted(transport) } else { 403 }, "{transport:?} {origin}");
        }
        if allowed {
            let request = Request::get("/ws").headers(&[here, ("Origin", origin)]);
            let mut client = broker.open_websocket(request);
            client.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
            client.expect("CONNECTED", &[("version", "1.2")], "");
            client.disconnect();
        }
    }
}

#[test]
fn listed_schemes_of_apps_are_accepted() {
    let broker =
        Broker::start(&["--allowed-origins", "file://, capacitor://localhost, chrome-extension://abc"]);
    for (origin, allowed) in [
        ("file://", true),
        ("capacitor://localhost", true),
        ("chrome-extension://abc", true),
        ("chrome-extension://def", false),
        ("ionic://localhost", false),
        ("app://.", false),
    ] {
        for transport in Transport::ALL {
            let status = receive(&broker, transport, &[("Origin", origin)]).status;
            assert_eq!(status, if allowed { accepted(transport) } else { 403 }, "{transport:?} {origin}");
        }
    }
    let page = broker.get("/ws/iframe.html");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.ends_with(" file: capacitor://localhost chrome-extension://abc"), "{policy}");
}

#[test]
fn a_star_accepts_every_origin() {
    let broker = Broker::start(&["--allowed-origins", "*"]);
    for transport in Transport::ALL {
        for origin in [EVIL, "null"] {
            let response = receive(&broker, transport, &[("Origin", origin)]);
            assert_eq!(response.status, accepted(transport), "{transport:?} {origin}");
        }
    }
}

#[test]
fn without_an_origin_sec_fetch_site_and_referer_decide() {
    let broker = Broker::start(&[]);
    let own = format!("http://{}/page?secret", broker.http);
    let table: [(&[(&str, &str)], bool); 8] = [
        (&[("Sec-Fetch-Site", "cross-site")], false),
        (&[("Sec-Fetch-Site", "same-site")], false),
        (&[("Sec-Fetch-Site", "same-origin")], true),
        (&[("Sec-Fetch-Site", "none")], true),
        (&[("Sec-Fetch-Site", "cross-site"), ("Referer", "http://localhost:3000/page")], true),
        (&[("Sec-Fetch-Site", "cross-site"), ("Referer", "https://evil.example/page")], false),
        (&[("Referer", "https://evil.example/page")], false),
        (&[("Referer", &own)], true),
    ];
    for transport in [Transport::JsonpPolling, Transport::HtmlFile, Transport::EventSource] {
        for (headers, allowed) in table {
            let status = receive(&broker, transport, headers).status;
            assert_eq!(status, if allowed { 200 } else { 403 }, "{transport:?} {headers:?}");
        }
    }
    assert!(!broker.whole_log().contains("secret"), "addresses of pages must not be logged");
}

#[test]
fn only_the_iframe_page_may_be_loaded_cross_site() {
    let broker = Broker::start(&[]);
    let cross_site = |path: &str| {
        let mut http = Http::connect(broker.http);
        http.send_request(&Request::get(path).header("Sec-Fetch-Site", "cross-site"));
        http.head().status
    };
    for server in ["iframe", "iframe-x", "iframe%2e", "iframe.html"] {
        for transport in ["jsonp?c=f", "htmlfile?c=f", "eventsource"] {
            assert_eq!(
                cross_site(&format!("/ws/{server}/{}/{transport}", session_name())),
                403,
                "{server} {transport}"
            );
        }
    }
    for page in ["/ws/iframe.html", "/ws/iframe-1.6.1.html"] {
        assert_eq!(cross_site(page), 200, "{page}");
    }
}

#[test]
fn an_upgrade_header_does_not_exempt_other_transports() {
    let broker = Broker::start(&[]);
    let request = Request::get(&format!("/ws/000/{}/jsonp?c=f", session_name()));
    let headers = [("Sec-Fetch-Site", "cross-site"), ("Upgrade", "websocket")];
    assert_eq!(fetch(broker.http, &request.headers(&headers)).status, 403);
}

#[test]
fn the_iframe_page_names_the_origins_that_may_embed_it() {
    let broker = Broker::start(&["--allowed-origins", "https://app.example.com"]);
    let page = broker.get("/ws/iframe.html");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("frame-ancestors 'self' "), "{policy}");
    assert!(policy.ends_with(" https://app.example.com"), "{policy}");
    let broker = Broker::start(&["--allowed-origins", "*"]);
    assert_eq!(broker.get("/ws/iframe.html").header("content-security-policy"), None);
}

// ---- hosts ----

#[test]
fn a_loopback_listener_accepts_only_loopback_hosts() {
    let broker = Broker::start(&[]);
    for (host, allowed) in [
        ("evil.example", false),
        ("localhost.evil.example:80", false),
        ("localhost:1234", true),
        ("[::1]", true),
    ] {
        for transport in Transport::ALL {
            let status = receive(&broker, transport, &[("Host", host)]).status;
            assert_eq!(status, if allowed { accepted(transport) } else { 403 }, "{transport:?} {host}");
        }
        for path in ["/ws/info", "/ws", "/ws/iframe.html"] {
            let response = fetch(broker.http, &Request::get(path).header("Host", host));
            assert_eq!(response.status, if allowed { 200 } else { 403 }, "{path} {host}");
            assert!(allowed || response.body.contains("allowed-hosts"), "{response:?}");
        }
    }
    assert_eq!(rejected(&broker, "allowed-hosts"), 2 * 9);
    // After DNS rebinding, the host name of a foreign page resolves to this machine. The page then has the same origin
    // as the broker.
    let rebound = [("Host", "evil.example"), ("Origin", "http://evil.example")];
    assert_eq!(receive(&broker, Transport::XhrPolling, &rebound).status, 403);
    let line = broker.log_line(|line| line.contains("rejected a request (403)"));
    assert!(line.contains("refused=\"host evil.example\" option=\"allowed-hosts\""), "{line}");
}

#[test]
fn listed_hosts_are_accepted() {
    let broker = Broker::start(&["--allowed-hosts", "chat.example.com"]);
    for (host, allowed) in
        [("chat.example.com", true), ("chat.example.com:8443", true), ("evil.example", false)]
    {
        for transport in Transport::ALL {
            let status = receive(&broker, transport, &[("Host", host)]).status;
            assert_eq!(status, if allowed { accepted(transport) } else { 403 }, "{transport:?} {host}");
        }
    }
}

// ---- limits ----

#[test]
fn a_session_over_the_limit_is_503_and_names_the_option() {
    let broker = Broker::start(&["--sockjs-sessions-max", "2"]);
    let mut sessions = [connect(&broker, Transport::XhrPolling), connect(&broker, Transport::XhrStreaming)];
    for transport in Transport::HTTP {
        let mut session = Session::new(broker.http, "/ws", transport);
        let (_, head) = session.another_receiver();
        assert_eq!(head.status, 503, "{transport:?}");
        assert_eq!(session.try_send("[]").status, 404, "the session must not exist");
    }
    let rejected = fetch(broker.http, &Transport::XhrPolling.receive("/ws/000/one-more"));
    assert!(rejected.body.contains("sockjs-sessions-max"), "{rejected:?}");
    assert!(rejected.body.contains("Close SockJS sessions"), "{rejected:?}");
    assert_eq!(broker.limit_hits("sockjs-sessions-max"), 6);
    let line = broker.log_line(|line| line.contains("rejected a client"));
    for part in
        [" WARN ", "limit=\"sockjs-sessions-max\"", "find the clients that use so many SockJS sessions"]
    {
        assert!(line.contains(part), "{part} in {line}");
    }
    connect(&broker, Transport::WebSocket).expect_quiet();
    sessions.iter_mut().for_each(Session::expect_quiet);
}

#[test]
fn sessions_are_counted_by_the_address_that_a_trusted_proxy_names() {
    let flags = ["--trusted-proxies=127.0.0.1", "--sockjs-sessions-per-address-max=1"];
    let broker = Broker::start(&flags);
    let from = |address: &str| {
        let status = receive(&broker, Transport::XhrPolling, &[("X-Forwarded-For", address)]).status;
        assert!([200, 503].contains(&status), "{status}");
        status == 200
    };
    assert!(from("192.0.2.1"));
    assert!(!from("192.0.2.1"), "an address may have one session");
    assert!(!from("198.51.100.9, 192.0.2.1"), "an address added by the client must be ignored");
    assert!(from("192.0.2.2"));
    assert!(from("192.0.2.2, 192.0.2.3"));
    assert!(!from("192.0.2.3"));
    assert_eq!(broker.limit_hits("sockjs-sessions-per-address-max"), 3);
}

#[test]
fn x_forwarded_for_is_ignored_without_a_trusted_proxy() {
    let broker = Broker::start(&["--sockjs-sessions-per-address-max=1"]);
    assert_eq!(receive(&broker, Transport::XhrPolling, &[("X-Forwarded-For", "192.0.2.1")]).status, 200);
    assert_eq!(receive(&broker, Transport::XhrPolling, &[("X-Forwarded-For", "192.0.2.2")]).status, 503);
}

#[test]
fn websockets_behind_a_proxy_are_counted_and_logged_by_the_client_address() {
    let broker = Broker::start(&["--trusted-proxies=127.0.0.1", "--connections-per-address-max=1"]);
    let upgrade = |address: &str| {
        let mut http = Http::connect(broker.http);
        http.send_request(
            &Request::get("/ws/000/a/websocket")
                .headers(&[
                    ("Upgrade", "websocket"),
                    ("Connection", "Upgrade"),
                    ("Sec-WebSocket-Version", "13"),
                    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ])
                .header("X-Forwarded-For", address),
        );
        let head = http.head();
        (head.status, http)
    };
    let (first, second) = (upgrade("192.0.2.1"), upgrade("192.0.2.2"));
    assert_eq!((first.0, second.0), (101, 101));
    assert_eq!(upgrade("192.0.2.1").0, 503);
    assert_eq!(broker.limit_hits("connections-per-address-max"), 1);
    drop(first);
    let line = broker.log_line(|line| line.contains("connection closed"));
    assert!(line.contains("address=192.0.2.1") && line.contains("transport=\"sockjs-websocket\""), "{line}");
    // The permit is released right after the line is logged.
    let started = Instant::now();
    while upgrade("192.0.2.1").0 != 101 {
        assert!(started.elapsed() < HANG_TIMEOUT, "the permit is not released");
    }
}

#[test]
fn a_session_over_http_is_logged_with_the_clients_address() {
    let broker = Broker::start(&["--trusted-proxies=127.0.0.1"]);
    let mut session =
        Session::new(broker.http, "/ws", Transport::XhrPolling).with_header("X-Forwarded-For", "192.0.2.7");
    assert_eq!(session.frame(), Frame::Open);
    session.connect("1.2");
    session.stomp("DISCONNECT\n\n\0");
    session.expect_close(1000, "");
    let line = broker.log_line(|line| line.contains("connection closed"));
    assert!(line.contains("address=192.0.2.7"), "{line}");
}

#[test]
fn a_session_is_bound_to_its_address_where_that_is_checked() {
    for (check, status) in [("true", 404), ("false", 200)] {
        let check = format!("--sockjs-check-address={check}");
        let broker = Broker::start(&["--trusted-proxies=127.0.0.1", &check]);
        let path = format!("/ws/000/{}", session_name());
        let poll = |address: &str| {
            let mut http = Http::connect(broker.http);
            http.send_request(&Transport::XhrPolling.receive(&path).header("X-Forwarded-For", address));
            http.head().status
        };
        assert_eq!(poll("192.0.2.1"), 200);
        assert_eq!(poll("192.0.2.2"), status, "{check}");
    }
}

#[test]
fn requests_of_an_unauthenticated_client_are_limited_in_size() {
    let broker = Broker::start(&["--connect-frame-bytes-max=1KiB", "--sockjs-send-bytes-max=100KiB"]);
    let json = |length: usize| format!("[\"{}\"]", "\\n".repeat((length - 4) / 2));
    for transport in [Transport::XhrPolling, Transport::JsonpPolling] {
        let mut session = open(&broker, transport);
        // A form encodes each of these bytes as three bytes.
        let body = if transport == Transport::JsonpPolling { 3 } else { 1 };
        let rejected = fetch(broker.http, &transport.send(&session.path, &json(6 * 1024 / body + 200)));
        assert_eq!(rejected.status, 413, "{transport:?}");
        assert!(rejected.body.contains("connect-frame-bytes-max"), "{rejected:?}");
        session.connect("1.2");
        session.send_json(&json(100 * 1024 / body - 200));
        let rejected = fetch(broker.http, &transport.send(&session.path, &json(100 * 1024 / body + 200)));
        assert_eq!(rejected.status, 413, "{transport:?}");
        assert!(rejected.body.contains("sockjs-send-bytes-max"), "{rejected:?}");
        session.expect_quiet();
    }
    assert_eq!(broker.limit_hits("connect-frame-bytes-max"), 2);
    assert_eq!(broker.limit_hits("sockjs-send-bytes-max"), 2);
}

// ---- transports ----

#[test]
fn a_disabled_transport_is_404_and_native_websocket_remains() {
    let broker = Broker::start(&["--sockjs-transports", "xhr-polling,jsonp-polling"]);
    for transport in Transport::ALL {
        let status = receive(&broker, transport, &[]).status;
        assert_eq!(status, if transport.polls() { 200 } else { 404 }, "{transport:?}");
    }
    assert!(broker.get("/ws/info").body.contains("\"websocket\":false"));
    assert_eq!(broker.get("/ws/websocket").status, 404);
    connect(&broker, Transport::XhrPolling).expect_quiet();
    broker.connect(Wire::WebSocket).expect_quiet();
}

#[test]
fn the_path_option_applies_to_all_endpoints() {
    let broker = Broker::start(&["--ws-path", "/a/b/stomp"]);
    for transport in Transport::ALL {
        let mut session = Session::new(broker.http, "/a/b/stomp", transport).opened();
        session.connect("1.2");
        session.expect_quiet();
    }
    for path in ["/ws", "/ws/info", "/a/b", "/a/b/info", "/a/b/stompinfo", "/info"] {
        assert_eq!(broker.get(path).status, 404, "{path}");
    }
}

#[test]
fn the_cookie_and_the_library_are_configurable() {
    let broker = Broker::start(&["--sockjs-cookie=true", "--sockjs-client-url=/js/sockjs.js"]);
    assert!(broker.get("/ws/info").body.contains("\"cookie_needed\":true"));
    assert!(broker.get("/ws/iframe.html").body.contains("<script src=\"/js/sockjs.js\">"));
    let response = receive(&broker, Transport::XhrPolling, &[("Cookie", "JSESSIONID=abc")]);
    assert_eq!(response.header("set-cookie"), Some("JSESSIONID=abc; path=/"));
}
