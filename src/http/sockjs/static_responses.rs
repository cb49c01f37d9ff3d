//! The responses that need no session: the greeting, `/info`, and the iframe page.

use super::options::{Options, SockJsTransport};
use super::response_builder::ResponseBuilder;
use crate::http::body::Body;
use bytes::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::{HeaderMap, Response, StatusCode};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

const HTML: &str = "text/html; charset=UTF-8";
const JSON: &str = "application/json; charset=UTF-8";

/// Returns the greeting, `Welcome to SockJS!`.
pub(super) fn greeting(request_headers: &HeaderMap) -> Response<Body> {
    ResponseBuilder::new(request_headers).text(StatusCode::OK, "Welcome to SockJS!\n")
}

/// Returns the response to `/info`, which clients request before they choose a transport.
pub(super) fn info(request_headers: &HeaderMap, options: &Options) -> Response<Body> {
    let mut entropy = [0; 4];
    getrandom::fill(&mut entropy).expect("the system has a source of randomness");
    let info = format!(
        r#"{{"websocket":{},"origins":["*:*"],"cookie_needed":{},"entropy":{}}}"#,
        options.transports.has(SockJsTransport::WebSocket),
        options.cookie,
        u32::from_ne_bytes(entropy)
    );
    ResponseBuilder::new(request_headers).uncached().cors().body(StatusCode::OK, JSON, info)
}

/// A page of the broker's origin. Pages of other origins load it in a hidden iframe to communicate with the broker.
#[derive(Clone, Debug)]
pub(super) struct IframePage {
    html: Bytes,
}

impl IframePage {
    /// Creates the page. It loads the client library from `url`.
    pub(super) fn new(url: &str) -> IframePage {
        let html = PAGE.replace("{URL}", &escaped(url));
        IframePage { html: html.into() }
    }

    /// Returns the response with the page. `ancestors` is the Content Security Policy that says which pages may embed
    /// it.
    pub(super) fn response(
        &self,
        request_headers: &HeaderMap,
        ancestors: Option<HeaderValue>,
    ) -> Response<Body> {
        let tag = self.tag(ancestors.as_ref());
        let mut builder =
            ResponseBuilder::new(request_headers).cached(SystemTime::now()).header(ETAG, tag.clone());
        if let Some(ancestors) = ancestors {
            builder = builder.header(CONTENT_SECURITY_POLICY, ancestors);
        }
        if has_current_page(request_headers, &tag) {
            return builder.empty(StatusCode::NOT_MODIFIED);
        }
        builder.body(StatusCode::OK, HTML, self.html.clone())
    }

    /// Returns the entity tag of the page. The tag depends on the policy. A browser therefore reloads a page that it
    /// has cached with an older policy.
    fn tag(&self, ancestors: Option<&HeaderValue>) -> HeaderValue {
        // The hasher has no random seed, so the tags stay the same when the broker restarts.
        let mut hasher = DefaultHasher::new();
        self.html.hash(&mut hasher);
        ancestors.map(HeaderValue::as_bytes).hash(&mut hasher);
        HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish())).expect("a hexadecimal tag is ASCII")
    }
}

/// Returns whether the client has cached the page with this tag (RFC 9110 §13.1.2).
fn has_current_page(request_headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let lists = request_headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|cached| {
        cached == "*" || cached.strip_prefix("W/").unwrap_or(cached).as_bytes() == tag.as_bytes()
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

const PAGE: &str = r#"<!DOCTYPE html>
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
</html>
"#;
