//! The HTTP listener. It serves WebSocket and SockJS clients, health checks, metrics, and the embedded site.
//!
//! ```text
//!   HttpServer ─> HttpSocket ─> hyper ─> Service ─> Router: one row per path
//!                                                     │ ws-path ─> sockjs::Endpoints
//!                                                     │ health, ready, metrics
//!                                                     └ files of the embedded site
//! ```
//!
//! Every request must pass the host policy. Requests below `ws-path` must also pass the origin policy ([`policy`]).

pub mod body;
pub mod client_info;
pub mod connection;
pub mod health;
pub mod metrics_page;
mod options;
pub(crate) mod policy;
mod rejection_log;
mod rejection_status;
mod router;
mod server;
mod service;
pub mod site;
pub mod socket;
pub mod sockjs;
mod stomp;
mod text_response;

pub use options::Options;
pub use server::HttpServer;
pub use stomp::Stomp;
