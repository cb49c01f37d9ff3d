//! JSESSIONID: the cookie by which load balancers keep a client on one server.

use super::Service;
use crate::support::http::{Http, Request, Response};
use crate::support::sockjs::{Session, Transport, session_name};
use crate::support::websocket;

const BASE: &str = "/cookie_needed_echo";

/// Requests every path that sets the cookie, with the header `Cookie: cookie`. Returns the paths and the answers.
fn answers(service: &Service, cookie: Option<&str>) -> Vec<(String, Response)> {
    let with_cookie = |request: Request| match cookie {
        Some(cookie) => request.header("Cookie", cookie),
        None => request,
    };
    let path = format!("{BASE}/000/{}", session_name());
    assert_eq!(service.fetch(&with_cookie(Request::post(&format!("{path}/xhr"), ""))).body, "o\n");
    let mut requests = vec![
        ("OPTIONS info", Request::new("OPTIONS", &format!("{BASE}/info"))),
        ("xhr_send", Transport::XhrPolling.send(&path, "[]")),
        ("jsonp_send", Transport::JsonpPolling.send(&path, "[]")),
        ("broken xhr_send", Transport::XhrPolling.send(&path, "[")),
        ("broken jsonp_send", Transport::JsonpPolling.send(&path, "[")),
        ("xhr_send to an unknown session", Transport::XhrPolling.send(&format!("{BASE}/000/none"), "[]")),
        ("jsonp without a callback", Request::get(&format!("{path}/jsonp"))),
    ];
    for segment in ["xhr", "xhr_streaming", "xhr_send"] {
        requests.push(("OPTIONS", Request::new("OPTIONS", &format!("{path}/{segment}"))));
    }
    for transport in Transport::HTTP {
        let new = transport.receive(&format!("{BASE}/000/{}", session_name()));
        requests.push((transport.segment(), new));
    }
    let answered = requests.into_iter().map(|(name, request)| {
        let mut http = Http::connect(service.address);
        http.send_request(&with_cookie(request));
        (name.to_string(), http.head())
    });
    answered.collect()
}

#[test]
fn every_response_sets_a_dummy_cookie_for_clients_without_one() {
    let service = Service::start();
    for cookie in [None, Some("theme=dark; XJSESSIONID=no")] {
        for (name, response) in answers(&service, cookie) {
            assert_eq!(response.header("set-cookie"), Some("JSESSIONID=dummy; path=/"), "{name}");
        }
    }
}

#[test]
fn every_response_sets_the_clients_own_cookie_again() {
    let service = Service::start();
    for cookie in ["JSESSIONID=abcdef", "a=b; JSESSIONID=abcdef; c=d", "a=b;JSESSIONID=abcdef"] {
        for (name, response) in answers(&service, Some(cookie)) {
            assert_eq!(response.header("set-cookie"), Some("JSESSIONID=abcdef; path=/"), "{name}");
        }
    }
}

#[test]
fn greeting_info_iframe_and_websocket_never_set_the_cookie() {
    let service = Service::start();
    for path in ["", "/", "/info", "/iframe.html", "/websocket", "/000/a/websocket"] {
        let request = Request::get(&format!("{BASE}{path}")).header("Cookie", "JSESSIONID=abcdef");
        assert_eq!(service.fetch(&request).header("set-cookie"), None, "{path}");
    }
    for path in ["/websocket", "/000/a/websocket"] {
        let (_, response) = websocket::upgrade(service.address, &format!("{BASE}{path}"), None);
        assert_eq!((response.status, response.header("set-cookie")), (101, None), "{path}");
    }
}

#[test]
fn no_response_sets_the_cookie_if_it_is_disabled() {
    let service = Service::start();
    for transport in Transport::HTTP {
        let session =
            Session::new(service.address, "/echo", transport).with_header("Cookie", "JSESSIONID=abcdef");
        assert_eq!(session.another_receiver().1.header("set-cookie"), None, "{transport:?}");
    }
    let preflight = Request::new("OPTIONS", "/echo/000/a/xhr").header("Cookie", "JSESSIONID=abcdef");
    assert_eq!(service.fetch(&preflight).header("set-cookie"), None);
}

#[test]
fn a_client_that_returns_the_dummy_cookie_keeps_its_session() {
    let service = Service::start();
    let path = format!("{BASE}/000/{}", session_name());
    let poll = Request::post(&format!("{path}/xhr"), "");
    service.fetch(&poll).assert(200, "o");
    let cookie = ("Cookie", "JSESSIONID=dummy");
    let send = Request::post(&format!("{path}/xhr_send"), "[\"hi\"]");
    assert_eq!(service.fetch(&send.header(cookie.0, cookie.1)).status, 204);
    service.fetch(&poll.header(cookie.0, cookie.1)).assert(200, "a[\"hi\"]");
}
