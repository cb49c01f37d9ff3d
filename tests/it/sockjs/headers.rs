//! Headers that all answers have in common: caching and CORS.

use super::Service;
use super::statics::{assert_cached, assert_uncached};
use crate::support::http::{Http, Request, Response};
use crate::support::sockjs::{Transport, session_name};

const SCRIPT: &str = "application/javascript; charset=UTF-8";
const TEXT: &str = "text/plain; charset=UTF-8";

/// An endpoint, and a request that reaches it.
struct Endpoint {
    path: &'static str,
    request: Request,
    status: u16,
    content_type: &'static str,
    /// Whether pages of other origins request it with XMLHttpRequest, and therefore need CORS headers.
    cors: bool,
}

/// Returns all endpoints except static files and WebSocket. Opens a session for the endpoints that send.
fn endpoints(service: &Service) -> Vec<Endpoint> {
    let row = |path: &'static str, request: Request, status, content_type, cors| Endpoint {
        path,
        request,
        status,
        content_type,
        cors,
    };
    let session = service.open(Transport::XhrPolling).path;
    let new = |transport: Transport| transport.receive(&format!("/echo/000/{}", session_name()));
    vec![
        row("info", Request::get("/echo/info"), 200, "application/json; charset=UTF-8", true),
        row("xhr", new(Transport::XhrPolling), 200, SCRIPT, true),
        row("xhr_streaming", new(Transport::XhrStreaming), 200, SCRIPT, true),
        row("xhr_send", Transport::XhrPolling.send(&session, "[]"), 204, TEXT, true),
        row("eventsource", new(Transport::EventSource), 200, "text/event-stream", true),
        row("htmlfile", new(Transport::HtmlFile), 200, "text/html; charset=UTF-8", false),
        row("jsonp", new(Transport::JsonpPolling), 200, SCRIPT, false),
        row("jsonp_send", Transport::JsonpPolling.send(&session, "[]"), 200, TEXT, false),
        // Errors have CORS headers, too, so that pages can read them.
        row("xhr_send that fails", Transport::XhrPolling.send(&session, "x"), 500, TEXT, true),
        row(
            "xhr_send to an unknown session",
            Transport::XhrPolling.send("/echo/000/none", "[]"),
            404,
            TEXT,
            true,
        ),
        row("jsonp_send that fails", Transport::JsonpPolling.send(&session, ""), 500, TEXT, false),
        row("htmlfile without a callback", Request::get("/echo/000/none/htmlfile"), 500, TEXT, false),
        row("jsonp without a callback", Request::get("/echo/000/none/jsonp"), 500, TEXT, false),
    ]
}

/// Sends the request of the endpoint with additional headers. Returns the head of the answer.
#[track_caller]
fn response_head(service: &Service, endpoint: &Endpoint, headers: &[(&str, &str)]) -> Response {
    let mut http = Http::connect(service.address);
    http.send_request(&endpoint.request.clone().headers(headers));
    http.head()
}

fn cors(response: &Response) -> [Option<&str>; 3] {
    ["access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers"]
        .map(|name| response.header(name))
}

#[test]
fn every_endpoint_has_its_status_and_content_type_and_is_never_cached() {
    let service = Service::start();
    for endpoint in endpoints(&service) {
        let response = response_head(&service, &endpoint, &[]);
        assert_eq!(response.status, endpoint.status, "{}", endpoint.path);
        assert_eq!(response.header("content-type"), Some(endpoint.content_type), "{}", endpoint.path);
        assert_uncached(&response);
    }
}

#[test]
fn without_an_origin_every_page_may_read_without_credentials() {
    let service = Service::start();
    for endpoint in endpoints(&service).iter().filter(|endpoint| endpoint.cors) {
        let response = response_head(&service, endpoint, &[]);
        assert_eq!(cors(&response), [Some("*"), None, None], "{}", endpoint.path);
        assert_eq!(response.header("vary"), Some("Origin"), "{}", endpoint.path);
    }
}

#[test]
fn an_origin_is_echoed_with_credentials_even_if_it_is_null() {
    let service = Service::start();
    for origin in ["http://localhost", "https://app.example.com:8443", "null"] {
        for endpoint in endpoints(&service).iter().filter(|endpoint| endpoint.cors) {
            let response = response_head(&service, endpoint, &[("Origin", origin)]);
            assert_eq!(cors(&response), [Some(origin), Some("true"), None], "{}", endpoint.path);
            assert_eq!(response.header("vary"), Some("Origin"), "{}", endpoint.path);
        }
    }
}

#[test]
fn requested_headers_are_echoed_verbatim_unless_empty() {
    let service = Service::start();
    for endpoint in endpoints(&service).iter().filter(|endpoint| endpoint.cors) {
        for (requested, allowed) in [("a, B,c-d", Some("a, B,c-d")), ("*", Some("*")), ("", None)] {
            let response =
                response_head(&service, endpoint, &[("Access-Control-Request-Headers", requested)]);
            assert_eq!(cors(&response), [Some("*"), None, allowed], "{}", endpoint.path);
        }
    }
}

#[test]
fn htmlfile_and_jsonp_send_no_cors_headers() {
    let service = Service::start();
    let headers = [("Origin", "http://localhost"), ("Access-Control-Request-Headers", "a")];
    for endpoint in endpoints(&service).iter().filter(|endpoint| !endpoint.cors) {
        let response = response_head(&service, endpoint, &headers);
        assert_eq!(cors(&response), [None, None, None], "{}", endpoint.path);
    }
}

#[test]
fn jsonp_answers_forbid_content_sniffing() {
    let service = Service::start();
    let (_, head) = service.session(Transport::JsonpPolling).another_receiver();
    assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_preflight_is_204_and_valid_for_a_year() {
    let service = Service::start();
    let paths = [
        ("/echo/info", "GET, OPTIONS"),
        ("/echo/000/a/xhr", "OPTIONS, POST"),
        ("/echo/000/a/xhr_streaming", "OPTIONS, POST"),
        ("/echo/000/a/xhr_send", "OPTIONS, POST"),
    ];
    for (path, methods) in paths {
        for (origin, allowed) in [
            (Some("http://localhost"), [Some("http://localhost"), Some("true"), Some("a, b, c")]),
            (Some("null"), [Some("null"), Some("true"), Some("a, b, c")]),
            (None, [Some("*"), None, Some("a, b, c")]),
        ] {
            let mut request = Request::new("OPTIONS", path)
                .header("Access-Control-Request-Headers", "a, b, c")
                .header("Access-Control-Request-Method", "POST");
            if let Some(origin) = origin {
                request = request.header("Origin", origin);
            }
            let response = service.fetch(&request);
            assert_eq!((response.status, response.body.as_str()), (204, ""), "{path}");
            assert_eq!(response.header("content-type"), None, "{path}");
            assert_eq!(response.header("access-control-max-age"), Some("31536000"), "{path}");
            let allow = response.header("access-control-allow-methods").expect("methods");
            let mut allow: Vec<_> = allow.split(", ").collect();
            allow.sort_unstable();
            assert_eq!(allow.join(", "), methods, "{path}");
            assert_eq!(cors(&response), allowed, "{path}");
            assert_eq!(response.header("vary"), Some("Origin"), "{path}");
            assert_cached(&response);
        }
    }
    // The preflight requests have created no session.
    service.until_sessions(0);
}
