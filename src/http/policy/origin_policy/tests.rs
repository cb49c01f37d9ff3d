//! Tests of the origin policy.

use super::*;
use crate::http::policy::origin_error::CAUSE_BYTES_MAX;
use proptest::prelude::*;

const ALL_REQUESTS: [RequestKind; 3] = [RequestKind::WebSocket, RequestKind::Request, RequestKind::Iframe];

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    headers
}

fn origins(list: &str) -> Origins {
    Origins::parse(list).expect(list)
}

/// Returns whether requests with this `Origin` and this `Host` are accepted. Asserts that the result is the same for
/// all kinds of requests.
fn allows(list: &str, origin: &str, host: &str) -> bool {
    let headers = headers(&[("host", host), ("origin", origin)]);
    let results = ALL_REQUESTS.map(|kind| origins(list).check(&headers, kind).is_ok());
    assert!(results.iter().all(|result| *result == results[0]), "{origin} {host}: {results:?}");
    results[0]
}

#[test]
fn same_origin_means_same_host_and_port_with_any_scheme() {
    for (origin, host, allowed) in [
        ("https://chat.example.com", "chat.example.com", true),
        ("http://chat.example.com", "chat.example.com", true),
        ("https://chat.example.com", "chat.example.com:443", true),
        ("https://chat.example.com:443", "chat.example.com", true),
        ("http://chat.example.com:80", "chat.example.com", true),
        ("https://chat.example.com:8443", "chat.example.com:8443", true),
        ("http://chat.example.com:8443", "chat.example.com:8443", true),
        ("HTTPS://Chat.Example.COM", "chat.example.com", true),
        ("https://chat.example.com", "CHAT.EXAMPLE.COM.", true),
        ("https://chat.example.com.", "chat.example.com", true),
        ("https://chat.example.com:", "chat.example.com:", true),
        ("http://[2001:db8::1]:8080", "[2001:DB8:0::1]:8080", true),
        ("http://192.0.2.1:8080", "192.0.2.1:8080", true),
        ("http://192.0.2.1:8080", "[::ffff:192.0.2.1]:8080", true),
        ("https://xn--mnchen-3ya.example", "XN--mnchen-3ya.example", true),
        ("https://chat.example.com", "chat.example.com:80", false),
        ("https://chat.example.com", "chat.example.com:8080", false),
        ("http://chat.example.com", "chat.example.com:443", false),
        ("https://chat.example.com:8443", "chat.example.com", false),
        ("https://evil.example", "chat.example.com", false),
        ("https://example.com", "chat.example.com", false),
        ("https://chat.example.com", "example.com", false),
        ("https://chat.example.com.evil.example", "chat.example.com", false),
        ("https://chat.example.com", "", false),
        ("https://chat.example.com", "chat.example.com:65536", false),
        ("https://chat.example.com", "chat.example.com, evil.example", false),
        ("https://chat.example.com", "user@chat.example.com", false),
        // An app is not a web page, so its origin must be listed even if the host is the same.
        ("app://chat.example.com", "chat.example.com", false),
        // Clients other than browsers send the scheme of the WebSocket URL, and may add a slash.
        ("ws://chat.example.com", "chat.example.com", true),
        ("wss://chat.example.com", "chat.example.com:443", true),
        ("WSS://chat.example.com:8443", "chat.example.com:8443", true),
        ("ws://chat.example.com:8080/", "chat.example.com:8080", true),
        ("ws://chat.example.com:8080/ws?a=b", "chat.example.com:8080", true),
        ("ws://evil.example/chat.example.com:8080", "chat.example.com:8080", false),
        ("https://chat.example.com/", "chat.example.com", true),
        ("ws://chat.example.com", "chat.example.com:443", false),
        ("wss://chat.example.com", "chat.example.com:80", false),
        ("ws://chat.example.com:8080", "chat.example.com:8081", false),
        ("ws://evil.example", "chat.example.com", false),
        ("wsx://chat.example.com", "chat.example.com", false),
    ] {
        assert_eq!(allows("", origin, host), allowed, "{origin} {host}");
    }
}

#[test]
fn sec_websocket_origin_is_used_if_origin_is_missing() {
    for (lines, allowed) in [
        (&[("sec-websocket-origin", "https://evil.example"), ("host", "a.example")][..], false),
        (&[("sec-websocket-origin", "https://a.example"), ("host", "a.example")], true),
        (
            &[
                ("sec-websocket-origin", "https://a.example"),
                ("origin", "https://evil.example"),
                ("host", "a.example"),
            ],
            false,
        ),
    ] {
        let result = Origins::default().check(&headers(lines), RequestKind::WebSocket);
        assert_eq!(result.is_ok(), allowed, "{lines:?}");
    }
}

#[test]
fn request_with_missing_or_repeated_host_is_not_same_origin() {
    for lines in [
        &[("origin", "https://a.example")][..],
        &[("origin", "https://a.example"), ("host", "a.example"), ("host", "a.example")],
    ] {
        assert!(Origins::default().check(&headers(lines), RequestKind::WebSocket).is_err(), "{lines:?}");
    }
}

#[test]
fn loopback_origins_are_allowed_over_http_and_https() {
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("https://localhost", true),
        ("http://LOCALHOST.:1", true),
        ("http://app.localhost:3000", true),
        ("http://127.0.0.1:5173", true),
        ("http://127.1.2.3", true),
        ("http://[::1]:5173", true),
        ("http://[::ffff:127.0.0.1]", true),
        ("capacitor://localhost", false),
        ("http://localhost.evil.example", false),
        ("http://127.0.0.1.evil.example", false),
        ("http://evil-localhost", false),
        ("http://0.0.0.0:3000", false),
        ("http://10.0.0.1", false),
        ("http://[::]", false),
    ] {
        assert_eq!(allows("", origin, "chat.example.com"), allowed, "{origin}");
    }
}

#[test]
fn allowed_origins_adds_origins_and_patterns() {
    for (list, origin, allowed) in [
        ("https://app.example.com", "https://app.example.com", true),
        ("https://app.example.com", "https://app.example.com:443", true),
        ("https://app.example.com:443", "https://app.example.com", true),
        ("HTTPS://APP.example.com.", "https://app.EXAMPLE.com", true),
        ("https://app.example.com", "http://app.example.com", false),
        ("https://app.example.com", "https://app.example.com:8443", false),
        ("https://app.example.com", "https://sub.app.example.com", false),
        ("https://app.example.com:*", "https://app.example.com:8443", true),
        ("https://app.example.com:*", "https://app.example.com", true),
        ("https://app.example.com:*", "http://app.example.com:8443", false),
        ("https://*.example.com", "https://app.example.com", true),
        ("https://*.example.com", "https://a.b.example.com", true),
        ("https://*.example.com", "https://example.com", false),
        ("https://*.example.com", "https://evilexample.com", false),
        ("https://*.example.com", "https://app.example.com:8443", false),
        ("http://*.example.com:8080", "http://app.example.com:8080", true),
        ("http://*.example.com:*", "http://app.example.com:1", true),
        ("https://a.example, https://b.example", "https://b.example", true),
        ("http://[2001:db8::1]:80", "http://[2001:DB8::1]", true),
        ("https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example", true),
        ("capacitor://localhost", "capacitor://localhost", true),
        ("capacitor://localhost", "ionic://localhost", false),
        ("file://", "file://", true),
        ("file://", "file:///", true),
        ("file:///", "file://", true),
        ("file://", "FILE://", true),
        ("file://", "file://host", false),
        ("", "file://", false),
        ("https://a.example", "file://", false),
        ("app://.", "app://.", true),
        ("app://-", "app://-", true),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop", true),
        ("moz-extension://1b2c-3d4e", "moz-extension://5f6a-7b8c", false),
        ("vscode-webview://a_b~c", "vscode-webview://A_b~c", true),
        ("https://app.example.com/", "https://app.example.com", true),
        ("https://app.example.com", "https://app.example.com/", true),
        ("https://app.example.com", "wss://app.example.com", true),
        ("https://app.example.com", "ws://app.example.com", false),
        ("http://app.example.com:8080", "ws://app.example.com:8080/", true),
        ("capacitor://localhost:*", "capacitor://localhost:1", true),
        ("null", "null", true),
        ("", "null", false),
        ("https://a.example", "null", false),
        ("null", "Null", false),
        ("null", "https://a.example", false),
        ("*", "https://evil.example:1", true),
        ("*", "null", true),
        ("https://a.example, *", "https://evil.example", true),
    ] {
        assert_eq!(allows(list, origin, "chat.example.net"), allowed, "{list:?} {origin}");
    }
}

#[test]
fn malformed_origin_is_rejected() {
    let long = format!("https://{}.example", "a".repeat(10_000));
    for origin in [
        "",
        " ",
        "app.example.com",
        "//app.example.com",
        "https:app.example.com",
        "https://",
        "https://app.example.com//",
        "https://app.example.com/path",
        "https://app.example.com/path/",
        "https://app.example.com?query",
        "https://app.example.com#fragment",
        "https://user@app.example.com",
        "https://app.example.com:443 https://evil.example",
        "https://app.example.com, https://evil.example",
        "https://app.example.com:65979",
        "https://app.example.com:0x1bb",
        "https://[::1",
        "https://::1",
        "https://*.example.com",
        "https://*",
        "*",
        "https://münchen.example",
        "://app.example.com",
        "1https://app.example.com",
        &long,
    ] {
        assert!(
            !allows("https://*.example.com:*, https://app.example.com", origin, "app.example.com"),
            "{origin}"
        );
    }
}

#[test]
fn repeated_origin_header_is_rejected_even_if_the_values_are_allowed() {
    for (first, second) in [
        ("https://a.example", "https://a.example"),
        ("https://a.example", "https://evil.example"),
        ("null", "https://a.example"),
    ] {
        let headers = headers(&[("host", "a.example"), ("origin", first), ("origin", second)]);
        for kind in ALL_REQUESTS {
            let error =
                origins("https://a.example, null").check(&headers, kind).expect_err("two Origin headers");
            assert_eq!(error.cause, "more than one header Origin");
        }
        assert_eq!(Origins::any().check(&headers, RequestKind::WebSocket), Ok(()));
    }
}

/// Each row contains `Sec-Fetch-Site`, `Referer`, and whether a handshake, a request and the iframe page are accepted.
#[test]
fn without_origin_sec_fetch_site_and_referer_decide() {
    const HERE: &str = "https://chat.example.com/page";
    const LISTED: &str = "https://app.example.com/a?b#c";
    const EVIL: &str = "https://evil.example/https://chat.example.com/";
    for (site, referer, [websocket, request, iframe]) in [
        // A client that is not a browser, or an old browser that does not send `Sec-Fetch-Site`.
        ("", "", [true, true, true]),
        ("", HERE, [true, true, true]),
        ("", LISTED, [true, true, true]),
        ("", "http://localhost:3000/", [true, true, true]),
        ("", "https://app.example.com", [true, true, true]),
        ("", "https://app.example.com?x", [true, true, true]),
        ("", EVIL, [true, false, false]),
        ("", "http://app.example.com/", [true, false, false]),
        ("", "about:blank", [true, false, false]),
        ("", "/page", [true, false, false]),
        ("", "https://chat.example.com@evil.example/", [true, false, false]),
        ("", "https://evil.example\\chat.example.com/", [true, false, false]),
        ("same-origin", "", [true, true, true]),
        ("same-origin", EVIL, [true, true, true]),
        ("none", "", [true, true, true]),
        ("same-site", "", [true, false, true]),
        ("same-site", LISTED, [true, true, true]),
        ("same-site", EVIL, [true, false, false]),
        ("cross-site", "", [true, false, true]),
        ("cross-site", HERE, [true, true, true]),
        ("cross-site", LISTED, [true, true, true]),
        ("cross-site", EVIL, [true, false, false]),
        ("Same-Origin", "", [true, false, true]),
        ("unheard-of", "", [true, false, true]),
        ("none, same-origin", EVIL, [true, false, false]),
    ] {
        let mut lines = vec![("host", "chat.example.com")];
        lines.extend(
            [("sec-fetch-site", site), ("referer", referer)].iter().filter(|line| !line.1.is_empty()),
        );
        let headers = headers(&lines);
        let results =
            ALL_REQUESTS.map(|kind| origins("https://app.example.com").check(&headers, kind).is_ok());
        assert_eq!(results, [websocket, request, iframe], "{site:?} {referer:?}");
        assert_eq!(ALL_REQUESTS.map(|kind| Origins::any().check(&headers, kind)), [Ok(()), Ok(()), Ok(())]);
    }
}

#[test]
fn origin_takes_precedence_over_sec_fetch_site_and_referer() {
    for (origin, allowed) in [("https://chat.example.com", true), ("https://evil.example", false)] {
        for (site, referer) in
            [("same-origin", "https://chat.example.com/"), ("cross-site", "https://evil.example/")]
        {
            let headers = headers(&[
                ("host", "chat.example.com"),
                ("origin", origin),
                ("sec-fetch-site", site),
                ("referer", referer),
            ]);
            for kind in ALL_REQUESTS {
                assert_eq!(
                    Origins::default().check(&headers, kind).is_ok(),
                    allowed,
                    "{origin} {site} {kind:?}"
                );
            }
        }
    }
}

#[test]
fn repeated_headers_are_rejected_and_an_empty_referer_is_ignored() {
    let here = ("referer", "https://chat.example.com/");
    for (lines, allowed) in [
        (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")][..], false),
        (&[here, here][..], false),
        (&[("referer", "")][..], true),
        (&[("referer", ""), ("sec-fetch-site", "cross-site")][..], false),
    ] {
        let mut headers = headers(lines);
        headers.insert(HOST, HeaderValue::from_static("chat.example.com"));
        assert_eq!(Origins::default().check(&headers, RequestKind::Request).is_ok(), allowed, "{lines:?}");
    }
}

#[test]
fn rejection_shows_the_shortened_value_and_names_the_option() {
    let long = format!("https://{}", "ab".repeat(5_000));
    let cut = format!("origin https://{}...", "ab".repeat(91));
    for (name, value, cause) in [
        ("origin", "https://evil.example", "origin https://evil.example"),
        ("origin", "ws://evil.example", "origin http://evil.example"),
        ("origin", "wss://evil.example:444/ws", "origin https://evil.example:444"),
        ("origin", "null", "origin null"),
        ("origin", "", "origin "),
        ("origin", "<b a=\"'&\\\t\u{e9}>", r"origin \x3cb a=\x22\x27\x26\x5c\x09\xc3\xa9\x3e"),
        ("origin", &long, &cut),
        (
            "referer",
            "https://Evil.example:81/path?token=secret",
            "referer of the origin https://evil.example:81",
        ),
        ("referer", "secret", "a Referer that is not the URL of a page"),
        ("sec-fetch-site", "cross-site", "a request from another site without Origin and Referer"),
    ] {
        let error =
            Origins::default().check(&headers(&[(name, value)]), RequestKind::Request).expect_err(value);
        assert_eq!(error, OriginError { cause: cause.to_owned(), option: "allowed-origins" });
        assert_eq!(
            error.to_string(),
            format!(
                "The broker rejected the request ({cause}), because its option allowed-origins does not allow it."
            )
        );
    }
}

#[test]
fn frame_ancestors_lists_the_allowed_origins() {
    let policy = |list: &str| {
        let value = origins(list).frame_ancestors()?;
        Some(value.to_str().expect("ASCII").strip_prefix(ANCESTORS).expect("the constant part").to_owned())
    };
    for (list, added) in [
        ("", Some("")),
        ("https://App.example.com:443", Some(" https://app.example.com")),
        (
            "https://*.example.com, http://a.example:8080,https://b.example:*",
            Some(" https://*.example.com http://a.example:8080 https://b.example:*"),
        ),
        ("null, http://[2001:db8::1], http://192.0.2.1", Some(" http://192.0.2.1")),
        ("file://, app://a~b, capacitor://localhost", Some(" file: capacitor://localhost")),
        ("https://a.example, *", None),
    ] {
        assert_eq!(policy(list).as_deref(), added, "{list}");
    }
    assert!(ANCESTORS.starts_with("frame-ancestors 'self' http://localhost:* https://localhost:* "));
    assert!(!ANCESTORS.contains("  "));
}

#[test]
fn hosts_lists_only_origins_without_wildcards() {
    let origins = origins(
        "https://A.example:8443, http://*.b.example, null, http://[::2], https://c.example:*, file://",
    );
    assert_eq!(origins.hosts().collect::<Vec<_>>(), ["a.example", "[::2]", "c.example"]);
}

#[test]
fn malformed_allowed_origins_is_rejected_with_the_expected_form() {
    for (list, item) in [
        ("app.example.com", "app.example.com"),
        ("https://a.example,", ""),
        ("https://a.example,,https://b.example", ""),
        (",", ""),
        ("https://a.example https://b.example", "https://a.example https://b.example"),
        ("https://a.example//", "https://a.example//"),
        ("file://a b", "file://a b"),
        ("file:", "file:"),
        ("app://a;script-src", "app://a;script-src"),
        ("*, https://a.example/x", "https://a.example/x"),
        ("https://", "https://"),
        ("https://*", "https://*"),
        ("https://*.", "https://*."),
        ("https://a.*.example", "https://a.*.example"),
        ("https://*.127.0.0.1", "https://*.127.0.0.1"),
        ("https://a.example:", "https://a.example:"),
        ("https://a.example:65536", "https://a.example:65536"),
        ("https://a.example:*:1", "https://a.example:*:1"),
        ("https://u@a.example", "https://u@a.example"),
        ("*://a.example", "*://a.example"),
        ("ws://a.example", "ws://a.example"),
        ("WSS://a.example", "WSS://a.example"),
        ("https://münchen.example", "https://münchen.example"),
        ("Null", "Null"),
        ("http://a.example; script-src *", "http://a.example; script-src *"),
    ] {
        let error = Origins::parse(list).expect_err(list);
        assert!(
            error.starts_with(&format!("invalid origin {item:?}: expected a scheme and a host")),
            "{error}"
        );
    }
    for list in ["", " ", "*", " null , https://a.example "] {
        assert!(Origins::parse(list).is_ok(), "{list:?}");
    }
    assert_eq!(Origins::parse(""), Ok(Origins::same_origin_and_loopback()));
    assert_eq!(Origins::parse("*"), Ok(Origins::any()));
}

proptest! {
    #[test]
    fn arbitrary_headers_never_panic(
        lines in prop::collection::vec(
            (
                prop::sample::select(vec!["host", "origin", "referer", "sec-fetch-site"]),
                prop_oneof![
                    prop::collection::vec(prop_oneof![Just(9u8), 32..127u8, 128..=255u8], 0..300),
                    "(https?|a)://[a-c.:/?#@\\[\\]0-9*-]{0,12}".prop_map(String::into_bytes),
                ],
            ),
            0..6,
        ),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in &lines {
            headers.append(*name, HeaderValue::from_bytes(value).expect("a value"));
        }
        for kind in ALL_REQUESTS {
            prop_assert_eq!(Origins::any().check(&headers, kind), Ok(()));
            if let Err(error) = origins("https://*.a:*, null").check(&headers, kind) {
                prop_assert!(error.cause.len() <= CAUSE_BYTES_MAX);
                prop_assert!(error.cause.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }
    }

    #[test]
    fn any_list_makes_a_policy_without_a_panic(list in "\\PC*|((https?|a)://[a-c.:*\\[\\]0-9-]{0,9},?){0,3}") {
        if let Ok(origins) = Origins::parse(&list) {
            prop_assert_eq!(origins.frame_ancestors().is_none(), origins.any);
            let _ = origins.hosts().count();
        }
    }
}
