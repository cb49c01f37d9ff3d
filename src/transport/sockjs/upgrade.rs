//! From a request to a WebSocket, with SockJS on it or without.

use super::Application;
use super::answer::Answer;
use super::endpoints::{Endpoints, Visit};
use super::receiver::Body;
use super::socket_wire::SocketWire;
use crate::transport::http_socket::HttpSocket;
use crate::transport::line::NoSeat;
use crate::transport::visitor::Visitor;
use crate::transport::websocket::{PROXY_REMEDY, Socket, accept};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::time::Instant;
use tokio::net::TcpStream;

impl<A: Application> Endpoints<A> {
    /// A WebSocket with SockJS on it.
    pub(super) fn upgrade(&self, request: Request<Incoming>, visit: &Visit) -> Response<Body> {
        let options = self.options.clone();
        let untrusted = options.untrusted_send_bytes_max as u64;
        self.hand_off(request, visit, untrusted, move |application, socket, visitor| {
            let wire = SocketWire::new(socket, options.heartbeat, options.ws_message_bytes_max);
            application.converse(wire, visitor);
        })
    }

    /// A WebSocket with nothing else on it.
    pub(super) fn upgrade_raw(&self, request: Request<Incoming>, visit: &Visit) -> Response<Body> {
        let message_bytes_max = self.options.ws_message_bytes_max;
        self.hand_off(request, visit, message_bytes_max, |application, socket, visitor| {
            application.converse_raw(socket, visitor);
        })
    }

    /// Shakes hands; `begin` is called when 101 is on its way.
    fn hand_off(
        &self,
        mut request: Request<Incoming>,
        visit: &Visit,
        message_bytes_max: u64,
        begin: impl FnOnce(&A, Socket<TcpStream>, Visitor) + Send + 'static,
    ) -> Response<Body> {
        let handshake = accept(&request);
        if let Some(removed) = handshake.removed
            && let Some(others) = self.mangled.due(Instant::now())
        {
            tracing::warn!(
                address = %visit.address,
                others,
                "refused a WebSocket handshake {removed}: a proxy has changed it. {PROXY_REMEDY}"
            );
        }
        if !handshake.accepted {
            return handshake.response.map(Body::from);
        }
        let seat = match visit.line.take_seat(visit.address) {
            Ok(seat) => seat,
            Err(NoSeat::Full(limit)) => return self.full(Answer::to(request.headers()), limit, visit),
            // One connection is upgraded once.
            Err(NoSeat::Taken) => return Answer::to(request.headers()).empty(StatusCode::CONFLICT),
        };
        let visitor = self.visitor(seat, &request, visit);
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
                    begin(&application, socket, visitor);
                }
                Err(_) => tracing::error!("an upgraded connection is not the socket that was accepted"),
            }
        });
        handshake.response.map(Body::from)
    }
}
