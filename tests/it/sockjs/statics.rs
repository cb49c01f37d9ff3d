//! Answers that are the same for every session: greeting, information, and the page for iframes.

use super::Service;
use crate::support::http::{Request, Response};
use serde_json::Value;
use std::time::{Duration, SystemTime};

const BASES: [&str; 4] = ["/echo", "/disabled_websocket_echo", "/cookie_needed_echo", "/close"];
const YEAR: Duration = Duration::from_secs(31_536_000);

const IFRAME: &str = r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="{URL}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#;

/// Asserts that caches keep the answer for a year.
#[track_caller]
pub(super) fn assert_cached(response: &Response) {
    assert_eq!(response.header("cache-control"), Some("public, max-age=31536000"), "{response:?}");
    let expires = response.header("expires").expect("it says when it expires");
    let expires = httpdate::parse_http_date(expires).expect("a date");
    let now = SystemTime::now();
    let slack = Duration::from_secs(60);
    assert!(expires > now + YEAR - slack && expires < now + YEAR + slack, "{response:?}");
    assert_eq!(response.header("last-modified"), None, "{response:?}");
}

/// Asserts that no cache keeps the answer.
#[track_caller]
pub(super) fn assert_uncached(response: &Response) {
    let never = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
    assert_eq!(response.header("cache-control"), Some(never), "{response:?}");
    for name in ["expires", "last-modified", "etag"] {
        assert_eq!(response.header(name), None, "{response:?}");
    }
}

#[test]
fn the_greeting_is_19_bytes_of_text_with_and_without_a_slash() {
    let service = Service::start();
    for base in BASES {
        for path in [base.to_string(), format!("{base}/")] {
            let response = service.fetch(&Request::get(&path));
            assert_eq!((response.status, response.body.as_str()), (200, "Welcome to SockJS!\n"), "{path}");
            assert_eq!(response.header("content-length"), Some("19"), "{path}");
            assert_eq!(response.header("content-type"), Some("text/plain; charset=UTF-8"), "{path}");
            assert_eq!(response.header("set-cookie"), None, "{path}");
        }
    }
}

#[test]
fn the_iframe_page_is_the_same_under_every_name() {
    let service = Service::start();
    let mut tags = Vec::new();
    for name in [
        "/iframe.html",
        "/iframe-a.html",
        "/iframe-.html",
        "/iframe-0.1.2.html",
        "/iframe-0.1.2abc-dirty.2144.html",
        "/iframe_.-.html",
        "/iframe.html?t=qweqweq123",
    ] {
        let response = service.fetch(&Request::get(&format!("/echo{name}")));
        assert_eq!(response.status, 200, "{name}");
        let url = "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js";
        assert_eq!(response.body.trim(), IFRAME.replace("{URL}", url), "{name}");
        assert_eq!(response.header("content-type"), Some("text/html; charset=UTF-8"), "{name}");
        assert_eq!(response.header("set-cookie"), None, "{name}");
        assert_cached(&response);
        tags.push(response.header("etag").expect("a tag").to_string());
    }
    tags.dedup();
    assert_eq!(tags.len(), 1, "the same page must have the same tag");
    assert_eq!(service.fetch(&Request::get("/cookie_needed_echo/iframe.html")).header("set-cookie"), None);
}

#[test]
fn the_iframe_pages_etag_depends_only_on_its_contents() {
    let tag = |service: &Service| {
        let response = service.fetch(&Request::get("/echo/iframe.html"));
        response.header("etag").expect("a tag").to_string()
    };
    let (first, again) = (Service::start(), Service::start());
    let other = Service::with(|options| options.client_url = Some("/own/sockjs.js".to_string()));
    assert_eq!(tag(&first), tag(&again));
    assert_ne!(tag(&first), tag(&other));
}

#[test]
fn the_iframe_page_loads_the_configured_library() {
    let service = Service::with(|options| options.client_url = Some("/js/sockjs.js?a=1&b=\"2\"".to_string()));
    let page = service.fetch(&Request::get("/echo/iframe.html")).body;
    assert_eq!(page.trim(), IFRAME.replace("{URL}", "/js/sockjs.js?a=1&amp;b=&quot;2&quot;"));
}

#[test]
fn a_known_iframe_page_is_304_without_body_and_content_type() {
    let service = Service::start();
    let page = service.fetch(&Request::get("/echo/iframe.html"));
    let tag = page.header("etag").expect("a tag");
    let known = [
        tag.to_string(),
        format!("W/{tag}"),
        "*".to_string(),
        format!("\"other\", {tag}"),
        format!("\"other\",W/{tag} , \"more\""),
    ];
    for known in known {
        let response = service.fetch(&Request::get("/echo/iframe-1.html").header("If-None-Match", &known));
        assert_eq!((response.status, response.body.as_str()), (304, ""), "{known}");
        assert_eq!(response.header("content-type"), None, "{known}");
        assert_eq!(response.header("etag"), Some(tag), "{known}");
    }
    for unknown in ["\"other\"", tag.trim_matches('"'), "\"\"", ""] {
        let response = service.fetch(&Request::get("/echo/iframe.html").header("If-None-Match", unknown));
        assert_eq!(response.status, 200, "{unknown:?}");
        assert_eq!(response.body, page.body, "{unknown:?}");
    }
}

fn info(response: &Response) -> Value {
    serde_json::from_str(&response.body).expect("JSON")
}

#[test]
fn info_is_a_json_object_that_is_never_cached() {
    let service = Service::start();
    for base in BASES {
        let response = service.fetch(&Request::get(&format!("{base}/info")));
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("application/json; charset=UTF-8"));
        assert_eq!(response.header("set-cookie"), None, "info must not set the cookie");
        assert_uncached(&response);
        let info = info(&response);
        assert_eq!(info["websocket"], base != "/disabled_websocket_echo", "{base}");
        assert_eq!(info["cookie_needed"], base == "/cookie_needed_echo", "{base}");
        assert_eq!(info["origins"], serde_json::json!(["*:*"]), "{base}");
        assert!(info["entropy"].as_u64().is_some_and(|entropy| entropy < 1 << 32), "{info}");
    }
}

#[test]
fn the_entropy_in_info_changes_with_every_call_and_uses_32_bits() {
    let service = Service::start();
    let entropy = || info(&service.fetch(&Request::get("/echo/info")))["entropy"].as_u64().expect("a number");
    let mut values: Vec<u64> = (0..64).map(|_| entropy()).collect();
    // The probability that a bit is the same in 64 random numbers is 1 in 2^63.
    let (ones, zeroes) = values.iter().fold((0, 0), |(ones, zeroes), value| (ones | value, zeroes | !value));
    assert_eq!((ones, zeroes & 0xffff_ffff), (0xffff_ffff, 0xffff_ffff));
    values.sort_unstable();
    values.dedup();
    assert!(values.len() >= 63, "{values:?}");
}
