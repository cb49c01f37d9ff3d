//! An HTTP server for tests of code that sends HTTP requests.

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

/// A request that the server has received.
pub(crate) struct ReceivedRequest {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A response of the server.
pub(crate) enum Reply {
    /// A status and a body.
    Respond(u16, String),
    /// A redirect to this URL.
    Redirect(String),
    /// The server never responds.
    NoResponse,
}

/// The test server. It stops when the runtime of the test ends.
pub(crate) struct TestServer {
    address: SocketAddr,
    request_count: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl TestServer {
    /// Starts a server that responds at once.
    pub(crate) async fn open(
        respond: impl Fn(ReceivedRequest) -> Reply + Send + Sync + 'static,
    ) -> TestServer {
        TestServer::new(Semaphore::MAX_PERMITS, respond).await
    }

    /// Starts a server that sends a response only when the test calls `allow_response`.
    pub(crate) async fn gated(
        respond: impl Fn(ReceivedRequest) -> Reply + Send + Sync + 'static,
    ) -> TestServer {
        TestServer::new(0, respond).await
    }

    /// Returns a URL with a port on which no server listens.
    pub(crate) async fn closed_port() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        format!("http://{}/", listener.local_addr().expect("an address"))
    }

    async fn new(
        initial_responses: usize,
        respond: impl Fn(ReceivedRequest) -> Reply + Send + Sync + 'static,
    ) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (request_count, gate) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(initial_responses)));
        let handler = Arc::new(Handler { respond, request_count: request_count.clone(), gate: gate.clone() });
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let handler = handler.clone();
                let service = service_fn(move |request| {
                    let handler = handler.clone();
                    async move { Ok::<_, Infallible>(handler.serve(request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(socket), service));
            }
        });
        TestServer { address, request_count, gate }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the number of requests that the server has received.
    pub(crate) fn requests(&self) -> usize {
        self.request_count.load(Ordering::SeqCst)
    }

    /// Completes when the server has received a request.
    pub(crate) async fn request_received(&self) {
        while self.requests() == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets the server send one more response.
    pub(crate) fn allow_response(&self) {
        self.gate.add_permits(1);
    }
}

struct Handler<F> {
    respond: F,
    request_count: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl<F: Fn(ReceivedRequest) -> Reply> Handler<F> {
    async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.request_count.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a whole request").to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        let received = ReceivedRequest { method: parts.method, uri: parts.uri, headers: parts.headers, body };
        self.gate.acquire().await.expect("the semaphore is not closed").forget();
        let response = Response::builder();
        let response = match (self.respond)(received) {
            Reply::Respond(status, body) => response.status(status).body(body.into()),
            Reply::Redirect(to) => response.status(302).header("location", to).body(Full::default()),
            Reply::NoResponse => std::future::pending().await,
        };
        response.expect("a valid response")
    }
}
