//! SockJS: messages for browsers over WebSocket or, where the network does not allow it, over plain HTTP.
//!
//! ```text
//!   request ─> Endpoints ─> routes: one row per path
//!                 │ Receive ─> Receiver::attach ─> SharedSession::attach
//!                 │ Send ────> SharedSession::send
//!                 └ Socket ──> SocketWire (SockJS), or the bare Socket (raw WebSocket)
//!   application <─> HttpWire <─> SharedSession (one session, in the Registry)
//! ```
//!
//! An [`Application`] runs on the sessions: it gets a [`Wire`](crate::wire::Wire) for each of them and does not depend
//! on the transport below. The rules of the life of a session are in [`session`], which is sans-IO; the formats are in
//! `stompbox_frames::sockjs`.
//!
//! A session over HTTP is a wire that reads what `xhr_send` and `jsonp_send` requests bring, and writes to the attached
//! receiver. Without a receiver the wire is not ready, and messages wait where they also wait for a slow WebSocket: in
//! the outbound queue, which bounds them.

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
pub use options::{Options, Transport, Transports};
pub use route::is_iframe_page;
pub use routes::names;
