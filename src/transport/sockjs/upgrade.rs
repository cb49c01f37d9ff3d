//! Upgrades requests to WebSockets, with and without SockJS.

use super::Application;
use super::answer::Answer;
use super::endpoints::{Endpoints, RequestContext};
use super::receiver::Body;
use super::socket_wire::SocketWire;
use crate::transport::http_connection::LimitReached;
use crate::transport::http_socket::HttpSocket;
use crate::transport::peer::Peer;
use crate::transport::websocket::{PROXY_REMEDY, Socket, accept};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::time::Instant;
use tokio::net::TcpStream;

impl<A: Application> Endpoints<A> {
    /// A WebSocket with SockJS on it.
    pub(super) fn upgrade(
        &self,
        request: Request<Incoming>,
        request_context: &RequestContext,
    ) -> Response<Body> {
        let options = self.options.clone();
        let untrusted = options.untrusted_send_bytes_max as u64;
        self.hand_off(request, request_context, untrusted, move |application, socket, peer| {
            let wire = SocketWire::new(socket, options.heartbeat, options.ws_message_bytes_max);
            application.serve_connection(wire, peer);
        })
    }

    /// A WebSocket with nothing else on it.
    pub(super) fn upgrade_raw(
        &self,
        request: Request<Incoming>,
        request_context: &RequestContext,
    ) -> Response<Body> {
        let message_bytes_max = self.options.ws_message_bytes_max;
        self.hand_off(request, request_context, message_bytes_max, |application, socket, peer| {
            application.converse_raw(socket, peer);
        })
    }

    /// Answers the handshake. Calls `begin` with the socket once the 101 response is on its way.
    fn hand_off(
        &self,
        mut request: Request<Incoming>,
        request_context: &RequestContext,
        message_bytes_max: u64,
        begin: impl FnOnce(&A, Socket<TcpStream>, Peer) + Send + 'static,
    ) -> Response<Body> {
        let handshake = accept(&request);
        if let Some(removed) = handshake.removed
            && let Some(others) = self.mangled_handshakes.due(Instant::now())
        {
            tracing::warn!(
                address = %request_context.address,
                others,
                "refused a WebSocket handshake {removed}: a proxy has changed it. {PROXY_REMEDY}"
            );
        }
        if !handshake.accepted {
            return handshake.response.map(Body::from);
        }
        let permit = match request_context.line.take_permit(request_context.address) {
            Ok(permit) => permit,
            Err(LimitReached::Full(limit)) => {
                return self.full(Answer::to(request.headers()), limit, request_context);
            }
            // One connection is upgraded once.
            Err(LimitReached::Taken) => return Answer::to(request.headers()).empty(StatusCode::CONFLICT),
        };
        let peer = self.peer(permit, &request, request_context);
        let upgrade = hyper::upgrade::on(&mut request);
        let application = self.application.clone();
        self.application.spawn(async move {
            let upgraded = match upgrade.await {
                Ok(upgraded) => upgraded,
                Err(error) => return tracing::debug!(%error, "a WebSocket handshake was not finished"),
            };
            match upgraded.downcast::<TokioIo<HttpSocket>>() {
                Ok(parts) => {
                    let (stream, ahead) = parts.io.into_inner().into_parts();
                    let read = [parts.read_buf, ahead].concat().into();
                    let socket = Socket::new(stream, read, message_bytes_max);
                    begin(&application, socket, peer);
                }
                Err(_) => tracing::error!("an upgraded connection is not the socket that was accepted"),
            }
        });
        handshake.response.map(Body::from)
    }
}
