//! The HTTP server: accepts connections and serves their requests.

use super::connection::{Admission, HttpConnection};
use super::options::Options;
use super::service::Service;
use super::socket::{HttpSocket, HttpStart};
use super::sockjs::Endpoints;
use super::stomp::Stomp;
use crate::connection::ConnectionContext;
use crate::connection::listen;
use crate::limits::head_memory::HEAD_BYTES_MAX;
use crate::rejection::Limit;
use crate::session::Closing;
use crate::wire::protocol::Port;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Number of connections that are accepted beyond the connection limits. They keep health checks and metrics available
/// when the limits are reached.
const SPARE_SOCKETS: usize = 64;

/// The HTTP server of a broker. It serves any number of listeners.
#[derive(Clone)]
pub struct HttpServer {
    shared: Arc<Shared>,
    /// Whether only clients on this machine can reach the listener.
    is_loopback: bool,
}

/// The state that all HTTP connections share.
struct Shared {
    service: Service,
    /// Permits for the spare connections, which are accepted beyond the connection limits.
    spare_permits: Arc<Semaphore>,
    /// Number of connections that are being rejected.
    rejecting: Arc<AtomicUsize>,
    stopping: CancellationToken,
}

impl HttpServer {
    /// Creates a server without listeners. When `stopping` is cancelled, each open connection finishes its current
    /// request and closes.
    pub fn new(
        context: Arc<ConnectionContext>,
        options: Options,
        sockjs: Arc<Endpoints<Stomp>>,
        stopping: CancellationToken,
    ) -> HttpServer {
        let shared = Shared {
            service: Service::new(context, options, sockjs),
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
        let Shared { service, spare_permits, rejecting, .. } = &*self.shared;
        let Service { context, options, .. } = service;
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

/// Waits for the first bytes of a connection, and serves the connection if they may be HTTP. This runs as a separate
/// task, so that its memory is freed once HTTP is detected.
async fn start_connection(
    server: HttpServer,
    mut socket: HttpSocket,
    peer: IpAddr,
    http_connection: Arc<HttpConnection>,
) {
    let Shared { service, rejecting, stopping, .. } = &*server.shared;
    let Service { context, options, .. } = service;
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

/// Serves the requests of one HTTP connection. It is not an `async fn`. The future of an `async fn` would store the
/// arguments in addition to the values that it creates from them.
fn serve_http_connection(
    server: HttpServer,
    socket: HttpSocket,
    peer: IpAddr,
    http_connection: Arc<HttpConnection>,
) -> impl Future<Output = ()> + Send {
    let header_timeout = server.shared.service.options.header_timeout;
    // These events happen at most once during the connection. `FuturesUnordered` polls a future only when it is woken.
    // A poll of the connection therefore costs nothing for these events.
    let mut lifetime_events = FuturesUnordered::new();
    lifetime_events
        .push(Box::pin(next_lifetime_event(server.shared.stopping.clone(), http_connection.clone())));
    let service = service_fn(move |request| {
        let (server, http_connection) = (server.clone(), http_connection.clone());
        // Boxed, because hyper keeps the memory of this future as long as the connection exists.
        Box::pin(async move {
            let service = &server.shared.service;
            Ok::<_, Infallible>(
                http_connection
                    .answer(service.answer(request, peer, http_connection.clone(), server.is_loopback))
                    .await,
            )
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        // A client that closes its sending side after a complete request still gets the answer. `HttpSocket` handles
        // the exceptions.
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
                        std::pin::Pin::new(&mut connection).graceful_shutdown();
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

/// An event that can happen once during a connection.
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

/// Returns the text of the whole response to a connection that is rejected because of `limit`.
fn unavailable(limit: Limit) -> String {
    let body =
        format!("The limit {limit} is reached. Close connections, reconnect later, or raise {limit}.\n");
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=UTF-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}
