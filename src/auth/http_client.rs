//! A small HTTP client. It limits the time and the size of each response, follows no redirects and puts no secrets into
//! its errors.

use super::secret::Secret;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Maximum size of a response body, in bytes.
pub const RESPONSE_BYTES_MAX: usize = 1 << 20;
/// Maximum number of idle connections that the client keeps open for each host.
const IDLE_MAX: usize = 16;
/// Time after which the client closes an idle connection.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// An http or https URL without user and password. Neither `Display` nor `Debug` shows the query, which may contain a
/// secret.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(Uri);

impl FromStr for HttpUrl {
    type Err = &'static str;

    /// Parses a URL. The error does not repeat the text, which may contain a secret.
    fn from_str(text: &str) -> Result<HttpUrl, &'static str> {
        let uri: Uri =
            text.parse().map_err(|_| "expected a URL that begins with http://HOST or https://HOST")?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err("expected a URL that begins with http://HOST or https://HOST");
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("expected a URL without user and password");
        }
        Ok(HttpUrl(uri))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}{}", self.0.scheme_str().unwrap_or_default(), self.0.path())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A response, with any status.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status code of the response.
    pub status: StatusCode,
    /// The body of the response, at most [`RESPONSE_BYTES_MAX`] bytes.
    pub body: Bytes,
}

/// The HTTP client. Cheap to clone. Clones share their idle connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Default for HttpClient {
    fn default() -> HttpClient {
        HttpClient::new()
    }
}

impl HttpClient {
    /// Creates a client that trusts the certificate authorities in Mozilla's list.
    pub fn new() -> HttpClient {
        // Name the provider explicitly. If another crate enables a second provider, rustls panics when it has to choose
        // one.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for the default versions")
            .with_webpki_roots()
            .with_no_client_auth();
        HttpClient::with_tls(tls)
    }

    fn with_tls(tls: rustls::ClientConfig) -> HttpClient {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        HttpClient { inner }
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// No response arrived within `time`, or the response was too large. The text is for the log.
    pub async fn get(&self, url: &HttpUrl, time: Duration) -> Result<HttpResponse, String> {
        let request = request(Method::GET, url).body(Full::default());
        self.send(request.map_err(|_| "the request is invalid".to_owned())?, time).await
    }

    /// Sends a POST request with a JSON body.
    ///
    /// # Errors
    /// As for [`HttpClient::get`], or `authorization` contains characters that are not allowed in a header.
    pub async fn post(
        &self,
        url: &HttpUrl,
        authorization: Option<&Secret>,
        json: String,
        time: Duration,
    ) -> Result<HttpResponse, String> {
        let mut request = request(Method::POST, url).header(CONTENT_TYPE, "application/json");
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret.reveal()).map_err(|_| {
                "the authorization contains a character that is not allowed in a header".to_owned()
            })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::from(json)).map_err(|_| "the request is invalid".to_owned())?;
        self.send(request, time).await
    }

    async fn send(&self, request: Request<Full<Bytes>>, time: Duration) -> Result<HttpResponse, String> {
        let response = async {
            let response = self.inner.request(request).await.map_err(|error| with_causes(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
            let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => "the response is too large".to_owned(),
                None => with_causes(&*error),
            })?;
            Ok(HttpResponse { status, body: body.to_bytes() })
        };
        timeout(time, response).await.unwrap_or_else(|_| Err(format!("no response within {time:?}")))
    }
}

fn request(method: Method, url: &HttpUrl) -> hyper::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(url.0.clone())
        .header(ACCEPT, "application/json, */*")
        .header(USER_AGENT, concat!("stompbox/", env!("CARGO_PKG_VERSION")))
}

/// Returns the text of an error and of its causes. These texts do not contain the URL.
fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::sources::test_server::{Reply, TestServer};

    const SHORT_TIMEOUT: Duration = Duration::from_millis(50);
    const LONG_TIMEOUT: Duration = Duration::from_secs(30);

    fn url(text: &str) -> HttpUrl {
        text.parse().expect("a URL")
    }

    #[test]
    fn urls_are_validated_and_displayed_without_secrets() {
        for (text, displayed) in [
            ("http://a", Some("http://a/")),
            ("https://a.example:8443/keys?token=sesame", Some("https://a.example:8443/keys")),
            ("http://[::1]:80/x", Some("http://[::1]:80/x")),
            ("", None),
            ("/keys", None),
            ("ftp://a/", None),
            ("file:///etc/passwd", None),
            ("https://", None),
            ("https://user:sesame@a/", None),
            ("http://a b/", None),
        ] {
            let parsed = text.parse::<HttpUrl>();
            assert_eq!(parsed.as_ref().ok().map(HttpUrl::to_string).as_deref(), displayed, "{text}");
            assert!(!format!("{parsed:?}").contains("sesame"), "{parsed:?}");
        }
    }

    #[tokio::test]
    async fn requests_are_sent_and_responses_are_returned() {
        let server = TestServer::open(|request| {
            let header =
                |name: &str| request.headers.get(name).map_or("", |value| value.to_str().unwrap_or("?"));
            let displayed = [
                request.method.as_str(),
                request.uri.path(),
                request.uri.query().unwrap_or(""),
                &request.body,
            ];
            Reply::Respond(
                418,
                format!("{} {} {}", displayed.join(" "), header("content-type"), header("authorization")),
            )
        })
        .await;
        let (client, url) = (HttpClient::new(), url(&server.url("/a?b=c")));
        let got = client.get(&url, LONG_TIMEOUT).await.expect("a response");
        assert_eq!((got.status.as_u16(), &got.body[..]), (418, b"GET /a b=c   ".as_slice()));
        let secret = Secret::new("Key sesame");
        let got = client.post(&url, Some(&secret), "{}".to_owned(), LONG_TIMEOUT).await.expect("a response");
        assert_eq!(got.body, "POST /a b=c {} application/json Key sesame");
    }

    #[tokio::test]
    async fn errors_do_not_contain_secrets() {
        let server = TestServer::open(|request| match request.uri.path() {
            "/long" => Reply::Respond(200, "x".repeat(RESPONSE_BYTES_MAX + 1)),
            "/longest" => Reply::Respond(200, "x".repeat(RESPONSE_BYTES_MAX)),
            "/away" => Reply::Redirect("/longest".to_owned()),
            _ => Reply::NoResponse,
        })
        .await;
        let client = HttpClient::new();
        assert_eq!(
            client
                .get(&url(&server.url("/longest")), LONG_TIMEOUT)
                .await
                .expect("the response fits")
                .body
                .len(),
            1 << 20
        );
        assert_eq!(
            client.get(&url(&server.url("/away")), LONG_TIMEOUT).await.expect("a response").status,
            302
        );
        let closed = TestServer::closed_port().await;
        let tls = server.url("/").replace("http:", "https:");
        for (address, time, expected) in [
            (server.url("/long?token=sesame"), LONG_TIMEOUT, "the response is too large"),
            (server.url("/silence?token=sesame"), SHORT_TIMEOUT, "no response within 50ms"),
            (format!("{closed}?token=sesame"), LONG_TIMEOUT, "refused"),
            (format!("{tls}?token=sesame"), LONG_TIMEOUT, "client error (Connect): "),
        ] {
            let error = client.get(&url(&address), time).await.expect_err("no response");
            assert!(error.contains(expected) && !error.contains("sesame"), "{address}: {error}");
        }
        let invalid = Secret::new("sesame\n");
        let error = client
            .post(&url(&server.url("/")), Some(&invalid), String::new(), LONG_TIMEOUT)
            .await
            .expect_err("a line feed is not allowed");
        assert_eq!(error, "the authorization contains a character that is not allowed in a header");
    }

    /// Starts a TLS server with a self-signed certificate that answers one request per connection. Returns its address
    /// and the certificate.
    async fn tls_server() -> (String, rustls::pki_types::CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let certificate = made.cert.der().clone();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|tls| tls.with_no_client_auth().with_single_cert(vec![certificate.clone()], key))
            .expect("a configuration");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
            while let Ok((socket, _)) = listener.accept().await {
                // A client that does not trust the certificate fails the handshake here.
                let Ok(socket) = acceptor.accept(socket).await else { continue };
                let service = hyper::service::service_fn(async |_| {
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::new(Bytes::from(
                        "in private",
                    ))))
                });
                let mut http = hyper::server::conn::http1::Builder::new();
                let _ = http
                    .keep_alive(false)
                    .serve_connection(hyper_util::rt::TokioIo::new(socket), service)
                    .await;
            }
        });
        (format!("https://localhost:{port}/"), certificate)
    }

    #[tokio::test]
    async fn tls_certificate_must_be_trusted_and_match_the_name() {
        let (address, certificate) = tls_server().await;
        let error = HttpClient::new()
            .get(&url(&address), LONG_TIMEOUT)
            .await
            .expect_err("the certificate is not trusted");
        assert!(error.contains("invalid peer certificate: UnknownIssuer"), "{error}");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = HttpClient::with_tls(tls);
        assert_eq!(client.get(&url(&address), LONG_TIMEOUT).await.expect("a response").body, "in private");
        let other = address.replace("localhost", "127.0.0.1");
        let error = client.get(&url(&other), LONG_TIMEOUT).await.expect_err("another name");
        assert!(error.contains("certificate not valid for name"), "{error}");
    }
}
