//! The HTTP listener: WebSocket upgrades, health and metrics.

pub mod health;
pub mod pages;

use crate::transport::websocket::{self, WebSocketWire};
use crate::transport::{Hub, Seat, drive, sockets};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub use health::MetricsFrom;
use health::{Page, Readiness};

/// Sockets beyond the limits of connections, so that health and metrics answer on a full broker.
pub(crate) const SPARE_SOCKETS: usize = 64;
/// hyper's buffer for the head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Habits of the HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where WebSocket clients connect (`ws-path`).
    pub ws_path: String,
    /// Octets of a WebSocket message, which may hold many frames (`ws-message-bytes-max`).
    pub ws_message_bytes_max: usize,
    /// How long a request's head may take, and an idle connection stay open (`http-header-timeout`).
    pub header_timeout: Duration,
    /// Who may read `/metrics` (`metrics-from`).
    pub metrics_from: MetricsFrom,
}

/// What a request needs to be answered.
#[derive(Clone)]
struct Desk {
    hub: Arc<Hub>,
    options: Arc<Options>,
    address: IpAddr,
    place: Arc<Mutex<Place>>,
}

/// What an HTTP connection sits on.
enum Place {
    /// A seat like every client's; an upgrade takes it along.
    Seat(Seat),
    /// A spare socket: there was no seat, because of this limit.
    Spare(&'static str, #[allow(dead_code)] OwnedSemaphorePermit),
    /// The seat has gone with an upgrade.
    Gone,
}

/// Accepts HTTP connections until the returned future is dropped; those that are open finish their request
/// when `stopping` is cancelled.
pub async fn serve(hub: Arc<Hub>, options: Arc<Options>, listener: TcpListener, stopping: CancellationToken) {
    let spare = Arc::new(Semaphore::new(SPARE_SOCKETS));
    let refusals = Arc::new(AtomicUsize::new(0));
    loop {
        let (stream, peer) = sockets::accept(&listener, &hub.options).await;
        let place = match hub.seat(peer.ip()) {
            Ok(seat) => Place::Seat(seat),
            Err(limit) => match spare.clone().try_acquire_owned() {
                Ok(permit) => Place::Spare(limit, permit),
                Err(_) => {
                    hub.metrics.limit_hit(limit);
                    sockets::refuse(&hub, stream, unavailable(limit), &refusals);
                    continue;
                }
            },
        };
        let place = Arc::new(Mutex::new(place));
        let desk = Desk { hub: hub.clone(), options: options.clone(), address: peer.ip(), place };
        hub.tasks.spawn(converse(desk, stream, stopping.clone()));
    }
}

/// One HTTP connection, request after request.
async fn converse(desk: Desk, stream: TcpStream, stopping: CancellationToken) {
    let header_timeout = desk.options.header_timeout;
    let service = service_fn(move |request| {
        let response = desk.answer(request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

impl Desk {
    fn answer(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if path == self.options.ws_path {
            return self.upgrade(&mut request);
        }
        let page = match path {
            "/" => Page::text(StatusCode::OK, &self.greeting()),
            "/health" => health::health(),
            "/ready" => health::ready(self.readiness()),
            "/metrics" => {
                let allowed = self.options.metrics_from;
                health::metrics(&self.hub.metrics, &self.hub.budget, self.address, allowed)
            }
            _ => Page::text(StatusCode::NOT_FOUND, "not found\n"),
        };
        if page.status != StatusCode::NOT_FOUND && !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let mut response = Response::new(Full::from(page.body));
        *response.status_mut() = page.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
        response
    }

    fn readiness(&self) -> Readiness {
        if self.hub.is_stopping() { Readiness::Draining } else { Readiness::Ready }
    }

    fn greeting(&self) -> String {
        format!("Stompbox is running. STOMP over WebSocket is at {}.\n", self.options.ws_path)
    }

    /// A WebSocket handshake; the connection task takes over once 101 is on its way.
    fn upgrade(&self, request: &mut Request<Incoming>) -> Response<Full<Bytes>> {
        let handshake = websocket::accept(request);
        if !handshake.accepted {
            return handshake.response.map(Full::from);
        }
        let seat = match std::mem::replace(&mut *self.place.lock(), Place::Gone) {
            Place::Seat(seat) => seat,
            Place::Spare(limit, _) => {
                self.hub.metrics.limit_hit(limit);
                let mut response = Response::new(Full::from(full(limit)));
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return response;
            }
            // One connection is upgraded once.
            Place::Gone => {
                let mut response = Response::default();
                *response.status_mut() = StatusCode::CONFLICT;
                return response;
            }
        };
        let upgrade = hyper::upgrade::on(request);
        let hub = self.hub.clone();
        let message_bytes_max = self.options.ws_message_bytes_max as u64;
        self.hub.tasks.spawn(async move {
            let upgraded = match upgrade.await {
                Ok(upgraded) => upgraded,
                Err(error) => return tracing::debug!(%error, "a WebSocket handshake was not finished"),
            };
            match upgraded.downcast::<TokioIo<TcpStream>>() {
                Ok(parts) => {
                    let wire = WebSocketWire::new(parts.io.into_inner(), parts.read_buf, message_bytes_max);
                    // A task of its own: this one's memory was for the handshake.
                    hub.tasks.spawn(drive::serve(hub.clone(), wire, seat));
                }
                Err(_) => tracing::error!("an upgraded connection is not the socket that was accepted"),
            }
        });
        handshake.response.map(Full::from)
    }
}

fn full(limit: &str) -> String {
    format!("The limit {limit} is met. Close connections, come back later, or raise {limit}.\n")
}

/// The whole response to a connection for which there is no room.
fn unavailable(limit: &str) -> String {
    let body = full(limit);
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=UTF-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}
