//! Errors of a measurement, with advice.

use std::io;
use thiserror::Error;

/// An error that prevents or ends a measurement.
#[derive(Debug, Error)]
pub(super) enum BenchError {
    #[error("{host}: no such host ({error}); check --url")]
    NoHost { host: String, error: io::Error },
    #[error("nobody listens at {address}: start a broker there (stompbox does), or name another with --url")]
    NotThere { address: String },
    #[error("{address}: {error}")]
    Socket { address: String, error: io::Error },
    #[error("the broker answers {status} to {path}{}: {text}", hint(*status))]
    Refused { status: u16, path: String, text: String },
    #[error(
        "the broker refuses the connection: {0}; give the right --login and --passcode (or STOMPBOX_BENCH_PASSCODE), \
             or --vhost where the broker has several"
    )]
    Login(String),
    #[error("the broker sent an ERROR: {0}")]
    Error(String),
    #[error("the broker closed the connection{0}")]
    Closed(String),
    #[error("what the broker sent is not {0}; is it the right transport in --url?")]
    Protocol(String),
    #[error("{0} within {1} s")]
    TimedOut(String, u64),
    #[error("{0}")]
    Other(String),
}

/// Returns advice for an HTTP status.
fn hint(status: u16) -> &'static str {
    match status {
        401 | 407 => " (a login is asked for by HTTP, which is not done here)",
        403 | 421 => {
            " (the broker refuses this host or origin: add it to its allowed hosts, or use a name it knows)"
        }
        404 | 405 => " (check the path of --url, and whether the broker has this transport on)",
        503 | 429 => " (the broker is full, or stops)",
        _ => "",
    }
}

/// Converts an I/O error of a socket to `address`.
pub(super) fn of_socket(address: &str, error: io::Error) -> BenchError {
    let address = address.to_owned();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => BenchError::NotThere { address },
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => BenchError::Closed(String::new()),
        _ => BenchError::Socket { address, error },
    }
}

impl BenchError {
    pub(super) fn protocol(expected: &str) -> BenchError {
        BenchError::Protocol(expected.to_owned())
    }
}
