//! Paths of the protocol, and the methods that they accept.

use super::Service;
use crate::support::http::{Http, Request};
use crate::support::sockjs::{Frame, Session, Transport, session_name};
use stompbox::http::sockjs::{SockJsTransport as Switch, SockJsTransports};

/// All paths below a base, with their methods.
const PATHS: [(&str, &str); 13] = [
    ("", "GET"),
    ("/", "GET"),
    ("/info", "GET, OPTIONS"),
    ("/iframe.html", "GET"),
    ("/websocket", "GET"),
    ("/000/a/websocket", "GET"),
    ("/000/a/xhr", "OPTIONS, POST"),
    ("/000/a/xhr_streaming", "OPTIONS, POST"),
    ("/000/a/xhr_send", "OPTIONS, POST"),
    ("/000/a/eventsource", "GET"),
    ("/000/a/htmlfile", "GET"),
    ("/000/a/jsonp", "GET"),
    ("/000/a/jsonp_send", "POST"),
];

#[test]
fn a_wrong_method_is_405_with_allow_and_without_a_body() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    for (path, methods) in PATHS {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
            if methods.split(", ").any(|known| known == method) {
                continue;
            }
            let request = Request::new(method, &format!("/echo{path}")).header("Content-Length", "0");
            let response = http.exchange(&request);
            assert_eq!(response.status, 405, "{method} {path}");
            let allow = response.header("allow").expect("405 names the methods");
            let mut allowed: Vec<_> = allow.split(", ").collect();
            allowed.sort_unstable();
            assert_eq!(allowed.join(", "), methods, "{method} {path}");
            assert_eq!(response.header("content-type"), None, "{method} {path}");
            assert_eq!(response.body, "", "{method} {path}");
        }
    }
}

#[test]
fn every_other_path_is_404() {
    let service = Service::start();
    let mut http = Http::connect(service.address);
    let paths = [
        "//",
        "///",
        "/a",
        "/a.html",
        "/a/a",
        "/a/a/",
        "/a//",
        "//a/",
        "/a/a/a",
        "/a./a/xhr",
        "/a/a./xhr",
        "/.a/a/xhr",
        "//xhr",
        "//a/xhr",
        "/a//xhr",
        "///xhr",
        "/./xhr",
        "/././xhr",
        "/./a/xhr",
        "/a/../xhr",
        "/../echo/info",
        "/./info",
        "/a/a/a/xhr",
        "/a/a/xhr/a",
        "/a/a/xhr//",
        "/a/a/XHR",
        "/a/a/xhr_sendx",
        "/a/a/%78hr",
        "/%69nfo",
        "/Info",
        "/info//",
        "/info/a",
        "/infos",
        "//info",
        "/websocket//",
        "/websocket/a",
        "/iframe",
        "/iframe.htm",
        "/iframe.HTML",
        "/IFRAME.HTML",
        "/Iframe.html",
        "/iframe/.html",
        "/iframe-/.html",
        "/iframe-A.html",
        "/iframe%2D.html",
        "/iframe-~.html",
        "/iframe.html/a",
        "x",
        "x/info",
    ];
    for path in paths {
        for method in ["GET", "POST", "OPTIONS"] {
            let request = Request::new(method, &format!("/echo{path}")).header("Content-Length", "0");
            assert_eq!(http.exchange(&request).status, 404, "{method} {path}");
        }
    }
}

#[test]
fn one_trailing_slash_is_accepted_on_every_path() {
    let service = Service::start();
    for (path, status) in [("", 200), ("/info", 200), ("/iframe-1.0.html", 200), ("/websocket", 400)] {
        assert_eq!(service.fetch(&Request::get(&format!("/echo{path}/"))).status, status, "{path}/");
    }
    for transport in Transport::HTTP {
        let path = format!("/echo/000/{}/{}", session_name(), transport.segment());
        let with_slash = format!("{path}/?c=_jp.a1b2c3d");
        let request = match transport {
            Transport::XhrPolling | Transport::XhrStreaming => Request::post(&with_slash, ""),
            _ => Request::get(&with_slash),
        };
        let mut http = Http::connect(service.address);
        http.send_request(&request);
        assert_eq!(http.head().status, 200, "{with_slash}");
    }
    let mut session = service.open(Transport::XhrPolling);
    let sent = service.fetch(&Request::post(&format!("{}/xhr_send/", session.path), "[\"hi\"]"));
    assert_eq!(sent.status, 204);
    session.expect_message("hi");
}

#[test]
fn a_query_is_ignored() {
    let service = Service::start();
    for (path, status) in [("?x", 200), ("/?t=1", 200), ("/info?t=1", 200), ("/iframe.html?t=1/a", 200)] {
        assert_eq!(service.fetch(&Request::get(&format!("/echo{path}"))).status, status, "{path}");
    }
    let path = format!("/echo/000/{}", session_name());
    service.fetch(&Request::post(&format!("{path}/xhr?t=123&i=../a"), "")).assert(200, "o");
    assert_eq!(service.fetch(&Request::post(&format!("{path}/xhr_send?t=124"), "[\"hi\"]")).status, 204);
    service.fetch(&Request::post(&format!("{path}/xhr?t=125"), "")).assert(200, "a[\"hi\"]");
}

#[test]
fn server_and_session_names_are_any_text_without_a_dot_and_not_decoded() {
    let service = Service::start();
    let servers = ["000", "a%2Fb", "%", "%2e%2e", "a,b;c=d", "~!$&'()*+@:", &"9".repeat(1000)];
    for (number, server) in servers.into_iter().enumerate() {
        for session in ["x", "a%2Fb", "a%2fb", "%2E", "%00", "a,b;c=d"] {
            let path = format!("/echo/{server}/{session}-{number}/xhr");
            service.fetch(&Request::post(&path, "")).assert(200, "o");
        }
    }
    // The names above are not decoded: `a%2Fb` and `a%2fb` are different sessions. A session name has at most 256
    // bytes.
    let longest = "y".repeat(256);
    service.fetch(&Request::post(&format!("/echo/000/{longest}/xhr"), "")).assert(200, "o");
    assert_eq!(service.fetch(&Request::post(&format!("/echo/000/{longest}y/xhr"), "")).status, 404);
}

#[test]
fn the_server_in_the_path_is_ignored() {
    let service = Service::start();
    let id = session_name();
    service.fetch(&Request::post(&format!("/echo/000/{id}/xhr"), "")).assert(200, "o");
    assert_eq!(service.fetch(&Request::post(&format!("/echo/111/{id}/xhr_send"), "[\"hi\"]")).status, 204);
    service.fetch(&Request::post(&format!("/echo/abc/{id}/xhr"), "")).assert(200, "a[\"hi\"]");
}

#[test]
fn a_session_is_not_reached_below_another_prefix() {
    let service = Service::start();
    let session = service.open(Transport::XhrPolling);
    let other = |base: &str| session.path.replace("/echo", base);
    for base in ["/disabled_websocket_echo", "/cookie_needed_echo", "/close"] {
        let path = other(base);
        assert_eq!(
            service.fetch(&Request::post(&format!("{path}/xhr_send"), "[\"hi\"]")).status,
            404,
            "{base}"
        );
        let form = Transport::JsonpPolling.send(&path, "[\"hi\"]");
        assert_eq!(service.fetch(&form).status, 404, "{base}");
        // The same id below another prefix is a different session.
        service.fetch(&Request::post(&format!("{path}/xhr"), "")).assert(200, "o");
    }
    assert_eq!(service.fetch(&Request::post(&format!("{}/xhr_send", session.path), "[\"own\"]")).status, 204);
    service.fetch(&Request::post(&format!("{}/xhr", session.path), "")).assert(200, "a[\"own\"]");
}

#[test]
fn without_websocket_its_paths_are_404_and_info_says_so() {
    let service = Service::start();
    for path in ["/websocket", "/000/a/websocket", "/websocket/", "/000/a/websocket/"] {
        for upgrade in [true, false] {
            let mut request = Request::get(&format!("/disabled_websocket_echo{path}"));
            if upgrade {
                request = request.headers(&[
                    ("Upgrade", "websocket"),
                    ("Connection", "Upgrade"),
                    ("Sec-WebSocket-Version", "13"),
                    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ]);
            }
            assert_eq!(service.fetch(&request).status, 404, "{path}");
        }
    }
    let info = service.fetch(&Request::get("/disabled_websocket_echo/info")).body;
    let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
    assert_eq!(info["websocket"], false);
}

#[test]
fn the_paths_of_a_transport_that_is_off_do_not_exist() {
    let switches = [
        (Transport::XhrPolling, Switch::XhrPolling),
        (Transport::XhrStreaming, Switch::XhrStreaming),
        (Transport::EventSource, Switch::EventSource),
        (Transport::HtmlFile, Switch::HtmlFile),
        (Transport::JsonpPolling, Switch::JsonpPolling),
    ];
    for (only, switch) in switches {
        let service = Service::with(|options| options.transports = SockJsTransports::NONE.with(switch));
        for transport in Transport::HTTP {
            let mut session = Session::new(service.address, "/echo", transport);
            if transport == only {
                assert_eq!(session.frame(), Frame::Open);
                session.send(&["hi"]);
                session.expect_message("hi");
            } else {
                let (_, head) = session.another_receiver();
                assert_eq!(head.status, 404, "{transport:?} where only {only:?} is on");
                let preflight = Request::new("OPTIONS", &format!("{}/{}", session.path, transport.segment()));
                assert_eq!(service.fetch(&preflight).status, 404, "{transport:?}");
            }
        }
        let xhr_send = Transport::XhrPolling.send("/echo/000/none", "no JSON");
        let jsonp_send = Transport::JsonpPolling.send("/echo/000/none", "no JSON");
        let is_jsonp = only == Transport::JsonpPolling;
        assert_eq!(service.fetch(&xhr_send).status, if is_jsonp { 404 } else { 500 }, "{only:?}");
        assert_eq!(service.fetch(&jsonp_send).status, if is_jsonp { 500 } else { 404 }, "{only:?}");
    }
}
