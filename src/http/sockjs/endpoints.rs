//! The paths of a SockJS service, and their handlers.

use super::application::Application;
use super::identity::identity;
use super::inbound_messages::InboundMessages;
use super::options::{CLIENT_URL, Options};
use super::response_builder::ResponseBuilder;
use super::route::Route;
use super::routes::{ResponseFormat, RouteKind, RouteRow};
use super::session::http_wire::HttpWire;
use super::session::lifecycle::Delays;
use super::session::receiver::SockJsReceiver;
use super::session::registry::Registry;
use super::session::shared_session::SharedSession;
use super::static_responses::{self, IframePage};
use super::upload;
use crate::connection::peer::Peer;
use crate::http::body::Body;
use crate::http::client_info::{Trust, handshake, parameter};
use crate::http::connection::HttpConnection;
use crate::http::rejection_status::status_of;
use crate::limits::connection_limiter::{ConnectionLimiter, ConnectionPermit};
use crate::limits::input::InputShare;
use crate::limits::limit_warnings::{InputRejections, limited_items, log_limit_reached};
use crate::limits::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::rejection::{Code, Limit};
use crate::wire::websocket::offers_upgrade;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use stompbox_frames::sockjs::{Callback, CallbackError, Envelope};
use tokio::sync::Semaphore;

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Maximum number of bytes to read of a body that is sent to a session that does not exist. If the body is malformed,
/// the client gets status 500. If not, it gets status 404.
const UNKNOWN_SESSION_BYTES_MAX: usize = 4096;

/// A SockJS service: a base path with all its transports, and the sessions that use them.
pub struct Endpoints<A> {
    pub(super) application: Arc<A>,
    pub(super) options: Arc<Options>,
    iframe: IframePage,
    registry: Arc<Registry<SharedSession>>,
    connection_limiter: Arc<ConnectionLimiter>,
    /// Memory for request bodies of authenticated clients.
    input: Arc<InputShare>,
    /// Memory for request bodies of unauthenticated clients. This memory is separate, so that these clients cannot use
    /// up the memory of authenticated clients.
    unauthenticated: Arc<InputShare>,
    metrics: Arc<Metrics>,
    full_log: LogLimit,
    input_rejections: InputRejections,
    hash_state: RandomState,
    /// Rate limit of the log lines about handshakes that a proxy has changed.
    pub(super) altered_handshakes: LogLimit,
    /// The permit that is needed to parse a large body.
    parsing: Arc<Semaphore>,
}

/// What the HTTP server knows about a request: its client, its connection, and how far the sender is trusted.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The address of the client.
    pub address: IpAddr,
    /// The connection on which the request arrived.
    pub http_connection: Arc<HttpConnection>,
    /// The Content Security Policy for the iframe page. `None` if all pages may embed it.
    pub ancestors: Option<HeaderValue>,
    /// What the HTTP server has found out about the sender.
    pub trust: Trust,
}

impl<A: Application> Endpoints<A> {
    /// Creates a service without sessions. Messages from clients are charged until the application takes them. Messages
    /// of authenticated clients are charged to `input`. Those of other clients are charged to `unauthenticated`.
    pub fn new(
        application: A,
        options: Options,
        input: Arc<InputShare>,
        unauthenticated: Arc<InputShare>,
        metrics: Arc<Metrics>,
    ) -> Endpoints<A> {
        let per_address = options.sessions_per_address_max;
        Endpoints {
            application: Arc::new(application),
            iframe: IframePage::new(options.client_url.as_deref().unwrap_or(CLIENT_URL)),
            registry: Arc::default(),
            connection_limiter: ConnectionLimiter::with_limits(
                options.sessions_max,
                per_address,
                [Limit::SockjsSessions, Limit::SockjsSessionsPerAddress],
            ),
            options: Arc::new(options),
            input,
            unauthenticated,
            metrics,
            full_log: LogLimit::default(),
            input_rejections: InputRejections::default(),
            hash_state: RandomState::new(),
            altered_handshakes: LogLimit::default(),
            parsing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Returns the number of sessions over HTTP that requests can reach. This includes closed sessions that still
    /// answer requests with their close frame.
    #[cfg(any(test, feature = "internals"))]
    pub fn sessions(&self) -> usize {
        self.registry.len()
    }

    /// Removes sessions that have been closed for some time. Must be called periodically.
    pub fn expire(&self, now: Instant) {
        self.registry.expire(now);
    }

    /// Answers a request. The first `base_bytes` bytes of its path are the base path. The part after them is the path
    /// in the service.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        base_bytes: usize,
        request_context: RequestContext,
    ) -> Response<Body> {
        let subpath = request.uri().path().get(base_bytes..).unwrap_or_default();
        let headers = request.headers();
        let Some(route) = Route::of(subpath, self.options.transports) else {
            return ResponseBuilder::new(headers).not_found();
        };
        let method = request.method();
        match route {
            Route::Base if self.options.native && offers_upgrade(headers) => {
                self.upgrade_raw(request, &request_context)
            }
            Route::RawSocket => self.upgrade_raw(request, &request_context),
            Route::Base | Route::Iframe if method != Method::GET => {
                ResponseBuilder::new(headers).not_allowed("GET")
            }
            Route::Base => static_responses::greeting(headers),
            Route::Iframe => self.iframe.response(headers, request_context.ancestors),
            Route::Info => match *method {
                Method::GET => static_responses::info(headers, &self.options),
                Method::OPTIONS => self.preflight(&request, "OPTIONS, GET"),
                _ => ResponseBuilder::new(headers).not_allowed("OPTIONS, GET"),
            },
            Route::Session { id, row } => {
                let id = id.to_owned();
                self.answer_session(request, &id, row, &request_context).await
            }
        }
    }

    fn preflight(&self, request: &Request<Incoming>, methods: &'static str) -> Response<Body> {
        let builder = ResponseBuilder::new(request.headers()).preflight(methods, SystemTime::now()).cors();
        builder.with_cookie(self.options.cookie).empty(StatusCode::NO_CONTENT)
    }

    async fn answer_session(
        &self,
        request: Request<Incoming>,
        id: &str,
        row: &'static RouteRow,
        request_context: &RequestContext,
    ) -> Response<Body> {
        let method = request.method();
        if method == Method::OPTIONS && row.allow.contains("OPTIONS") {
            return self.preflight(&request, row.allow);
        }
        if *method != row.method {
            return ResponseBuilder::new(request.headers()).not_allowed(row.allow);
        }
        match row.kind {
            RouteKind::Socket => self.upgrade(request, request_context),
            RouteKind::Receive { envelope, polling, callback } => {
                let response_bytes_max = if polling { 1 } else { self.options.stream_bytes_max };
                self.receive(&request, id, (row, envelope, response_bytes_max, callback), request_context)
            }
            RouteKind::Send { is_form } => self.send(request, id, row, is_form, request_context).await,
        }
    }

    /// Returns a builder with the headers that all responses of a transport have in common.
    fn response_builder<'a>(&self, row: &RouteRow, request: &'a Request<impl Sized>) -> ResponseBuilder<'a> {
        let builder = ResponseBuilder::new(request.headers()).uncached().with_cookie(self.options.cookie);
        if row.cors { builder.cors() } else { builder }
    }

    fn identity(&self, request: &Request<impl Sized>, request_context: &RequestContext) -> u64 {
        let query = request.uri().query().unwrap_or_default();
        identity(
            &self.hash_state,
            &self.options,
            request.headers(),
            query,
            request_context.address,
            &request_context.trust,
        )
    }

    /// Returns the peer for a new connection or session that `request` starts.
    pub(super) fn peer(
        &self,
        permit: ConnectionPermit,
        request: &Request<impl Sized>,
        request_context: &RequestContext,
    ) -> Peer {
        let query = request.uri().query().unwrap_or_default();
        let cookie = self.options.token_cookie.as_deref();
        let handshake =
            handshake(request.headers(), query, request_context.address, &request_context.trust, cookie);
        Peer { permit, handshake: Arc::new(handshake) }
    }

    // ---- receiving ----

    fn receive(
        &self,
        request: &Request<Incoming>,
        id: &str,
        (row, envelope, response_bytes_max, callback): (&'static RouteRow, &Envelope, usize, Option<usize>),
        request_context: &RequestContext,
    ) -> Response<Body> {
        let builder = self.response_builder(row, request);
        let query = request.uri().query().unwrap_or_default();
        let name = match callback.map(|length_max| requested_callback(query, length_max)) {
            None => None,
            Some(Ok(callback)) => Some(callback),
            Some(Err(error)) => return builder.text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        };
        if let Some(limit) = request_context.http_connection.limit() {
            return self.reject_full(builder, limit, request_context);
        }
        let format = ResponseFormat::new(
            row,
            envelope,
            name.as_ref().map_or("", Callback::as_str),
            response_bytes_max,
        );
        let identity = self.identity(request, request_context);
        let mut permit = None;
        let found = self.registry.find_or_insert(id, || {
            let permit = permit.insert(self.connection_limiter.acquire(request_context.address)?).clone();
            let delays =
                Delays { heartbeat: self.options.heartbeat, disconnect: self.options.disconnect_delay };
            Ok(SharedSession::new(
                id,
                (identity, request_context.trust.is_own_page),
                self.registry.weak(),
                delays,
                format.clone(),
                permit,
            ))
        });
        let session = match found {
            Ok(session) if !session.matches_identity(identity, request_context.trust.is_own_page) => {
                return builder.not_found();
            }
            Ok(session) => session,
            Err(limit) => return self.reject_full(builder, limit, request_context),
        };
        let receiver =
            SockJsReceiver::attach(session.clone(), format, &request_context.http_connection, Instant::now());
        if let Some(permit) = permit {
            let peer = self.peer(permit, request, request_context);
            self.application.serve_connection(HttpWire::new(session), peer);
        }
        // Proxies that support this header then forward each chunk at once.
        let builder = builder.constant(ACCEL_BUFFERING, "no");
        let builder = match row.path {
            "jsonp" => builder.constant(hyper::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            _ => builder,
        };
        // HTTP/1.0 has no chunked encoding, so only the end of the connection can end a stream.
        let version = request.version();
        let builder = match version {
            Version::HTTP_10 => builder.constant(hyper::header::CONNECTION, "close"),
            _ => builder,
        };
        let mut response = builder.body(StatusCode::OK, row.content_type, Body::Receiver(receiver));
        *response.version_mut() = version;
        response
    }

    pub(super) fn reject_full(
        &self,
        builder: ResponseBuilder<'_>,
        limit: Limit,
        request_context: &RequestContext,
    ) -> Response<Body> {
        self.metrics.limit_hit(limit);
        log_limit_reached(&self.full_log, limit, request_context.address);
        builder.text(
            status_of(Code::Limit, Some(limit)),
            format!(
                "The limit {limit} is reached. Close {}, try again later, or raise {limit}.\n",
                limited_items(limit)
            ),
        )
    }

    // ---- sending ----

    async fn send(
        &self,
        request: Request<Incoming>,
        id: &str,
        row: &'static RouteRow,
        is_form: bool,
        request_context: &RequestContext,
    ) -> Response<Body> {
        let identity = self.identity(&request, request_context);
        let session = self
            .registry
            .find(id)
            .filter(|session| session.matches_identity(identity, request_context.trust.is_own_page));
        let (limit, bytes_max, share) = match &session {
            Some(session) if session.is_authenticated() => {
                (Limit::SockjsSendBytes, self.options.send_bytes_max, &self.input)
            }
            Some(_) => {
                (Limit::ConnectFrameBytes, self.options.unauthenticated_send_bytes_max, &self.unauthenticated)
            }
            None => (Limit::ConnectFrameBytes, UNKNOWN_SESSION_BYTES_MAX, &self.unauthenticated),
        };
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, ());
        let builder = self.response_builder(row, &request);
        let upload = match upload::read(body, bytes_max, self.options.body_timeout, share).await {
            Ok(upload) => upload,
            Err(upload::UploadError::TooLarge) if session.is_none() => return builder.not_found(),
            Err(error) => return self.reject_upload(builder, error, limit, request_context),
        };
        let (upload, payload) = upload.parse(is_form, request.headers(), &self.parsing).await;
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return builder.text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        };
        let Some(session) = session else { return builder.not_found() };
        if !payload.is_empty() {
            let share = if session.is_authenticated() { &self.input } else { &self.unauthenticated };
            let charge = share.budget().charge(payload.bytes());
            drop(upload);
            session.send(InboundMessages::new(payload, charge)).await;
        }
        match is_form {
            true => builder.body(StatusCode::OK, row.content_type, "ok".to_owned()),
            false => {
                builder.constant(hyper::header::CONTENT_TYPE, row.content_type).empty(StatusCode::NO_CONTENT)
            }
        }
    }

    fn reject_upload(
        &self,
        builder: ResponseBuilder<'_>,
        error: upload::UploadError,
        limit: Limit,
        request_context: &RequestContext,
    ) -> Response<Body> {
        use upload::UploadError;
        let (limit, advice) = match error {
            UploadError::TooLarge => (limit, "Send smaller requests"),
            UploadError::TooSlow => {
                (Limit::StallTimeout, "The body arrives too slowly. Send it without pauses")
            }
            UploadError::NoMemory => (Limit::MemoryBytes, "Send again later, send smaller messages"),
            UploadError::Broken => return builder.text(StatusCode::BAD_REQUEST, "The body is incomplete.\n"),
        };
        self.metrics.limit_hit(limit);
        if error != UploadError::TooLarge {
            self.input_rejections.log(limit, request_context.address);
        }
        builder.text(
            status_of(Code::Limit, Some(limit)),
            format!("The limit {limit} is reached. {advice}, or raise {limit}.\n"),
        )
    }
}

fn requested_callback(query: &str, length_max: usize) -> Result<Callback, CallbackError> {
    let name = parameter(query, "c").or_else(|| parameter(query, "callback"));
    Callback::parse(name.as_deref().unwrap_or_default(), length_max)
}
