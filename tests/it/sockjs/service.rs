//! The services of the conformance example, on their own port, stopped when the test ends.

use super::echo::Services;
use crate::support::HANG_TIMEOUT;
use crate::support::http::{Request, Response, fetch};
use crate::support::sockjs::{Session, Transport};
use std::net::SocketAddr;
use std::time::Instant;
use stompbox::http::sockjs::Options;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A server with the SockJS test services. Dropping it stops the server.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    _runtime: Runtime,
}

impl Service {
    pub(super) fn start() -> Service {
        Service::with(|_| {})
    }

    /// Starts the services with the options that `change` sets. By default a polling client may pause for a minute.
    pub(super) fn with(change: impl Fn(&mut Options)) -> Service {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let with_long_delay = |options: &mut Options| {
            options.disconnect_delay = HANG_TIMEOUT;
            change(options);
        };
        runtime.spawn(Services::new(with_long_delay).serve(listener));
        Service { address, _runtime: runtime }
    }

    /// Sends one request on its own connection.
    #[track_caller]
    pub(super) fn fetch(&self, request: &Request) -> Response {
        fetch(self.address, request)
    }

    /// Returns a session with the echo service. The session has sent no request yet.
    #[track_caller]
    pub(super) fn session(&self, transport: Transport) -> Session {
        Session::new(self.address, "/echo", transport)
    }

    /// Opens a session with the echo service.
    #[track_caller]
    pub(super) fn open(&self, transport: Transport) -> Session {
        self.session(transport).opened()
    }

    /// Waits until the number of sessions over HTTP is `count`.
    #[track_caller]
    pub(super) fn until_sessions(&self, count: usize) {
        let started = Instant::now();
        loop {
            let page = self.fetch(&Request::get("/")).body;
            if page.starts_with(&format!("sessions {count}\n")) {
                return;
            }
            assert!(started.elapsed() < HANG_TIMEOUT, "expected {count} sessions, got {page}");
        }
    }
}
