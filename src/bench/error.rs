//! Errors of a measurement, with advice.

use std::io;
use thiserror::Error;

/// An error that prevents or ends a measurement.
#[derive(Debug, Error)]
pub(super) enum BenchError {
    #[error("cannot resolve the host {host:?} ({error}); check --url")]
    NoHost { host: String, error: io::Error },
    #[error(
        "no server listens at {address}; start a broker there (stompbox), or set another address with --url"
    )]
    ConnectionRefused { address: String },
    #[error("{address}: {error}")]
    Socket { address: String, error: io::Error },
    #[error("the broker answers {status} to {path}{}: {text}", hint(*status))]
    Refused { status: u16, path: String, text: String },
    #[error(
        "the broker rejected CONNECT: {0}; check --login and --passcode (or STOMPBOX_BENCH_PASSCODE), or set --vhost \
             if the broker has several virtual hosts"
    )]
    Login(String),
    #[error("the broker sent an ERROR: {0}")]
    Error(String),
    #[error("the broker closed the connection{0}")]
    Closed(String),
    #[error("the broker sent data that is not {0}; check the transport in --url")]
    Protocol(String),
    #[error("{0} within {1} s")]
    TimedOut(String, u64),
    #[error("{0}")]
    Other(String),
}

/// Returns advice for an HTTP status.
fn hint(status: u16) -> &'static str {
    match status {
        401 | 407 => " (the server requires HTTP authentication, which stompbox bench does not support)",
        403 | 421 => {
            " (the broker rejects this host or origin: add it to its allowed hosts, or use an allowed name in --url)"
        }
        404 | 405 => " (check the path of --url, and whether this transport is enabled in the broker)",
        503 | 429 => " (the broker has reached a limit, or is stopping)",
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
