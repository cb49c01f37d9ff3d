//! Log lines about clients that speak the wrong protocol for their port.

use crate::limits::log_limit::LogLimit;
use crate::wire::protocol::{Port, Protocol};
use std::net::IpAddr;
use std::time::Instant;

/// Limits the log lines about such clients. Each protocol has a separate limit, so that many lines about one protocol
/// do not hide another one.
#[derive(Debug, Default)]
pub struct WrongProtocols {
    limits: [LogLimit; Protocol::COUNT],
}

impl WrongProtocols {
    /// Logs the protocol and the remedy, at most once a second for each protocol.
    pub fn log(&self, protocol: Protocol, port: Port, address: IpAddr) {
        let option = match port {
            Port::Stomp => "tcp",
            Port::Http => "http",
        };
        let name = protocol.name();
        match self.limits[protocol.index()].due(Instant::now()) {
            Some(others) => tracing::warn!(
                protocol = name,
                option,
                %address,
                others,
                "wrong protocol for this port. {}.",
                protocol.remedy()
            ),
            None => {
                tracing::debug!(protocol = name, option, %address, "another client uses the wrong protocol")
            }
        }
    }
}
