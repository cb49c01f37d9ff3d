//! Stompbox. (crate doc to be written)
pub mod broker;
pub mod budget;
pub mod destination;
pub mod metrics;
pub mod outbox;
pub mod session;
pub mod transport;
pub mod users;
pub mod http;
pub mod cli;
pub mod config;
