//! Errors of a measurement, with advice.

use std::io;
use thiserror::Error;

/// An error that prevents or ends a measurement.
#[derive(Debug, Error)]
pub(super) enum BenchError {
    #[error("cannot resolve the host {host:?}: {error}. Check --url")]
    NoHost { host: String, error: io::Error },
    #[error("no server listens at {address}. Start a broker there, or set another address with --url")]
    ConnectionRefused { address: String },
    #[error("{address}: {error}")]
    Socket { address: String, error: io::Error },
    #[error("the broker answers {status} to {path}.{} Response: {text}", hint(*status))]
    Rejected { status: u16, path: String, text: String },
    #[error(
        "the broker rejected CONNECT. Check --login and --passcode (or STOMPBOX_BENCH_PASSCODE). If the broker has \
             several virtual hosts, set --vhost. ERROR: {0}"
    )]
    Login(String),
    #[error("the broker sent an ERROR: {0}")]
    Error(String),
    #[error("the broker closed the connection{0}")]
    Closed(String),
    #[error("the broker sent data that is not {0}. Check the transport in --url")]
    Protocol(String),
    #[error("{0} within {1} s")]
    TimedOut(String, u64),
    #[error("{0}")]
    Other(String),
}

/// Returns the reason for an HTTP status, or advice, after a space.
fn hint(status: u16) -> &'static str {
    match status {
        401 | 407 => " It requires HTTP authentication, which stompbox bench does not support.",
        403 | 421 => {
            " It does not allow this host or origin. Set an allowed host in --url, or allow this host."
        }
        404 | 405 => " Check the path of --url, and whether the broker has enabled this transport.",
        503 | 429 => " It has reached a limit, or is stopping.",
        _ => "",
    }
}

/// Converts an I/O error of the socket that is connected to `address`.
pub(super) fn of_socket(address: &str, error: io::Error) -> BenchError {
    let address = address.to_owned();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => BenchError::ConnectionRefused { address },
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => BenchError::Closed(String::new()),
        _ => BenchError::Socket { address, error },
    }
}

impl BenchError {
    pub(super) fn protocol(expected: &str) -> BenchError {
        BenchError::Protocol(expected.to_owned())
    }
}
