//! A web server for the tests of what asks one.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What somebody asked.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// What it answers.
pub(super) enum Reply {
    /// A status and a body.
    Say(u16, String),
    /// A redirect.
    Away(String),
    /// Nothing, ever.
    Silence,
}

/// The server; it ends with its test.
pub(super) struct TestServer {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl TestServer {
    /// Answers at once.
    pub(super) async fn open(answer: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> TestServer {
        TestServer::new(Semaphore::MAX_PERMITS, answer).await
    }

    /// Answers as many as the test lets through.
    pub(super) async fn gated(answer: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> TestServer {
        TestServer::new(0, answer).await
    }

    /// A URL where nobody listens.
    pub(super) async fn closed_port() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        format!("http://{}/", listener.local_addr().expect("an address"))
    }

    async fn new(let_through: usize, answer: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(let_through)));
        let desk = Arc::new(Desk { answer, asked: asked.clone(), gate: gate.clone() });
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let desk = desk.clone();
                let service = service_fn(move |request| {
                    let desk = desk.clone();
                    async move { Ok::<_, Infallible>(desk.serve(request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(socket), service));
            }
        });
        TestServer { address, asked, gate }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Ready when somebody has asked.
    pub(super) async fn was_asked(&self) {
        while self.asked() == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets one more answer through.
    pub(super) fn let_through(&self) {
        self.gate.add_permits(1);
    }
}

struct Desk<F> {
    answer: F,
    asked: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl<F: Fn(Asked) -> Reply> Desk<F> {
    async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a whole request").to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body };
        self.gate.acquire().await.expect("the gate stays").forget();
        let response = Response::builder();
        let response = match (self.answer)(asked) {
            Reply::Say(status, body) => response.status(status).body(body.into()),
            Reply::Away(to) => response.status(302).header("location", to).body(Full::default()),
            Reply::Silence => std::future::pending().await,
        };
        response.expect("a fit response")
    }
}
