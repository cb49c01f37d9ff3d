//! SockJS: carries messages of browsers over WebSocket or, if the network does not allow WebSocket, over plain HTTP.
//!
//! ```text
//!   request ─> Endpoints ─> routes: one row per path
//!                 │ Receive ─> SockJsReceiver::attach ─> SharedSession::attach
//!                 │ Send ────> SharedSession::send
//!                 └ Socket ──> SocketWire (SockJS), or the bare WebSocket
//!   application <─> HttpWire <─> SharedSession (one session, in the Registry)
//! ```
//!
//! An [`Application`] runs on the sessions. It gets a [`Wire`](crate::wire::Wire) for each session, and does not depend
//! on the transport. The module [`session`] contains the rules for the lifetime of a session, without I/O. The formats
//! are in `stompbox_frames::sockjs`.
//!
//! A session over HTTP is a wire, too. It reads the bodies of `xhr_send` and `jsonp_send` requests, and writes to the
//! attached receiver. Without a receiver, the wire is not ready. Messages then wait in the outbound queue, which limits
//! them, just as they wait for a slow WebSocket client.

mod application;
mod endpoints;
pub(crate) mod identity;
mod inbound_messages;
mod options;
mod response_builder;
mod route;
mod routes;
pub(crate) mod session;
mod static_responses;
mod upgrade;
mod upload;

pub use application::Application;
pub use endpoints::{Endpoints, RequestContext};
pub use options::{Options, SockJsTransport, SockJsTransports};
pub use route::is_iframe_page;
pub use routes::names;
