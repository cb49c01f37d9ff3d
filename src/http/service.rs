//! Answers requests. Checks each request against the host policy. Checks requests below `ws-path` against the origin
//! policy, too. Then passes the request to the handler of its path.

use super::body::Body;
use super::client_info::Trust;
use super::connection::HttpConnection;
use super::health::{self, Readiness};
use super::metrics_page;
use super::options::Options;
use super::policy::forwarded::is_forwarded;
use super::policy::host_policy::check_count;
use super::policy::origin_error::OriginError;
use super::policy::origin_policy::RequestKind;
use super::rejection_log::RejectionLog;
use super::router::{Handler, Router};
use super::site;
use super::sockjs::{Endpoints, RequestContext, is_iframe_page};
use super::stomp::Stomp;
use super::text_response::{self, TextResponse};
use crate::connection::ConnectionContext;
use crate::wire::websocket::offers_upgrade;
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use std::future::{Future, ready};
use std::net::IpAddr;
use std::sync::Arc;

/// The service that answers the requests on all listeners.
pub(super) struct Service {
    pub(super) context: Arc<ConnectionContext>,
    pub(super) options: Options,
    sockjs: Arc<Endpoints<Stomp>>,
    router: Router,
    rejection_log: RejectionLog,
}

impl Service {
    pub(super) fn new(
        context: Arc<ConnectionContext>,
        options: Options,
        sockjs: Arc<Endpoints<Stomp>>,
    ) -> Service {
        let router = Router::new(&options);
        Service { context, options, sockjs, router, rejection_log: RejectionLog::default() }
    }

    /// Answers a request that `peer` has sent. `is_loopback` says whether only clients on this machine can reach the
    /// listener.
    ///
    /// It is not an `async fn`. The future of an `async fn` would store the arguments in addition to the values that it
    /// creates from them.
    pub(super) fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        http_connection: Arc<HttpConnection>,
        is_loopback: bool,
    ) -> impl Future<Output = Response<Body>> + Send {
        let address = self.options.proxies.client(peer, request.headers());
        if let Some(response) = self.answer_at_once(&request, address, is_loopback) {
            return Either::Left(ready(response));
        }
        let ancestors = self.options.origins.frame_ancestors();
        let trust = self.trust(&request, peer);
        let request_context = RequestContext { address, http_connection, ancestors, trust };
        Either::Right(self.sockjs.answer(request, self.options.ws_path.len(), request_context))
    }

    /// Returns the response to a request, or `None` if the request has passed all checks and is for the endpoint.
    fn answer_at_once(
        &self,
        request: &Request<Incoming>,
        address: IpAddr,
        is_loopback: bool,
    ) -> Option<Response<Body>> {
        let Options { hosts, origins, demo, .. } = &self.options;
        let headers = request.headers();
        if let Err(text) = check_count(request.version(), headers) {
            return Some(plain(StatusCode::BAD_REQUEST, text.to_owned()));
        }
        if let Err(error) = hosts.check(headers, is_loopback, origins) {
            return Some(self.reject(&error, address));
        }
        let handler = match self.router.route(request.method(), request.uri().path()) {
            Ok(handler) => handler,
            Err(allowed) => return Some(method_not_allowed(allowed)),
        };
        Some(match handler {
            Handler::Endpoint => {
                let error = origins.check(headers, self.request_kind(request)).err()?;
                self.reject(&error, address)
            }
            Handler::ClientLibrary => self.file(site::SOCKJS_CLIENT, request),
            Handler::Health => respond(health::health()),
            Handler::Ready => respond(health::ready(self.readiness())),
            Handler::Metrics => respond(self.metrics(request, address)),
            Handler::Site if *demo => self.file(request.uri().path(), request),
            Handler::Site => not_found(),
        })
    }

    /// Returns what is known about the sender of a request, and how far the sender is trusted.
    fn trust(&self, request: &Request<Incoming>, peer: IpAddr) -> Trust {
        let headers = request.headers();
        let is_own_page = self.options.origins.is_own_page(headers, self.request_kind(request));
        let peer_is_trusted = self.options.proxies.is_trusted(peer);
        let proxy = if peer_is_trusted { self.options.proxy_user.user(headers) } else { None };
        Trust { is_own_page, proxy }
    }

    /// Returns the kind of a request below `ws-path`, by which the origin policy decides what to check.
    fn request_kind(&self, request: &Request<Incoming>) -> RequestKind {
        let subpath = &request.uri().path()[self.options.ws_path.len()..];
        let is_socket =
            subpath.is_empty() || subpath.trim_end_matches('/').ends_with("/websocket") || subpath == "/";
        if is_socket && offers_upgrade(request.headers()) {
            RequestKind::WebSocket
        } else if is_iframe_page(subpath) {
            RequestKind::Iframe
        } else {
            RequestKind::Request
        }
    }

    /// Rejects a request with status 403, counts it and logs it. Typically a browser sent the request for a page of
    /// another site.
    fn reject(&self, error: &OriginError, address: IpAddr) -> Response<Body> {
        self.context.metrics.request_rejected(error.option);
        self.rejection_log.log(error, address);
        plain(StatusCode::FORBIDDEN, format!("{error}\n"))
    }

    fn metrics(&self, request: &Request<Incoming>, address: IpAddr) -> TextResponse {
        let client_address = (!is_forwarded(request.headers())).then_some(address);
        let context = &self.context;
        let subscriptions = context.broker.subscription_budget().used();
        context.metrics.subscription_memory_bytes.set(i64::try_from(subscriptions).unwrap_or(i64::MAX));
        metrics_page::metrics(&context.metrics, &context.budget, client_address, self.options.metrics_from)
    }

    /// Returns the response with a file of the embedded site, or a response with status 404.
    fn file(&self, path: &str, request: &Request<Incoming>) -> Response<Body> {
        match site::serve(path, &self.options.ws_path, request.headers(), request.method()) {
            Some(response) => response.map(Body::from),
            None => not_found(),
        }
    }

    fn readiness(&self) -> Readiness {
        if self.context.is_stopping() { Readiness::Draining } else { Readiness::Ready }
    }
}

fn respond(text: TextResponse) -> Response<Body> {
    response(text.status, text.content_type, text.body)
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    response(status, text_response::TEXT, text)
}

fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn not_found() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "not found\n".to_owned())
}

/// Returns the response to a request whose path does not support its method. `allowed` lists the supported methods.
fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::Complete(None));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
