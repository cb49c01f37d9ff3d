//! The services of the conformance example, on a port of their own, gone when the test is.

use super::echo::Services;
use crate::support::http::{Request, Response, ask};
use crate::support::sockjs::{Session, Transport};
use crate::support::{HANG_TIMEOUT, PATIENCE};
use std::net::SocketAddr;
use std::time::Instant;
use stompbox::transport::sockjs::Options;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Running services.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    _runtime: Runtime,
}

impl Service {
    pub(super) fn start() -> Service {
        Service::with(|_| {})
    }

    /// With other options. A client that polls may be a minute late, unless they say otherwise.
    pub(super) fn with(change: impl Fn(&mut Options)) -> Service {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let patient = |options: &mut Options| {
            options.disconnect_delay = HANG_TIMEOUT;
            change(options);
        };
        runtime.spawn(Services::new(patient).serve(listener));
        Service { address, _runtime: runtime }
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(super) fn ask(&self, request: &Request) -> Response {
        ask(self.address, request)
    }

    /// A session with the echo of which nothing was asked yet.
    #[track_caller]
    pub(super) fn session(&self, transport: Transport) -> Session {
        Session::new(self.address, "/echo", transport)
    }

    /// A session with the echo.
    #[track_caller]
    pub(super) fn open(&self, transport: Transport) -> Session {
        self.session(transport).opened()
    }

    /// Waits until so many sessions over HTTP can be reached.
    #[track_caller]
    pub(super) fn until_sessions(&self, count: usize) {
        let started = Instant::now();
        loop {
            let page = self.ask(&Request::get("/")).body;
            if page.starts_with(&format!("sessions {count}\n")) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{count} sessions are expected, not {page}");
        }
    }
}
