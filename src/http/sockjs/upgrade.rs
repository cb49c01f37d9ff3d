//! Upgrades requests to WebSockets, both with SockJS and without it.

use super::application::Application;
use super::endpoints::{Endpoints, RequestContext};
use super::response_builder::ResponseBuilder;
use super::session::socket_wire::SocketWire;
use crate::connection::peer::Peer;
use crate::http::body::Body;
use crate::http::connection::UpgradeError;
use crate::http::socket::HttpSocket;
use crate::wire::websocket::{PROXY_REMEDY, WebSocket, accept};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::time::Instant;
use tokio::net::TcpStream;

impl<A: Application> Endpoints<A> {
    /// Upgrades a request to a WebSocket with SockJS.
    pub(super) fn upgrade(
        &self,
        request: Request<Incoming>,
        request_context: &RequestContext,
    ) -> Response<Body> {
        let options = self.options.clone();
        let message_bytes_max = options.unauthenticated_send_bytes_max as u64;
        self.accept_handshake(
            request,
            request_context,
            message_bytes_max,
            move |application, socket, peer| {
                let wire = SocketWire::new(socket, options.heartbeat, options.ws_message_bytes_max);
                application.serve_connection(wire, peer);
            },
        )
    }

    /// Upgrades a request to a WebSocket without SockJS.
    pub(super) fn upgrade_raw(
        &self,
        request: Request<Incoming>,
        request_context: &RequestContext,
    ) -> Response<Body> {
        let message_bytes_max = self.options.ws_message_bytes_max;
        self.accept_handshake(request, request_context, message_bytes_max, |application, socket, peer| {
            application.serve_raw_websocket(socket, peer);
        })
    }

    /// Answers the handshake. Calls `serve` with the socket when hyper has sent the response with status 101.
    fn accept_handshake(
        &self,
        mut request: Request<Incoming>,
        request_context: &RequestContext,
        message_bytes_max: u64,
        serve: impl FnOnce(&A, WebSocket<TcpStream>, Peer) + Send + 'static,
    ) -> Response<Body> {
        let handshake = accept(&request);
        if let Some(removed) = handshake.removed
            && let Some(others) = self.altered_handshakes.due(Instant::now())
        {
            tracing::warn!(
                address = %request_context.address,
                others,
                "rejected a WebSocket handshake that arrived {removed}. A proxy has changed it. {PROXY_REMEDY}"
            );
        }
        if !handshake.accepted {
            return handshake.response.map(Body::from);
        }
        let permit = match request_context.http_connection.take_permit(request_context.address) {
            Ok(permit) => permit,
            Err(UpgradeError::LimitReached(limit)) => {
                return self.reject_full(ResponseBuilder::new(request.headers()), limit, request_context);
            }
            // A connection can be upgraded only once.
            Err(UpgradeError::AlreadyUpgraded) => {
                return ResponseBuilder::new(request.headers()).empty(StatusCode::CONFLICT);
            }
        };
        let peer = self.peer(permit, &request, request_context);
        let upgrade = hyper::upgrade::on(&mut request);
        let application = self.application.clone();
        self.application.spawn(async move {
            let upgraded = match upgrade.await {
                Ok(upgraded) => upgraded,
                Err(error) => return tracing::debug!(%error, "the WebSocket handshake was not completed"),
            };
            match upgraded.downcast::<TokioIo<HttpSocket>>() {
                Ok(parts) => {
                    let (stream, buffered) = parts.io.into_inner().into_parts();
                    let read = [parts.read_buf, buffered].concat().into();
                    let socket = WebSocket::new(stream, read, message_bytes_max);
                    serve(&application, socket, peer);
                }
                Err(_) => tracing::error!("the upgraded connection is not the accepted socket"),
            }
        });
        handshake.response.map(Body::from)
    }
}
