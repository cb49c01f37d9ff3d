//! Options of the HTTP listener.

use super::metrics_page::MetricsFrom;
use super::policy::forwarded::Proxies;
use super::policy::host_policy::Hosts;
use super::policy::origin_policy::Origins;
use super::policy::proxy_user::ProxyHeaders;
use std::time::Duration;

/// Options of the HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Path of the endpoint for WebSocket and SockJS clients (`ws-path`).
    pub ws_path: String,
    /// Maximum time to wait for the head of a request (`http-header-timeout`). An idle connection is closed after this
    /// time.
    pub header_timeout: Duration,
    /// The clients that may read `/metrics` (`metrics-from`).
    pub metrics_from: MetricsFrom,
    /// The pages that may use the endpoint at `ws_path` (`allowed-origins`).
    pub origins: Origins,
    /// The accepted values of the header `Host` (`allowed-hosts`).
    pub hosts: Hosts,
    /// The proxies that the broker trusts to name the address of the client in a header (`trusted-proxies`).
    pub proxies: Proxies,
    /// The headers in which trusted proxies name the user that they have authenticated (`proxy-user-header`,
    /// `proxy-roles-header`).
    pub proxy_user: ProxyHeaders,
    /// Whether the demo page is served (`demo`).
    pub demo: bool,
}
