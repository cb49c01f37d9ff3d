//! The HTTP listener: WebSocket upgrades, health and metrics.

pub mod health;

use crate::metrics::Metrics;
use crate::transport::websocket::{self, WebSocketWire};
use crate::transport::{Hub, Seat, drive, sockets};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Sockets beyond `connections-max` that may speak HTTP, so that health and metrics answer on a full broker.
const SPARE_SOCKETS: usize = 64;
/// hyper's read buffer of one connection at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;
