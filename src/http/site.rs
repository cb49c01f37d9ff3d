//! The site that the broker serves at `/`: embedded files, with cache headers and security headers.
//!
//! The names of files below `/assets/` contain a hash of the contents. A file with a given name therefore never
//! changes. Browsers must revalidate `index.html` at each use, because it contains the path of this broker's STOMP
//! endpoint. A build without npm, or without the feature `web`, has no embedded site. The page at `/` then says how to
//! include it.

use hyper::body::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{LazyLock, OnceLock};

/// The Content Security Policy of the site. SockJS needs `frame-src` for its iframe transports, and `form-action` for
/// JSONP.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self'; frame-src 'self'; form-action 'self'; \
     base-uri 'none'; object-src 'none'; frame-ancestors 'none'",
);
const IMMUTABLE_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
const INDEX: &str = "index.html";
/// The text that precedes the path of the STOMP endpoint in `index.html`. The path ends at the next `"`.
const ENDPOINT_MARK: &str = "name=\"stompbox-endpoint\" content=\"";

/// The suffixes of file names, each with the content type, and with whether gzip makes such files smaller.
const TYPES: &[(&str, &str, bool)] = &[
    (".html", "text/html; charset=UTF-8", true),
    (".js", "text/javascript; charset=UTF-8", true),
    (".css", "text/css; charset=UTF-8", true),
    (".svg", "image/svg+xml; charset=UTF-8", true),
    (".json", "application/json; charset=UTF-8", true),
    (".txt", "text/plain; charset=UTF-8", true),
    (".png", "image/png", false),
    (".woff2", "font/woff2", false),
];

static EMBEDDED: LazyLock<EmbeddedSite> = LazyLock::new(embedded);

/// Returns the response for `path`, such as `/` or `/assets/NAME`. Returns `None` if there is no such file. `endpoint`
/// is the path of the STOMP endpoint (`ws-path`). Other methods than GET and HEAD get status 405.
pub fn serve(path: &str, endpoint: &str, headers: &HeaderMap, method: &Method) -> Option<Response<Bytes>> {
    EMBEDDED.serve(path, endpoint, headers, method)
}

/// Path of the SockJS client library.
pub const SOCKJS_CLIENT: &str = "/sockjs.min.js";

/// Returns whether the SockJS client library is built in.
pub fn has_sockjs_client() -> bool {
    EMBEDDED.0.contains_key(&SOCKJS_CLIENT[1..])
}

#[cfg(feature = "web")]
fn embedded() -> EmbeddedSite {
    use std::borrow::Cow;

    #[derive(rust_embed::Embed)]
    #[folder = "web/dist/"]
    #[allow_missing = true]
    struct Dist;

    EmbeddedSite::new(Dist::iter().filter_map(|name| {
        let file = Dist::get(&name)?;
        let body = match file.data {
            Cow::Borrowed(data) => Bytes::from_static(data),
            Cow::Owned(data) => Bytes::from(data),
        };
        Some((name.into_owned(), File::new(body, &file.metadata.sha256_hash())))
    }))
}

#[cfg(not(feature = "web"))]
fn embedded() -> EmbeddedSite {
    EmbeddedSite::new([])
}

/// The files of a site. The keys are their names without the leading `/`.
struct EmbeddedSite(HashMap<String, File>);

impl EmbeddedSite {
    fn new(files: impl IntoIterator<Item = (String, File)>) -> EmbeddedSite {
        EmbeddedSite(files.into_iter().collect())
    }

    fn serve(
        &self,
        path: &str,
        endpoint: &str,
        headers: &HeaderMap,
        method: &Method,
    ) -> Option<Response<Bytes>> {
        let name = match path.strip_prefix('/')? {
            "" => INDEX,
            name => name,
        };
        let generated;
        let file = match self.0.get(name) {
            Some(file) if name == INDEX => {
                generated = file.for_endpoint(endpoint);
                &generated
            }
            Some(file) => file,
            None if path == "/" => {
                generated = plain_page(endpoint);
                &generated
            }
            None => return None,
        };
        Some(respond(file, name, headers, method))
    }
}

/// A file and the common part of its entity tags. Each encoding of the file appends its own suffix to the tag.
struct File {
    body: Bytes,
    tag: String,
    /// The compressed body, computed at first use. The inner `None` means that compression does not help.
    gzipped: OnceLock<Option<Bytes>>,
}

impl File {
    #[cfg(any(feature = "web", test))]
    fn new(body: Bytes, hash: &[u8]) -> File {
        let tag = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        File { body, tag, gzipped: OnceLock::new() }
    }

    /// Returns the page with `endpoint` inserted as the path of the STOMP endpoint.
    fn for_endpoint(&self, endpoint: &str) -> File {
        let text = String::from_utf8_lossy(&self.body);
        let Some((before, after)) = text.split_once(ENDPOINT_MARK) else {
            return File { body: self.body.clone(), tag: self.tag.clone(), gzipped: OnceLock::new() };
        };
        let after = after.find('"').map_or("", |end| &after[end..]);
        let body = format!("{before}{ENDPOINT_MARK}{}{after}", escaped(endpoint));
        File {
            body: body.into(),
            tag: format!("{}-{}", self.tag, digest(endpoint)),
            gzipped: OnceLock::new(),
        }
    }

    fn gzipped(&self) -> Option<&Bytes> {
        self.gzipped
            .get_or_init(|| gzip(&self.body).filter(|gzipped| gzipped.len() < self.body.len()))
            .as_ref()
    }
}

/// Returns a digest for an entity tag. The digest may change with the build, because the pages of each build have their
/// own tags.
fn digest(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(feature = "web")]
fn gzip(body: &[u8]) -> Option<Bytes> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(not(feature = "web"))]
fn gzip(_: &[u8]) -> Option<Bytes> {
    None
}

fn plain_page(endpoint: &str) -> File {
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Stompbox</title>\n\
         <p>Stompbox is running. STOMP over WebSocket is at <code>{}</code>. The demo page is not part of this build. \
         To add it, install Node.js 20 or newer with npm. Then run <code>cargo build --release</code> again.\n",
        escaped(endpoint)
    );
    let tag = format!("plain-{}", digest(&body));
    File { body: body.into(), tag, gzipped: OnceLock::new() }
}

/// Escapes text for use in HTML, including quoted attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn respond(file: &File, name: &str, headers: &HeaderMap, method: &Method) -> Response<Bytes> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let (content_type, is_compressible) = content_type_of(name);
    let gzipped = if is_compressible && accepts_gzip(headers) { file.gzipped() } else { None };
    let tag = format!("\"{}{}\"", file.tag, if gzipped.is_some() { "-gz" } else { "" });
    let body = gzipped.unwrap_or(&file.body);

    let mut response = Response::new(Bytes::new());
    let fields = response.headers_mut();
    for (field, value) in [
        (CACHE_CONTROL, if name.starts_with("assets/") { IMMUTABLE_CACHE } else { REVALIDATE }),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits and hyphens in quotes")),
    ] {
        fields.insert(field, value);
    }
    if is_compressible {
        fields.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if matches_if_none_match(headers, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if gzipped.is_some() {
        fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if method == Method::GET {
        *response.body_mut() = body.clone();
    }
    response
}

fn content_type_of(name: &str) -> (&'static str, bool) {
    let row = TYPES.iter().find(|(end, ..)| name.ends_with(end));
    row.map_or(("application/octet-stream", false), |&(_, content_type, is_compressible)| {
        (content_type, is_compressible)
    })
}

/// Returns the elements of a header that contains a list. The header may be sent in several lines.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

/// Returns whether `If-None-Match` contains this tag, by weak comparison (RFC 9110 §13.1.2).
fn matches_if_none_match(headers: &HeaderMap, tag: &str) -> bool {
    // The broker's own tags contain no commas, so splitting at commas can break only other tags.
    elements(headers, IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// Returns whether `Accept-Encoding` allows gzip (RFC 9110 §12.5.3). The entry for gzip decides. If there is none, the
/// entry `*` decides. A weight of 0 forbids the encoding.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight = |coding: &str| {
        elements(headers, ACCEPT_ENCODING).find_map(|element| {
            let mut parts = element.split(';').map(str::trim);
            let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
            is_named.then(|| parts.find_map(weight_of).unwrap_or(1.0))
        })
    };
    ["gzip", "x-gzip", "*"].into_iter().find_map(weight).is_some_and(|weight: f32| weight > 0.0)
}

/// Parses a weight such as `q=0.5`. An invalid weight counts as 0.
fn weight_of(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str =
        "<!doctype html><meta name=\"stompbox-endpoint\" content=\"/ws\" /><p>chat chat chat chat</p>";

    fn site() -> EmbeddedSite {
        let script = "chat(); ".repeat(500);
        let file = |body: &str, byte: u8| File::new(Bytes::copy_from_slice(body.as_bytes()), &[byte; 32]);
        EmbeddedSite::new([
            ("index.html".to_owned(), file(HTML, 1)),
            ("assets/a-1.js".to_owned(), file(&script, 2)),
            ("assets/b-2.css".to_owned(), file("p{}", 3)),
            ("assets/c-3.png".to_owned(), file(&script, 4)),
            ("sockjs.min.js".to_owned(), file(&script, 5)),
            ("odd".to_owned(), file("odd", 6)),
        ])
    }

    fn header_map(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn get(path: &str, pairs: &[(HeaderName, &'static str)]) -> Response<Bytes> {
        site().serve(path, "/ws", &header_map(pairs), &Method::GET).expect("an embedded file")
    }

    fn header(response: &Response<Bytes>, name: HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    #[test]
    fn every_file_has_its_content_type_and_cache_control() {
        const IMMUTABLE: &str = "public, max-age=31536000, immutable";
        for (path, content_type, cache_control) in [
            ("/", "text/html; charset=UTF-8", "no-cache"),
            ("/index.html", "text/html; charset=UTF-8", "no-cache"),
            ("/assets/a-1.js", "text/javascript; charset=UTF-8", IMMUTABLE),
            ("/assets/b-2.css", "text/css; charset=UTF-8", IMMUTABLE),
            ("/assets/c-3.png", "image/png", IMMUTABLE),
            ("/sockjs.min.js", "text/javascript; charset=UTF-8", "no-cache"),
            ("/odd", "application/octet-stream", "no-cache"),
        ] {
            let response = get(path, &[]);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header(&response, CONTENT_TYPE), content_type, "{path}");
            assert_eq!(header(&response, CACHE_CONTROL), cache_control, "{path}");
            assert_eq!(header(&response, CONTENT_LENGTH), response.body().len().to_string(), "{path}");
            assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
            assert_eq!(header(&response, REFERRER_POLICY), "same-origin", "{path}");
            let policy = header(&response, CONTENT_SECURITY_POLICY);
            assert!(
                policy.starts_with("default-src 'self'; connect-src 'self' ws: wss:; style-src 'self'; ")
            );
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }

    #[test]
    fn unknown_path_is_not_found() {
        for path in
            ["", "*", "assets/a-1.js", "//", "/assets", "/assets/", "/assets/../index.html", "/Index.html"]
        {
            assert!(site().serve(path, "/ws", &HeaderMap::new(), &Method::GET).is_none(), "{path:?}");
        }
    }

    #[test]
    fn page_contains_the_escaped_endpoint() {
        for (endpoint, written) in
            [("/stomp", "/stomp"), ("/a\"><script>&'", "/a&quot;&gt;&lt;script&gt;&amp;&#39;")]
        {
            let response = site().serve("/", endpoint, &HeaderMap::new(), &Method::GET).expect("a page");
            assert_eq!(*response.body(), HTML.replace("/ws", written), "{endpoint}");
        }
    }

    #[test]
    fn etag_of_the_page_depends_on_the_sent_body() {
        let tag = |endpoint| {
            let response = site().serve("/", endpoint, &HeaderMap::new(), &Method::GET).expect("a page");
            header(&response, ETAG).to_owned()
        };
        assert_eq!(tag("/ws"), tag("/ws"));
        assert_ne!(tag("/ws"), tag("/stomp"));
        let empty = EmbeddedSite::new([]);
        let plain = |endpoint| {
            let response = empty.serve("/", endpoint, &HeaderMap::new(), &Method::GET).expect("a page");
            header(&response, ETAG).to_owned()
        };
        assert_ne!(plain("/ws"), plain("/stomp"));
        assert_ne!(plain("/ws"), tag("/ws"));
    }

    #[test]
    fn matching_if_none_match_returns_304_without_a_body() {
        let tag = "\"02020202020202020202020202020202\"";
        assert_eq!(header(&get("/assets/a-1.js", &[]), ETAG), tag);
        for (known, status) in [
            ("\"02020202020202020202020202020202\"", 304),
            ("W/\"02020202020202020202020202020202\"", 304),
            ("\"x,y\", W/\"02020202020202020202020202020202\" ,\"z\"", 304),
            ("*", 304),
            ("\"02020202020202020202020202020202-gz\"", 200),
            ("02020202020202020202020202020202", 200),
            ("", 200),
        ] {
            let response = get("/assets/a-1.js", &[(IF_NONE_MATCH, known)]);
            assert_eq!(response.status(), status, "{known}");
            assert_eq!(response.body().is_empty(), status == 304, "{known}");
            assert_eq!(header(&response, CONTENT_TYPE).is_empty(), status == 304, "{known}");
            assert_eq!(header(&response, ETAG), tag, "{known}");
            assert_eq!(header(&response, VARY), "accept-encoding", "{known}");
            assert!(!header(&response, CACHE_CONTROL).is_empty(), "{known}");
        }
        let lines = [(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"02020202020202020202020202020202\"")];
        assert_eq!(get("/assets/a-1.js", &lines).status(), 304);
    }

    #[cfg(feature = "web")]
    #[test]
    fn gzip_is_sent_if_accept_encoding_allows_it() {
        use std::io::Read;
        for (allowed, gzipped) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("x-gzip", true),
            ("*", true),
            ("*;q=0.1, identity", true),
            ("deflate, gzip ; q=1.000", true),
            ("", false),
            ("br", false),
            ("gzip;q=0", false),
            ("gzip; q=0.000, *", false),
            ("*;q=0", false),
            ("gzip;q=x", false),
            ("gzipped", false),
        ] {
            let response = get("/assets/a-1.js", &[(ACCEPT_ENCODING, allowed)]);
            assert_eq!(header(&response, CONTENT_ENCODING) == "gzip", gzipped, "{allowed}");
            assert_eq!(header(&response, ETAG).ends_with("-gz\""), gzipped, "{allowed}");
            assert_eq!(header(&response, VARY), "accept-encoding", "{allowed}");
            assert_eq!(header(&response, CONTENT_LENGTH), response.body().len().to_string(), "{allowed}");
            let mut text = String::new();
            if gzipped {
                flate2::read::GzDecoder::new(&response.body()[..]).read_to_string(&mut text).expect("gzip");
            } else {
                text.push_str(std::str::from_utf8(response.body()).expect("valid UTF-8"));
            }
            assert_eq!(text, "chat(); ".repeat(500), "{allowed}");
        }
    }

    #[test]
    fn file_that_gzip_does_not_shrink_is_sent_uncompressed() {
        for (path, vary) in [("/assets/b-2.css", "accept-encoding"), ("/assets/c-3.png", ""), ("/odd", "")] {
            let response = get(path, &[(ACCEPT_ENCODING, "gzip")]);
            assert_eq!(header(&response, CONTENT_ENCODING), "", "{path}");
            assert_eq!(header(&response, VARY), vary, "{path}");
        }
    }

    #[test]
    fn head_returns_the_headers_of_get_without_the_body() {
        for path in ["/", "/assets/a-1.js"] {
            let headers = header_map(&[(ACCEPT_ENCODING, "gzip")]);
            let head = site().serve(path, "/ws", &headers, &Method::HEAD).expect("an embedded file");
            let get = site().serve(path, "/ws", &headers, &Method::GET).expect("an embedded file");
            assert_eq!(head.headers(), get.headers(), "{path}");
            assert!(head.body().is_empty() && !get.body().is_empty(), "{path}");
        }
    }

    #[test]
    fn methods_other_than_get_and_head_are_rejected() {
        let response = site().serve("/", "/ws", &HeaderMap::new(), &Method::POST).expect("an answer");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&response, ALLOW), "GET, HEAD");
        assert!(site().serve("/none", "/ws", &HeaderMap::new(), &Method::POST).is_none());
    }

    #[test]
    fn build_without_web_page_explains_how_to_include_it() {
        let empty = EmbeddedSite::new([]);
        let response = empty.serve("/", "/a<b", &HeaderMap::new(), &Method::GET).expect("a page");
        assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=UTF-8");
        let text = std::str::from_utf8(response.body()).expect("valid UTF-8");
        assert!(text.contains(
            "install Node.js 20 or newer with npm. Then run <code>cargo build --release</code> again."
        ));
        assert!(text.contains("<code>/a&lt;b</code>"));
        assert!(empty.serve("/index.html", "/ws", &HeaderMap::new(), &Method::GET).is_none());
    }

    #[test]
    fn root_is_served_in_every_build() {
        let response = serve("/", "/ws", &HeaderMap::new(), &Method::GET).expect("a page");
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.body().starts_with(b"<!doctype html>"));
    }
}
