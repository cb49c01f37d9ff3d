//! Services for conformance checkers of SockJS and WebSocket. Most services send messages back, and one closes every
//! session.

use bytes::{Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use stompbox::budget::Budget;
use stompbox::connection::peer::Peer;
use stompbox::http::body::Body;
use stompbox::http::client_info::Trust;
use stompbox::http::connection::{Admission, HttpConnection};
use stompbox::http::socket::HttpSocket;
use stompbox::http::sockjs::{
    Application, Endpoints, Options, RequestContext, SockJsTransport, SockJsTransports,
};
use stompbox::limits::connection_limiter::{ConnectionLimiter, ConnectionPermit};
use stompbox::limits::head_memory::HeadMemory;
use stompbox::limits::input::InputShare;
use stompbox::metrics::Metrics;
use stompbox::wire::byte_stream::ByteStream;
use stompbox::wire::output_buffer::OutputBuffer;
use stompbox::wire::websocket::{WebSocket, message};
use stompbox::wire::{CloseInfo, OutgoingFrame, ReadEnd, Tail, Wire};
use stompbox_frames::websocket::Opcode;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

/// Maximum number of bytes of unprocessed input of all clients.
const MEMORY_BYTES_MAX: usize = 256 << 20;
const CONNECTIONS_MAX: usize = 15_000;
/// Number of unsent bytes of echoes at which a session stops reading from its client.
const ECHO_BYTES_MAX: usize = 1 << 20;
/// Size of a streaming response that conformance checkers expect.
const STREAM_BYTES_MAX: usize = 4096;
const GO_AWAY: CloseInfo = CloseInfo { code: 3000, reason: "Go away!" };

/// An application that sends every message back, or closes every session at once.
struct Echo {
    closes: bool,
}

impl Application for Echo {
    fn serve_connection<W: Wire>(&self, wire: W, peer: Peer) {
        let mut conversation = Conversation::new(wire, self.closes);
        self.spawn(async move {
            poll_fn(|cx| conversation.poll(cx)).await;
            drop((conversation, peer));
        });
    }

    fn serve_raw_websocket<S: ByteStream>(&self, socket: WebSocket<S>, peer: Peer) {
        let mut raw =
            Raw { socket, out: OutputBuffer::default(), message: BytesMut::new(), is_closing: self.closes };
        if raw.is_closing {
            raw.socket.write_close(GO_AWAY, &mut raw.out);
        }
        self.spawn(async move {
            poll_fn(|cx| raw.poll(cx)).await;
            // The close frame is written. Reads further input, because unread input would reset the connection.
            let lingered = poll_fn(|cx| raw.socket.poll_discard(cx));
            let _ = tokio::time::timeout(Duration::from_secs(2), lingered).await;
            drop(peer);
        });
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }
}

/// A SockJS session that sends each message back to its client.
struct Conversation<W> {
    wire: W,
    out: OutputBuffer,
    is_closing: bool,
    timer: Pin<Box<Sleep>>,
}

impl<W: Wire> Conversation<W> {
    fn new(mut wire: W, closes: bool) -> Conversation<W> {
        let mut out = OutputBuffer::default();
        wire.open(&mut out);
        wire.set_authenticated(None);
        if closes {
            wire.write_close(GO_AWAY, &mut out);
        }
        Conversation {
            wire,
            out,
            is_closing: closes,
            timer: Box::pin(tokio::time::sleep_until(Instant::now().into())),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            while self.out.pending() > 0 {
                match self.wire.poll_write(cx, &mut self.out) {
                    Poll::Ready(Ok(bytes)) => self.out.advance(bytes, |_| {}),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            if self.is_closing && self.out.pending() == 0 {
                return self.wire.poll_shutdown(cx).map(|_| ());
            }
            // Stops reading while the client does not read its echoes.
            let read = if self.out.pending() < ECHO_BYTES_MAX { self.read(cx) } else { Poll::Pending };
            match read {
                Poll::Ready(Ok(())) => continue,
                Poll::Ready(Err(_)) if self.is_closing => return Poll::Ready(()),
                Poll::Ready(Err(_)) => {
                    self.is_closing = true;
                    self.wire.write_close(CloseInfo { code: 1000, reason: "" }, &mut self.out);
                    continue;
                }
                Poll::Pending => {}
            }
            let Some(deadline) = self.wire.deadline() else { return Poll::Pending };
            self.timer.as_mut().reset(deadline.into());
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.wire.expire(Instant::now(), &mut self.out);
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadEnd>> {
        let mut messages = Vec::new();
        let read =
            self.wire.poll_read(cx, &mut self.out, &mut |bytes| messages.push(Bytes::copy_from_slice(bytes)));
        for message in &messages {
            let frame = OutgoingFrame { prefix: &[], tail: Tail::Own(message), text: true, mark: None };
            self.wire.write_frame(frame, &mut self.out);
        }
        read.map(|read| read.map(|_| ()))
    }
}

/// One WebSocket without SockJS. The service sends its messages back unchanged, text as text and binary as binary.
struct Raw<S> {
    socket: WebSocket<S>,
    out: OutputBuffer,
    message: BytesMut,
    is_closing: bool,
}

impl<S: ByteStream> Raw<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            while self.out.pending() > 0 {
                match self.socket.poll_write(cx, &self.out) {
                    Poll::Ready(Ok(bytes)) if bytes > 0 => self.out.advance(bytes, |_| {}),
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.is_closing {
                return self.socket.poll_shutdown(cx).map(|_| ());
            }
            let Raw { socket, out, message: pending, .. } = self;
            let mut echoes = Vec::new();
            let read = socket.poll_read(cx, out, |data| {
                pending.extend_from_slice(data.payload);
                if data.end {
                    let opcode = if data.text { Opcode::Text } else { Opcode::Binary };
                    echoes.push((opcode, pending.split().freeze()));
                }
                Ok(())
            });
            for (opcode, payload) in echoes {
                message(opcode, &payload, out);
            }
            match read {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(ReadEnd::Failed)) => return Poll::Ready(()),
                Poll::Ready(Err(_)) => {
                    self.is_closing = true;
                    self.socket.write_close(CloseInfo { code: 1000, reason: "" }, &mut self.out);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// All services, each with its base path.
pub(crate) struct Services {
    services: Vec<(&'static str, Endpoints<Echo>)>,
    connection_limiter: Arc<ConnectionLimiter>,
    budget: Arc<Budget>,
    heads: Arc<HeadMemory>,
}

impl Services {
    /// Creates the services of the conformance suite. `change` adjusts their options, for example delays that are too
    /// long for a test.
    pub(crate) fn new(change: impl Fn(&mut Options)) -> Arc<Services> {
        let budget = Budget::new(MEMORY_BYTES_MAX);
        let service = |closes: bool, cookie: bool, transports: SockJsTransports| {
            let mut options = Options {
                stream_bytes_max: STREAM_BYTES_MAX,
                native: transports.has(SockJsTransport::WebSocket),
                cookie,
                transports,
                ..Options::default()
            };
            change(&mut options);
            let input = InputShare::new(budget.clone(), options.body_timeout);
            Endpoints::new(Echo { closes }, options, input.clone(), input, Metrics::new())
        };
        let services = vec![
            ("/echo", service(false, false, SockJsTransports::ALL)),
            (
                "/disabled_websocket_echo",
                service(false, false, SockJsTransports::ALL.without(SockJsTransport::WebSocket)),
            ),
            ("/cookie_needed_echo", service(false, true, SockJsTransports::ALL)),
            ("/close", service(true, false, SockJsTransports::ALL)),
        ];
        let heads = HeadMemory::new(&budget, Metrics::new());
        Arc::new(Services {
            services,
            connection_limiter: ConnectionLimiter::new(CONNECTIONS_MAX, 0),
            budget,
            heads,
        })
    }

    /// Serves until the future is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.services.iter().for_each(|(_, endpoints)| endpoints.expire(Instant::now()));
                }
                Ok((stream, peer)) = listener.accept() => {
                    if let Ok(permit) = self.connection_limiter.acquire(peer.ip()) {
                        tokio::spawn(self.clone().serve_connection(stream, permit));
                    }
                }
            }
        }
    }

    async fn serve_connection(self: Arc<Self>, stream: TcpStream, permit: ConnectionPermit) {
        let _ = stream.set_nodelay(true);
        let address = permit.address();
        let line = Arc::new(HttpConnection::new(Admission::ConnectionPermit(permit)));
        let own_line = line.clone();
        let socket = HttpSocket::new(stream, own_line.clone(), self.heads.clone());
        let service = service_fn(move |request| {
            let request_context = RequestContext {
                address,
                http_connection: line.clone(),
                ancestors: None,
                trust: Trust::default(),
            };
            let services = self.clone();
            async move { Ok::<_, Infallible>(services.answer(request, request_context).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .half_close(true)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        tokio::select! {
            _ = connection => {}
            () = own_line.aborted() => {}
        }
    }

    async fn answer(&self, request: Request<Incoming>, request_context: RequestContext) -> Response<Body> {
        let path = request.uri().path();
        let found = self.services.iter().find(|(base, _)| {
            path.strip_prefix(base).is_some_and(|below| below.is_empty() || below.starts_with('/'))
        });
        match found {
            Some((base, endpoints)) => endpoints.answer(request, base.len(), request_context).await,
            // Shows the resources in use. Tests check them after their clients have disconnected.
            None if path == "/" => {
                let sessions: usize = self.services.iter().map(|(_, endpoints)| endpoints.sessions()).sum();
                let (connections, bytes) = (self.connection_limiter.in_use(), self.budget.used());
                Response::new(Body::from(format!(
                    "sessions {sessions}\nconnections {connections}\nbytes {bytes}\n"
                )))
            }
            None => {
                let mut response = Response::new(Body::from("not found\n".to_owned()));
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        }
    }
}
