//! Stompbox. (crate doc to be written)
pub mod broker;
pub mod budget;
pub mod cli;
pub mod config;
pub mod destination;
pub mod http;
pub mod metrics;
pub mod outbox;
pub mod server;
pub mod session;
pub mod transport;
pub mod users;
