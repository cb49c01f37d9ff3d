//! The opening handshake (RFC 6455 §4.2) and the choice of the STOMP subprotocol.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The STOMP subprotocols, the most preferred first.
const SUBPROTOCOLS: [&str; 3] = ["v12.stomp", "v11.stomp", "v10.stomp"];

/// Advice for operators of a proxy that removes parts of handshakes.
pub const PROXY_REMEDY: &str = "Configure the proxy to forward Upgrade and Connection over HTTP/1.1. In nginx, \
    set: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";";

/// The accepted values of `Sec-WebSocket-Version`. They are 13 (RFC 6455), and the versions of the drafts with the same
/// handshake and frames.
const VERSIONS: [&[u8]; 3] = [b"13", b"8", b"7"];

/// The outcome of an opening handshake.
#[derive(Debug)]
pub struct HandshakeOutcome {
    /// The response to the request: status 101, or the reason for the rejection.
    pub response: Response<String>,
    /// Whether the handshake is accepted (status 101). The connection then becomes a WebSocket.
    pub accepted: bool,
    /// The part of the handshake that a proxy has removed, if the handshake is rejected for this reason.
    pub removed: Option<&'static str>,
}

/// Returns whether the request asks for a WebSocket. An incomplete handshake counts as well, because a proxy may have
/// removed a part of it.
pub fn offers_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, UPGRADE, "websocket")
        || [SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION].iter().any(|name| headers.contains_key(name))
}

/// Checks an opening handshake and returns the response to it.
pub fn accept<B>(request: &Request<B>) -> HandshakeOutcome {
    let headers = request.headers();
    if request.method() != Method::GET {
        let mut response = rejection(StatusCode::METHOD_NOT_ALLOWED, "");
        response.headers_mut().insert(hyper::header::ALLOW, HeaderValue::from_static("GET"));
        return HandshakeOutcome { response, accepted: false, removed: None };
    }
    if let Some(removed) = removed_by_proxy(request) {
        let text = format!(
            "The WebSocket handshake arrived {removed}. A proxy between client and broker has changed it. \
             {PROXY_REMEDY}\n"
        );
        return HandshakeOutcome { removed: Some(removed), ..rejected(StatusCode::BAD_REQUEST, &text) };
    }
    if !has_token(headers, UPGRADE, "websocket") || request.version() < Version::HTTP_11 {
        return rejected(StatusCode::BAD_REQUEST, "Can \"Upgrade\" only to \"WebSocket\".\n");
    }
    if !has_token(headers, CONNECTION, "upgrade") {
        return rejected(StatusCode::BAD_REQUEST, "\"Connection\" must be \"Upgrade\".\n");
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| !VERSIONS.contains(&version.as_bytes())) {
        let mut handshake = rejected(
            StatusCode::UPGRADE_REQUIRED,
            "Unsupported \"Sec-WebSocket-Version\": expected 13 (RFC 6455).\n",
        );
        handshake.response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return handshake;
    }
    if headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
    {
        return rejected(StatusCode::BAD_REQUEST, "A WebSocket handshake must not have a body.\n");
    }
    let key = match headers.get(SEC_WEBSOCKET_KEY) {
        Some(key) if is_key(key.as_bytes()) => key,
        _ => {
            return rejected(StatusCode::BAD_REQUEST, "\"Sec-WebSocket-Key\" must be 16 bytes in base64.\n");
        }
    };
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept_key =
        HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is a header value");
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept_key);
    if let Some(protocol) = subprotocol(headers) {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    HandshakeOutcome { response, accepted: true, removed: None }
}

/// Returns the part of the handshake that a proxy without WebSocket support has removed. Every client sends this part.
fn removed_by_proxy<B>(request: &Request<B>) -> Option<&'static str> {
    let headers = request.headers();
    if !headers.contains_key(SEC_WEBSOCKET_KEY) {
        return None;
    }
    if !headers.contains_key(UPGRADE) {
        Some("without the header Upgrade")
    } else if !has_token(headers, UPGRADE, "websocket") {
        None
    } else if request.version() < Version::HTTP_11 {
        Some("in HTTP/1.0")
    } else if !has_token(headers, CONNECTION, "upgrade") {
        Some("without Upgrade in the header Connection")
    } else {
        None
    }
}

/// Returns the subprotocol with the highest STOMP version that the client offers. Returns `None` if the client offers
/// no STOMP subprotocol.
fn subprotocol(headers: &HeaderMap) -> Option<&'static str> {
    // Names of subprotocols are case-sensitive. Other tokens are not.
    SUBPROTOCOLS
        .into_iter()
        .find(|protocol| tokens(headers, SEC_WEBSOCKET_PROTOCOL).any(|token| token == *protocol))
}

/// Returns whether a comma-separated header contains `token`, ignoring case.
fn has_token(headers: &HeaderMap, name: hyper::header::HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|part| part.eq_ignore_ascii_case(token))
}

fn tokens(headers: &HeaderMap, name: hyper::header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Returns whether `key` has the form of 16 bytes in base64: 22 characters and `==`.
fn is_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    matches!(key, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(is_base64))
}

fn rejected(status: StatusCode, reason: &str) -> HandshakeOutcome {
    HandshakeOutcome { response: rejection(status, reason), accepted: false, removed: None }
}

fn rejection(status: StatusCode, reason: &str) -> Response<String> {
    let mut response = Response::new(reason.to_owned());
    *response.status_mut() = status;
    if !reason.is_empty() {
        let content_type = HeaderValue::from_static("text/plain; charset=UTF-8");
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, content_type);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(changes: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri("/ws");
        let valid = [
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        for (name, value) in valid {
            if changes.iter().all(|(changed, _)| *changed != name) {
                request = request.header(name, value);
            }
        }
        for (name, value) in changes.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request")
    }

    #[test]
    fn accept_key_matches_the_example_of_rfc_6455() {
        let handshake = accept(&request(&[]));
        assert!(handshake.accepted);
        assert_eq!(handshake.response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!handshake.response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn draft_versions_with_compatible_frames_are_accepted() {
        for version in ["7", "8", "13"] {
            assert!(accept(&request(&[("sec-websocket-version", version)])).accepted, "{version}");
        }
    }

    #[test]
    fn highest_stomp_subprotocol_is_selected_and_unknown_ones_are_ignored() {
        for (offered, chosen) in [
            ("v10.stomp, v11.stomp, v12.stomp", Some("v12.stomp")),
            ("v10.stomp,v11.stomp", Some("v11.stomp")),
            ("v10.stomp", Some("v10.stomp")),
            ("mqtt, v11.stomp", Some("v11.stomp")),
            ("mqtt", None),
            ("V12.STOMP", None),
        ] {
            let handshake = accept(&request(&[("sec-websocket-protocol", offered)]));
            assert!(handshake.accepted);
            let answer = handshake.response.headers().get(SEC_WEBSOCKET_PROTOCOL);
            assert_eq!(answer.map(|value| value.to_str().expect("ASCII")), chosen, "{offered}");
        }
    }

    #[test]
    fn error_names_the_header_that_a_proxy_removed() {
        let mut old = request(&[]);
        *old.version_mut() = Version::HTTP_10;
        for (request, removed) in [
            (request(&[("upgrade", "")]), Some("without the header Upgrade")),
            (request(&[("upgrade", ""), ("connection", "close")]), Some("without the header Upgrade")),
            (request(&[("connection", "")]), Some("without Upgrade in the header Connection")),
            (request(&[("connection", "close")]), Some("without Upgrade in the header Connection")),
            (old, Some("in HTTP/1.0")),
            (request(&[("upgrade", "h2c")]), None),
            (request(&[("upgrade", ""), ("sec-websocket-key", "")]), None),
        ] {
            let handshake = accept(&request);
            assert_eq!((handshake.removed, handshake.response.status().as_u16()), (removed, 400));
            let has_remedy = handshake.response.body().contains("proxy_set_header Upgrade $http_upgrade");
            assert_eq!(has_remedy, removed.is_some(), "{}", handshake.response.body());
        }
    }

    #[test]
    fn invalid_handshake_is_rejected_with_the_matching_status() {
        for (name, value, status) in [
            ("upgrade", "", 400),
            ("upgrade", "h2c", 400),
            ("connection", "keep-alive", 400),
            ("sec-websocket-version", "6", 426),
            ("sec-websocket-version", "14", 426),
            ("sec-websocket-version", "", 426),
            ("sec-websocket-key", "", 400),
            ("sec-websocket-key", "short==", 400),
        ] {
            let handshake = accept(&request(&[(name, value)]));
            assert_eq!(
                (handshake.accepted, handshake.response.status().as_u16()),
                (false, status),
                "{name}: {value}"
            );
        }
        let mut post = request(&[]);
        *post.method_mut() = Method::POST;
        let handshake = accept(&post);
        assert_eq!(handshake.response.status(), 405);
        assert_eq!(handshake.response.headers()["allow"], "GET");
        assert!(handshake.response.body().is_empty());
    }
}
