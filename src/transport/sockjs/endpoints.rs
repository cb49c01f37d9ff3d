//! The paths of one SockJS service, and what they do.

use super::answer::Answer;
use super::http_wire::HttpWire;
use super::identity::{identity, parameter};
use super::link::{Link, Sent};
use super::options::{CLIENT_URL, Options, Transport};
use super::receiver::Body;
use super::registry::Registry;
use super::session::Delays;
use super::statics::{self, IframePage};
use super::table::{Kind, ROWS, Row, Way};
use super::{Application, upload};
use crate::metrics::Metrics;
use crate::transport::full::{InputRefusals, held, log_full};
use crate::transport::input::InputShare;
use crate::transport::line::Line;
use crate::transport::log_limit::LogLimit;
use crate::transport::seats::{Seat, Seats};
use crate::transport::visitor::{Trust, Visitor, handshake};
use crate::transport::websocket::offers_upgrade;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use stompbox_frames::sockjs::{BadCallback, Callback, Envelope};
use tokio::sync::Semaphore;

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Octets of a body for a session that there is not; what it holds decides between two errors.
const STRAY_BYTES_MAX: usize = 4096;
/// Octets of a session's id at most.
const ID_BYTES_MAX: usize = 256;

/// One SockJS service: a base path with all its transports, and the sessions on them.
pub struct Endpoints<A> {
    pub(super) application: Arc<A>,
    pub(super) options: Arc<Options>,
    iframe: IframePage,
    registry: Arc<Registry>,
    seats: Arc<Seats>,
    /// For bodies of clients that have signed in.
    input: Arc<InputShare>,
    /// For bodies of clients that have not proved who they are: they must not use up what the others need.
    strangers: Arc<InputShare>,
    metrics: Arc<Metrics>,
    refusals: LogLimit,
    input_refusals: InputRefusals,
    hashing: RandomState,
    /// Log lines about handshakes that a proxy has changed.
    pub(super) mangled: LogLimit,
    /// The permit for parsing a large body.
    parsing: Arc<Semaphore>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The client's address.
    pub address: IpAddr,
    /// The connection on which the request came.
    pub line: Arc<Line>,
    /// The policy of who may embed the iframe page, if not everybody may.
    pub ancestors: Option<HeaderValue>,
    /// What is known of who sent it.
    pub trust: Trust,
}

/// What a path is, below the base.
enum Place<'a> {
    Base,
    Info,
    Iframe,
    RawSocket,
    Session { id: &'a str, row: &'static Row },
}

impl<A: Application> Endpoints<A> {
    /// Creates a service without sessions. Messages from clients are charged until the application takes them: to
    /// `input` if the client has signed in, to `strangers` before.
    pub fn new(
        application: A,
        options: Options,
        input: Arc<InputShare>,
        strangers: Arc<InputShare>,
        metrics: Arc<Metrics>,
    ) -> Endpoints<A> {
        let per_address = options.sessions_per_address_max;
        Endpoints {
            application: Arc::new(application),
            iframe: IframePage::new(options.client_url.as_deref().unwrap_or(CLIENT_URL)),
            registry: Arc::default(),
            seats: Seats::named(
                options.sessions_max,
                per_address,
                ["sockjs-sessions-max", "sockjs-sessions-per-address-max"],
            ),
            options: Arc::new(options),
            input,
            strangers,
            metrics,
            refusals: LogLimit::default(),
            input_refusals: InputRefusals::default(),
            hashing: RandomState::new(),
            mangled: LogLimit::default(),
            parsing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Sessions over HTTP that can be reached, those that are over and still say so included.
    pub fn sessions(&self) -> usize {
        self.registry.len()
    }

    /// Forgets sessions that have been over for a while; to be called now and then.
    pub fn expire(&self, now: Instant) {
        self.registry.expire(now);
    }

    /// Answers a request whose path is the base and, behind `base_bytes` octets, what is below it.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        base_bytes: usize,
        visit: Visit,
    ) -> Response<Body> {
        let below = request.uri().path().get(base_bytes..).unwrap_or_default();
        let headers = request.headers();
        let Some(place) = self.place(below) else { return Answer::to(headers).not_found() };
        let method = request.method();
        match place {
            Place::Base if self.options.native && offers_upgrade(headers) => {
                self.upgrade_raw(request, &visit)
            }
            Place::RawSocket => self.upgrade_raw(request, &visit),
            Place::Base | Place::Iframe if method != Method::GET => Answer::to(headers).not_allowed("GET"),
            Place::Base => statics::greeting(headers),
            Place::Iframe => self.iframe.answer(headers, visit.ancestors),
            Place::Info => match *method {
                Method::GET => statics::info(headers, &self.options),
                Method::OPTIONS => self.preflight(&request, "OPTIONS, GET"),
                _ => Answer::to(headers).not_allowed("OPTIONS, GET"),
            },
            Place::Session { id, row } => {
                let id = id.to_owned();
                self.answer_session(request, &id, row, &visit).await
            }
        }
    }

    fn place<'a>(&self, below: &'a str) -> Option<Place<'a>> {
        if below.is_empty() || below == "/" {
            return Some(Place::Base);
        }
        let path = below.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = path.split('/');
        match (segments.next()?, segments.next(), segments.next(), segments.next()) {
            ("info", None, ..) => Some(Place::Info),
            ("websocket", None, ..) if self.options.transports.has(Transport::WebSocket) => {
                Some(Place::RawSocket)
            }
            (page, None, ..) if is_iframe(page) => Some(Place::Iframe),
            (server, Some(id), Some(path), None) if is_name(server) && is_name(id) => {
                let row = ROWS.iter().find(|row| row.path == path)?;
                let is_on = row.transports.iter().any(|transport| self.options.transports.has(*transport));
                (is_on && id.len() <= ID_BYTES_MAX).then_some(Place::Session { id, row })
            }
            _ => None,
        }
    }

    fn preflight(&self, request: &Request<Incoming>, methods: &'static str) -> Response<Body> {
        let answer = Answer::to(request.headers()).preflight(methods, SystemTime::now()).cors();
        answer.with_cookie(self.options.cookie).empty(StatusCode::NO_CONTENT)
    }

    async fn answer_session(
        &self,
        request: Request<Incoming>,
        id: &str,
        row: &'static Row,
        visit: &Visit,
    ) -> Response<Body> {
        let method = request.method();
        if method == Method::OPTIONS && row.allow.contains("OPTIONS") {
            return self.preflight(&request, row.allow);
        }
        if *method != row.method {
            return Answer::to(request.headers()).not_allowed(row.allow);
        }
        match row.kind {
            Kind::Socket => self.upgrade(request, visit),
            Kind::Receive { envelope, polling, callback } => {
                let limits = if polling { 1 } else { self.options.stream_bytes_max };
                self.receive(&request, id, (row, envelope, limits, callback), visit)
            }
            Kind::Send { form } => self.send(request, id, row, form, visit).await,
        }
    }

    /// The headers that all answers of a transport have.
    fn answer_of<'a>(&self, row: &Row, request: &'a Request<impl Sized>) -> Answer<'a> {
        let answer = Answer::to(request.headers()).uncached().with_cookie(self.options.cookie);
        if row.cors { answer.cors() } else { answer }
    }

    fn identity(&self, request: &Request<impl Sized>, visit: &Visit) -> u64 {
        let query = request.uri().query().unwrap_or_default();
        identity(&self.hashing, &self.options, request.headers(), query, visit.address, &visit.trust)
    }

    /// The client whose connection or session a request begins.
    pub(super) fn visitor(&self, seat: Seat, request: &Request<impl Sized>, visit: &Visit) -> Visitor {
        let query = request.uri().query().unwrap_or_default();
        let cookie = self.options.token_cookie.as_deref();
        let handshake = handshake(request.headers(), query, visit.address, &visit.trust, cookie);
        Visitor { seat, handshake: Arc::new(handshake) }
    }

    // ---- receiving ----

    fn receive(
        &self,
        request: &Request<Incoming>,
        id: &str,
        (row, envelope, room, callback): (&'static Row, &Envelope, usize, Option<usize>),
        visit: &Visit,
    ) -> Response<Body> {
        let answer = self.answer_of(row, request);
        let query = request.uri().query().unwrap_or_default();
        let name = match callback.map(|length_max| requested_callback(query, length_max)) {
            None => None,
            Some(Ok(callback)) => Some(callback),
            Some(Err(bad)) => return answer.text(StatusCode::INTERNAL_SERVER_ERROR, format!("{bad}\n")),
        };
        if let Some(limit) = visit.line.limit() {
            return self.full(answer, limit, visit);
        }
        let way = Way::new(row, envelope, name.as_ref().map_or("", Callback::as_str), room);
        let identity = self.identity(request, visit);
        let mut seat = None;
        let made = self.registry.find_or_make(id, || {
            let seat = seat.insert(self.seats.take(visit.address)?).clone();
            let delays =
                Delays { heartbeat: self.options.heartbeat, disconnect: self.options.disconnect_delay };
            Ok(Link::new(
                id,
                (identity, visit.trust.is_own_page),
                self.registry.weak(),
                delays,
                way.clone(),
                seat,
            ))
        });
        let link = match made {
            Ok(link) if !link.is_of(identity, visit.trust.is_own_page) => return answer.not_found(),
            Ok(link) => link,
            Err(limit) => return self.full(answer, limit, visit),
        };
        let receiver = link.attach(way, &visit.line, Instant::now());
        if let Some(seat) = seat {
            let visitor = self.visitor(seat, request, visit);
            self.application.converse(HttpWire::new(link), visitor);
        }
        // Proxies that know it pass each chunk on at once.
        let answer = answer.constant(ACCEL_BUFFERING, "no");
        let answer = match row.path {
            "jsonp" => answer.constant(hyper::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            _ => answer,
        };
        // Where there are no chunks, nothing but the connection's end is the end of a stream.
        let version = request.version();
        let answer = match version {
            Version::HTTP_10 => answer.constant(hyper::header::CONNECTION, "close"),
            _ => answer,
        };
        let mut response = answer.body(StatusCode::OK, row.content_type, Body::Receiver(receiver));
        *response.version_mut() = version;
        response
    }

    pub(super) fn full(&self, answer: Answer<'_>, limit: &'static str, visit: &Visit) -> Response<Body> {
        self.metrics.limit_hit(limit);
        log_full(&self.refusals, limit, visit.address);
        answer.text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("The limit {limit} is met. Close {}, come back later, or raise {limit}.\n", held(limit)),
        )
    }

    // ---- sending ----

    async fn send(
        &self,
        request: Request<Incoming>,
        id: &str,
        row: &'static Row,
        form: bool,
        visit: &Visit,
    ) -> Response<Body> {
        let identity = self.identity(&request, visit);
        let link = self.registry.find(id).filter(|link| link.is_of(identity, visit.trust.is_own_page));
        let (limit, bytes_max, share) = match &link {
            Some(link) if link.is_trusted() => {
                ("sockjs-send-bytes-max", self.options.send_bytes_max, &self.input)
            }
            Some(_) => ("connect-frame-bytes-max", self.options.untrusted_send_bytes_max, &self.strangers),
            None => ("", STRAY_BYTES_MAX, &self.strangers),
        };
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, ());
        let answer = self.answer_of(row, &request);
        let upload = match upload::read(body, bytes_max, self.options.body_timeout, share).await {
            Ok(upload) => upload,
            Err(upload::Problem::TooLarge) if link.is_none() => return answer.not_found(),
            Err(problem) => return self.refuse_upload(answer, problem, limit, visit),
        };
        let (upload, payload) = upload.parse(form, request.headers(), &self.parsing).await;
        let payload = match payload {
            Ok(payload) => payload,
            Err(bad) => return answer.text(StatusCode::INTERNAL_SERVER_ERROR, format!("{bad}\n")),
        };
        let Some(link) = link else { return answer.not_found() };
        if !payload.is_empty() {
            let share = if link.is_trusted() { &self.input } else { &self.strangers };
            let charge = share.budget().charge(payload.bytes());
            drop(upload);
            link.send(Sent::new(payload, charge)).await;
        }
        match form {
            true => answer.body(StatusCode::OK, row.content_type, "ok".to_owned()),
            false => {
                answer.constant(hyper::header::CONTENT_TYPE, row.content_type).empty(StatusCode::NO_CONTENT)
            }
        }
    }

    fn refuse_upload(
        &self,
        answer: Answer<'_>,
        problem: upload::Problem,
        limit: &'static str,
        visit: &Visit,
    ) -> Response<Body> {
        use upload::Problem;
        let (status, limit, advice) = match problem {
            Problem::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, limit, "Send less at a time"),
            Problem::TooSlow => {
                let advice = "Too little of the body arrived in that time: send it without pauses";
                (StatusCode::REQUEST_TIMEOUT, "stall-timeout", advice)
            }
            Problem::NoMemory => {
                let advice = "Send again later, send smaller messages, or raise memory-bytes-max";
                (StatusCode::SERVICE_UNAVAILABLE, "memory-bytes-max", advice)
            }
            Problem::Broken => return answer.text(StatusCode::BAD_REQUEST, "The body was cut off.\n"),
        };
        self.metrics.limit_hit(limit);
        if problem != Problem::TooLarge {
            self.input_refusals.log(limit, visit.address);
        }
        answer.text(status, format!("The limit {limit} was met. {advice}, or raise {limit}.\n"))
    }
}

fn requested_callback(query: &str, length_max: usize) -> Result<Callback, BadCallback> {
    let name = parameter(query, "c").or_else(|| parameter(query, "callback"));
    Callback::parse(name.as_deref().unwrap_or_default(), length_max)
}

/// Names of servers and sessions: neither empty nor with a dot.
fn is_name(segment: &str) -> bool {
    !segment.is_empty() && !segment.contains('.')
}

/// Whether a path below the base is that of the page for iframes.
pub fn is_iframe_page(below: &str) -> bool {
    let page = below.strip_prefix('/').map(|page| page.strip_suffix('/').unwrap_or(page));
    page.is_some_and(is_iframe)
}

/// `iframe[0-9-.a-z_]*.html`
fn is_iframe(segment: &str) -> bool {
    let version = segment.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"));
    version.is_some_and(|version| {
        version
            .bytes()
            .all(|octet| octet.is_ascii_digit() || octet.is_ascii_lowercase() || b"-._".contains(&octet))
    })
}
