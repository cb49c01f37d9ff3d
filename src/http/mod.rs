//! The HTTP listener: WebSocket and SockJS, health and metrics, and the embedded site.
//!
//! ```text
//!   HttpServer ─> HttpSocket ─> hyper ─> Service ─> Router: one row per path
//!                                                     │ ws-path ─> sockjs::Endpoints
//!                                                     │ health, ready, metrics
//!                                                     └ files of the embedded site
//! ```
//!
//! Every request is checked first against the host policy and, below `ws-path`, against the origin policy ([`policy`]).

mod body;
mod client_info;
mod connection;
pub mod health;
mod options;
pub mod pages;
pub(crate) mod policy;
mod rejection_log;
mod router;
mod server;
mod service;
mod socket;
pub mod sockjs;
mod stomp;

pub use body::Body;
pub use client_info::Trust;
pub use connection::{Admission, Attached, HttpConnection, UpgradeError};
pub use health::MetricsFrom;
pub use options::Options;
pub use server::HttpServer;
pub use socket::{HttpSocket, HttpStart};
pub use stomp::Stomp;
