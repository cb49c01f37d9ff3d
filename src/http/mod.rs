//! The HTTP listener: WebSocket and SockJS, health and metrics, and the embedded site. Every request is checked first
//! against the host policy and, below `ws-path`, against the origin policy.

pub(crate) mod connection;
pub mod health;
pub mod pages;
pub(crate) mod policy;
mod rejection_log;
pub(crate) mod socket;
pub mod sockjs;

use crate::connection::{
    Admission, ConnectionContext, HEAD_BYTES_MAX, HttpConnection, HttpSocket, HttpStart, Stomp, Trust, listen,
};
use crate::http::policy::origin_error::OriginError;
use crate::http::policy::origin_policy::RequestKind;
use crate::http::sockjs::{Body, Endpoints, RequestContext};
use crate::session::Closing;
use crate::wire::protocol::Port;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use health::MetricsFrom;
use health::Readiness;

/// Connections that are accepted beyond the connection limits, so that health and metrics are available on a full
/// broker.
pub(crate) const SPARE_SOCKETS: usize = 64;

/// Options of the HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Path of the endpoint for WebSocket and SockJS clients (`ws-path`).
    pub ws_path: String,
    /// Longest time to wait for the head of a request, which also limits how long an idle connection stays open
    /// (`http-header-timeout`).
    pub header_timeout: Duration,
    /// The clients that may read `/metrics` (`metrics-from`).
    pub metrics_from: MetricsFrom,
    /// The pages that may use the endpoint below `ws_path` (`allowed-origins`).
    pub origins: crate::http::policy::origin_policy::Origins,
    /// The accepted values of the header `Host` (`allowed-hosts`).
    pub hosts: crate::http::policy::host_policy::Hosts,
    /// The proxies whose headers about the address of the client are trusted (`trusted-proxies`).
    pub proxies: crate::http::policy::forwarded::Proxies,
    /// The headers in which trusted proxies name the user that they have authenticated (`proxy-user-header`,
    /// `proxy-roles-header`).
    pub proxy_user: crate::http::policy::proxy_user::ProxyHeaders,
    /// Whether the demo page is served (`demo`).
    pub demo: bool,
}

/// The HTTP server of a broker, on any number of listeners.
#[derive(Clone)]
pub struct HttpServer {
    shared: Arc<Shared>,
    /// Whether only clients on this machine can reach the listener.
    is_loopback: bool,
}

/// The state that all HTTP connections share.
struct Shared {
    context: Arc<ConnectionContext>,
    options: Options,
    sockjs: Arc<Endpoints<Stomp>>,
    rejection_log: rejection_log::RejectionLog,
    /// Permits for connections beyond the connection limits.
    spare_permits: Arc<Semaphore>,
    /// Number of connections that are being rejected.
    rejecting: Arc<AtomicUsize>,
    stopping: CancellationToken,
}

impl HttpServer {
    /// Creates a server without listeners. When `stopping` is cancelled, open connections finish their request and
    /// close.
    pub fn new(
        context: Arc<ConnectionContext>,
        options: Options,
        sockjs: Arc<Endpoints<Stomp>>,
        stopping: CancellationToken,
    ) -> HttpServer {
        let shared = Shared {
            context,
            options,
            sockjs,
            rejection_log: rejection_log::RejectionLog::default(),
            spare_permits: Arc::new(Semaphore::new(SPARE_SOCKETS)),
            rejecting: Arc::default(),
            stopping,
        };
        HttpServer { shared: Arc::new(shared), is_loopback: false }
    }

    /// Accepts connections from `listener` until the returned future is dropped.
    pub async fn serve(mut self, listener: TcpListener) {
        self.is_loopback =
            listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        let Shared { context, options, spare_permits, rejecting, .. } = &*self.shared;
        loop {
            let (stream, peer) = listen::accept(&listener, &context.options).await;
            let is_proxy = options.proxies.is_trusted(peer.ip());
            let permit = if is_proxy { context.proxy_permit(peer.ip()) } else { context.admit(peer.ip()) };
            let admission = match permit {
                Ok(permit) => Admission::ConnectionPermit(permit),
                Err(limit) => match spare_permits.clone().try_acquire_owned() {
                    Ok(permit) => Admission::Spare(limit, permit),
                    Err(_) => {
                        context.report_limit_reached(limit, peer.ip());
                        listen::reject(context, stream, unavailable(limit), rejecting);
                        continue;
                    }
                },
            };
            let http_connection = Arc::new(HttpConnection::new(admission));
            let socket = HttpSocket::new(stream, http_connection.clone(), context.heads.clone());
            context.tasks.spawn(start_connection(self.clone(), socket, peer.ip(), http_connection));
        }
    }
}

/// Waits for the first bytes of a connection, and serves the connection if they may be HTTP. Runs as a task of its own,
/// so that its memory is not kept for as long as the connection lives.
async fn start_connection(
    server: HttpServer,
    mut socket: HttpSocket,
    peer: IpAddr,
    http_connection: Arc<HttpConnection>,
) {
    let Shared { context, options, rejecting, stopping, .. } = &*server.shared;
    let start = tokio::select! {
        start = tokio::time::timeout(options.header_timeout, socket.detect_protocol()) => start,
        () = stopping.cancelled() => return,
    };
    match start {
        Ok(HttpStart::Http) => {
            context.tasks.spawn(serve_http_connection(server.clone(), socket, peer, http_connection));
        }
        Ok(HttpStart::Foreign(protocol)) => {
            context.metrics.closed_before_session("http", Closing::WrongProtocol.as_str());
            context.wrong_protocols.log(protocol, Port::Http, peer);
            listen::reject(
                context,
                socket.into_parts().0,
                protocol.answer(Port::Http, context.options.trailing_lf),
                rejecting,
            );
        }
        Err(_) if !socket.is_silent() => {
            tracing::debug!(address = %peer, "the head of an HTTP request did not arrive within http-header-timeout");
        }
        Ok(HttpStart::NoData) | Err(_) => {
            let reason = Closing::NoData.as_str();
            context.metrics.closed_before_session("http", reason);
            tracing::debug!(reason, address = %peer, transport = "http", "connection closed");
        }
    }
}

/// Serves the requests of one HTTP connection. Not an `async fn`: its future would hold the arguments in addition to
/// the values made of them.
fn serve_http_connection(
    server: HttpServer,
    socket: HttpSocket,
    peer: IpAddr,
    http_connection: Arc<HttpConnection>,
) -> impl Future<Output = ()> + Send {
    let header_timeout = server.shared.options.header_timeout;
    // Events that happen once in the life of a connection. `FuturesUnordered` polls them only when they are woken, so
    // that they cost nothing in each poll iteration.
    let mut lifetime_events = FuturesUnordered::new();
    lifetime_events
        .push(Box::pin(next_lifetime_event(server.shared.stopping.clone(), http_connection.clone())));
    let service = service_fn(move |request| {
        let (server, http_connection) = (server.clone(), http_connection.clone());
        // Boxed: hyper keeps the memory of this future for as long as the connection lives.
        Box::pin(async move {
            Ok::<_, Infallible>(
                http_connection.answer(server.answer(request, peer, http_connection.clone())).await,
            )
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        // A client that closes its side after a whole request gets its answer; `HttpSocket` handles the exceptions.
        .half_close(true)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    async move {
        let result = loop {
            tokio::select! {
                biased;
                result = &mut connection => break result,
                Some(end) = lifetime_events.next() => match end {
                    LifetimeEvent::Aborted => return,
                    LifetimeEvent::Stopping(http_connection) => {
                        Pin::new(&mut connection).graceful_shutdown();
                        lifetime_events.push(Box::pin(next_lifetime_event(CancellationToken::new(), http_connection)));
                    }
                },
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, cause = error.source(), "an HTTP connection ended early");
        }
    }
}

/// An event that can happen once in the life of a connection.
enum LifetimeEvent {
    Aborted,
    Stopping(Arc<HttpConnection>),
}

async fn next_lifetime_event(
    stopping: CancellationToken,
    http_connection: Arc<HttpConnection>,
) -> LifetimeEvent {
    tokio::select! {
        () = http_connection.aborted() => LifetimeEvent::Aborted,
        () = stopping.cancelled() => LifetimeEvent::Stopping(http_connection.clone()),
    }
}

impl HttpServer {
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        http_connection: Arc<HttpConnection>,
    ) -> Response<Body> {
        let address = self.shared.options.proxies.client(peer, request.headers());
        if let Err(text) = crate::http::policy::host_policy::check_count(request.version(), request.headers())
        {
            return plain(StatusCode::BAD_REQUEST, text.to_owned());
        }
        if let Err(error) =
            self.shared.options.hosts.check(request.headers(), self.is_loopback, &self.shared.options.origins)
        {
            return self.reject(&error, address);
        }
        let base = &self.shared.options.ws_path;
        // The page for iframe transports loads this file from the same directory, even if the demo page is off.
        if matches!(request.uri().path().strip_prefix(&**base), Some(pages::SOCKJS_CLIENT)) {
            return self.file(pages::SOCKJS_CLIENT, &request);
        }
        match request.uri().path().strip_prefix(&**base) {
            Some(subpath) if subpath.is_empty() || subpath.starts_with('/') => {
                if let Err(error) =
                    self.shared.options.origins.check(request.headers(), request_kind(&request, subpath))
                {
                    return self.reject(&error, address);
                }
                let ancestors = self.shared.options.origins.frame_ancestors();
                let trust = self.trust(&request, subpath, peer);
                self.shared
                    .sockjs
                    .answer(
                        request,
                        base.len(),
                        RequestContext { address, http_connection, ancestors, trust },
                    )
                    .await
            }
            _ => self.page(&request, address),
        }
    }

    /// Returns what is known about the sender of a request.
    fn trust(&self, request: &Request<Incoming>, subpath: &str, peer: IpAddr) -> Trust {
        let headers = request.headers();
        let is_own_page = self.shared.options.origins.is_own_page(headers, request_kind(request, subpath));
        let peer_is_trusted = self.shared.options.proxies.is_trusted(peer);
        let proxy = if peer_is_trusted { self.shared.options.proxy_user.user(headers) } else { None };
        Trust { is_own_page, proxy }
    }

    /// Rejects a request with 403, and counts and logs it. Typically a browser has sent it for a page of another site.
    fn reject(&self, error: &OriginError, address: IpAddr) -> Response<Body> {
        self.shared.context.metrics.request_rejected(error.option);
        self.shared.rejection_log.log(error, address);
        plain(StatusCode::FORBIDDEN, format!("{error}\n"))
    }

    fn page(&self, request: &Request<Incoming>, address: IpAddr) -> Response<Body> {
        let path = request.uri().path();
        let page = match path {
            "/health" => health::health(),
            "/ready" => health::ready(self.readiness()),
            "/metrics" => {
                let allowed = self.shared.options.metrics_from;
                let client_address =
                    (!crate::http::policy::forwarded::is_forwarded(request.headers())).then_some(address);
                let context = &self.shared.context;
                let subscriptions = context.broker.subscription_budget().used();
                context
                    .metrics
                    .subscription_memory_bytes
                    .set(i64::try_from(subscriptions).unwrap_or(i64::MAX));
                health::metrics(&context.metrics, &context.budget, client_address, allowed)
            }
            _ => {
                if !self.shared.options.demo && path != pages::SOCKJS_CLIENT {
                    return plain(StatusCode::NOT_FOUND, "not found\n".to_owned());
                }
                return self.file(path, request);
            }
        };
        if page.status != StatusCode::NOT_FOUND && !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = Response::new(Body::Complete(None));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let mut response = Response::new(Body::from(page.body));
        *response.status_mut() = page.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
        response
    }

    /// Returns the response with a file of the embedded site, or 404.
    fn file(&self, path: &str, request: &Request<Incoming>) -> Response<Body> {
        match pages::page(path, &self.shared.options.ws_path, request.headers(), request.method()) {
            Some(response) => response.map(Body::from),
            None => plain(StatusCode::NOT_FOUND, "not found\n".to_owned()),
        }
    }

    fn readiness(&self) -> Readiness {
        if self.shared.context.is_stopping() { Readiness::Draining } else { Readiness::Ready }
    }
}

/// Returns the kind of a request below `ws-path`, which decides how the origin policy judges it.
fn request_kind(request: &Request<Incoming>, subpath: &str) -> RequestKind {
    let is_socket =
        subpath.is_empty() || subpath.trim_end_matches('/').ends_with("/websocket") || subpath == "/";
    if is_socket && crate::wire::websocket::offers_upgrade(request.headers()) {
        RequestKind::WebSocket
    } else if sockjs::is_iframe_page(subpath) {
        RequestKind::Iframe
    } else {
        RequestKind::Request
    }
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Returns the whole response to a connection that is rejected because of `limit`.
fn unavailable(limit: &str) -> String {
    let body =
        format!("The limit {limit} is reached. Close connections, reconnect later, or raise {limit}.\n");
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=UTF-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}
