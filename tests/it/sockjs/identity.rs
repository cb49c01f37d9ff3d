//! Identity of a session: later requests must carry the same credentials as the request that opened the session.

use super::Service;
use crate::support::http::{Request, Response};
use crate::support::sockjs::{Frame, Transport};

/// Title, headers and query by which a client identifies itself.
type Identity = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const IDENTITIES: [Identity; 12] = [
    ("anonymous", &[], ""),
    ("a cookie", &[("Cookie", "JSESSIONID=alice")], ""),
    ("another value", &[("Cookie", "JSESSIONID=mallory")], ""),
    ("another cookie", &[("Cookie", "SESSION=alice")], ""),
    ("Django's", &[("Cookie", "sessionid=alice")], ""),
    ("Express's", &[("Cookie", "connect.sid=s%3Aalice")], ""),
    ("PHP's", &[("Cookie", "PHPSESSID=alice")], ""),
    ("a header", &[("Authorization", "Bearer alice")], ""),
    ("another header", &[("Authorization", "Bearer mallory")], ""),
    ("a query", &[], "access_token=alice"),
    ("another query", &[], "access_token=mallory"),
    ("the other name of it", &[], "accessToken=alice"),
];

/// Sends a request of this session with an identity.
#[track_caller]
fn request_as(service: &Service, path: &str, segment: &str, body: &str, identity: &Identity) -> Response {
    let query = format!("?c=x&{}", identity.2);
    let path = format!("{path}/{segment}{query}");
    let request = match segment {
        "jsonp" => Request::get(&path),
        _ => Request::post(&path, body),
    };
    service.fetch(&request.headers(identity.1))
}

#[test]
fn only_the_client_that_opened_a_session_receives_and_sends_on_it() {
    let service = Service::start();
    for owner in &IDENTITIES {
        let path = format!("/echo/000/{}", crate::support::sockjs::session_name());
        request_as(&service, &path, "xhr", "", owner).assert(200, "o");
        for other in IDENTITIES.iter().filter(|other| other.0 != owner.0) {
            for (segment, body) in
                [("xhr", ""), ("jsonp", ""), ("xhr_send", "[\"x\"]"), ("jsonp_send", "[\"x\"]")]
            {
                let response = request_as(&service, &path, segment, body, other);
                assert_eq!(response.status, 404, "{} as {}: {segment}", other.0, owner.0);
            }
        }
        assert_eq!(request_as(&service, &path, "xhr_send", "[\"own\"]", owner).status, 204, "{}", owner.0);
        request_as(&service, &path, "xhr", "", owner).assert(200, "a[\"own\"]");
    }
}

#[test]
fn requests_of_other_clients_do_not_disturb_the_receiver() {
    let service = Service::start();
    for transport in Transport::HTTP {
        let mut session = service.session(transport).with_header("Cookie", "JSESSIONID=alice").opened();
        session.attach();
        for cookie in [None, Some("JSESSIONID=mallory")] {
            let mut request = transport.receive(&session.path);
            if let Some(cookie) = cookie {
                request = request.header("Cookie", cookie);
            }
            assert_eq!(service.fetch(&request).status, 404, "{transport:?}: neither 2010 nor a message");
        }
        session.send(&["own"]);
        assert_eq!(session.frame(), Frame::Messages(vec!["own".to_string()]), "{transport:?}");
    }
}

#[test]
fn requests_of_other_clients_do_not_keep_a_session_alive() {
    let service = Service::with(|options| options.disconnect_delay = std::time::Duration::from_millis(200));
    let session = service.session(Transport::XhrPolling).with_header("Cookie", "JSESSIONID=alice").opened();
    let started = std::time::Instant::now();
    let poll = Transport::XhrPolling.receive(&session.path);
    // When the session has been removed, the poll opens a new session with the same id.
    while service.fetch(&poll).status == 404 {
        assert!(
            started.elapsed() < crate::support::HANG_TIMEOUT,
            "requests of other clients extend the session"
        );
    }
}

#[test]
fn cookies_and_headers_that_do_not_identify_may_change() {
    let service = Service::start();
    let path = format!("/echo/000/{}", crate::support::sockjs::session_name());
    let poll = |cookie: &str| Request::post(&format!("{path}/xhr"), "").header("Cookie", cookie);
    service.fetch(&poll("theme=dark; JSESSIONID=alice")).assert(200, "o");
    let send = Request::post(&format!("{path}/xhr_send?t=2"), "[\"x\"]").header("Cookie", "JSESSIONID=alice");
    assert_eq!(service.fetch(&send.header("Origin", "http://localhost")).status, 204);
    service.fetch(&poll("a=b; JSESSIONID=alice; theme=light")).assert(200, "a[\"x\"]");
}

#[test]
fn the_cookies_that_identify_are_configurable() {
    let service = Service::with(|options| options.identity_cookies = vec!["sid".to_string()]);
    let path = format!("/echo/000/{}", crate::support::sockjs::session_name());
    let poll =
        |cookie: &str| service.fetch(&Request::post(&format!("{path}/xhr"), "").header("Cookie", cookie));
    poll("sid=alice; JSESSIONID=1").assert(200, "o");
    assert_eq!(poll("sid=mallory; JSESSIONID=1").status, 404);
    let send =
        Request::post(&format!("{path}/xhr_send"), "[\"x\"]").header("Cookie", "sid=alice; JSESSIONID=2");
    assert_eq!(service.fetch(&send).status, 204);
    poll("JSESSIONID=3; sid=alice").assert(200, "a[\"x\"]");
}
